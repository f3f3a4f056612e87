"""ffmpeg programs that fail: put one on PATH and it is taken for the system's.

Each answers `-version` as a healthy one does, so that it is chosen, and fails when it gets work.
"""

from pathlib import Path

import pytest

STALLS = "exec sleep 600"
SEGFAULTS = "kill -SEGV $$"
KILLED_FOR_MEMORY = "kill -KILL $$"
CHATTERS = "while :; do echo '[mp3 @ 0x1] [error] Header missing' >&2; done"


def put_on_path(fault: str, folder: Path, monkeypatch: pytest.MonkeyPatch, version: str = "0-faulty") -> Path:
    """Write the program and let PATH begin with its folder."""
    program = folder / "ffmpeg"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -version ]; then echo "ffmpeg version {version}"; exit 0; fi\n{fault}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program
