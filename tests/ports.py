"""Ports for servers that tests start as processes of their own."""

import fcntl
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

_PORTS = range(20_000, 32_000)
"""Below those that the system gives to whoever connects somewhere, or asks for any."""
_MINE: list[IO[bytes]] = []


def free_port() -> int:
    """A port that nobody listens at, and that no other process of tests is given as long as this one lives."""
    folder = Path(tempfile.gettempdir()) / "earwitness-test-ports"
    folder.mkdir(exist_ok=True)
    while True:
        port = random.choice(_PORTS)
        claim = (folder / str(port)).open("ab")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _MINE.append(claim)
        return port
