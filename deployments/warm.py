"""Python that has imported everything already, where there is one.

    python -m deployments.warm -m prefect.engine
    python -m deployments.warm -c CODE [arguments]

prefect.yaml starts runs so. To start Python and to import Prefect, Great Expectations and our flows takes seconds of a
core, for each run anew. `deployments.forkserver` has done it: this process hands its environment, folder and streams
over to a copy of that one, and lives as long as the copy does, whose signals and exit code are its own. So whoever
started it (a worker) need not know. Where no such server is, or where it declines, this process becomes
`python ARGUMENTS` itself, and the run starts as late as it would have.

Imports next to nothing: it is started for every run.
"""

import array
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

ADDRESS = "EARWITNESS_FORKSERVER"
"""Variable with the path of its socket."""
_LENGTH = struct.Struct("!I")
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_PATIENCE_S = 5.0


def main() -> None:
    """Be `python ARGUMENTS`, from afar or in person."""
    arguments = sys.argv[1:]
    address = os.environ.get(ADDRESS)
    if address and (code := _from_afar(Path(address), arguments)) is not None:
        _end_like(code)
    os.execv(sys.executable, [sys.executable, *arguments])


@contextmanager
def short_name(address: Path) -> Iterator[str]:
    """The name of a socket from within its folder: a path of more than 107 bytes can't be one."""
    before = Path.cwd()
    os.chdir(address.parent)
    try:
        yield address.name
    finally:
        os.chdir(before)


def message(content: object) -> bytes:
    """As `receive` takes it."""
    text = json.dumps(content).encode()
    return _LENGTH.pack(len(text)) + text


def receive(line: socket.socket) -> Any:
    """The next message; None where the line has ended."""
    head = _read(line, _LENGTH.size)
    text = head and _read(line, _LENGTH.unpack(head)[0])
    return json.loads(text) if text else None


def _from_afar(address: Path, arguments: list[str]) -> int | None:
    """The copy's exit code, negative for a signal; None where there is no copy."""
    wanted = {"environment": dict(os.environ), "folder": str(Path.cwd()), "arguments": arguments}
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.settimeout(_PATIENCE_S)
            with short_name(address) as name:
                line.connect(name)
            line.sendmsg([b"+"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
            line.sendall(message(wanted))
            answer = receive(line)
        except OSError:
            return None
        if not answer or "pid" not in answer:
            return None
        _pass_on(answer["pid"])
        line.settimeout(None)
        ended = receive(line)
    if ended is None:  # the server is gone; how the copy would end nobody would ever know, so it ends now
        with suppress(ProcessLookupError):
            os.killpg(answer["pid"], signal.SIGKILL)
        return -signal.SIGKILL
    return int(ended["code"])


def _pass_on(pid: int) -> None:
    """From now on signals go to the copy. A SIGKILL can't: the server sees this process end."""

    def pass_on(number: int, _: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)


def _end_like(code: int) -> None:
    if code < 0:
        if -code in _PASSED_ON:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _read(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        try:
            part = line.recv(size - len(got))
        except ConnectionResetError:
            return b""
        if not part:
            return b""
        got += part
    return got


if __name__ == "__main__":
    main()
