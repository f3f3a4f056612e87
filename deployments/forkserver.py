"""A warm process of which the processes of runs are copies: they start in a tenth of a second instead of seconds.

    python -m deployments.forkserver SOCKET [further modules to import]

It imports what a run needs, listens, and forks for each run that `deployments.warm` asks for; that program lives as
long as the copy does. The copy has the environment, folder and streams of whoever asked, and Prefect's settings are
read anew in it. Whoever asks is declined, and starts a process of their own, where a copy would be another thing than
such a process: where code of ours has changed since it was imported, or where a variable differs that a library may
have read when it was imported.

Python's own fork server (multiprocessing) serves the one process that has started it; here each run has a parent of
its own. Not for macOS, whose frameworks don't survive a fork.
"""

import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

import click

from deployments.warm import message, receive, short_name

_OF_RUNS = (
    "tasks",
    "flows.drop",
    "flows.health",
    "flows.maintain",
    "flows.sweep",
    "prefect.engine",
    "prefect.flow_engine",
)
"""`tasks` first: it sets what Prefect reads when it is imported."""
_PATIENCE_S = 5.0
_STREAMS = 3
_READ_WHEN_USED = ("PREFECT_", "EARWITNESS_")
"""Variables that may be others in a copy: ours are never read at import, Prefect's are read anew."""
_OF_THE_START = frozenset(
    {"INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "OLDPWD", "PWD", "SHLVL", "_", "COLUMNS", "LINES", "TERM"}
)
"""Variables that say how and where a process was started, not what it shall do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a copy shall be."""

    environment: dict[str, str]
    folder: str
    arguments: list[str]
    streams: list[int]


class ForkServer:
    """Copies itself on request.

    Args:
        address: of its socket; only the same user may connect.
        born_with: the environment before anything was imported.
    """

    def __init__(self, address: Path, born_with: Mapping[str, str]) -> None:
        self._born_with = born_with
        self._code = {path: _changed_at(path) for path in _own_files()}
        self._changed = False
        self._copies: dict[int, socket.socket] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o077)
        with short_name(address) as name:
            Path(name).unlink(missing_ok=True)
            self._listener.bind(name)
        os.umask(before)
        self._listener.listen(128)
        self._woken, wake = socket.socketpair()
        for each in (self._woken, wake):
            each.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, _notice)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def next_copy(self) -> Wanted:
        """Returns in each copy, and never in the server."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    line, _ = self._listener.accept()
                    if wanted := self._answer(line):
                        return wanted
                elif key.fileobj is self._woken:
                    self._bury()
                else:
                    self._kill(key.data)
            if self._changed and not self._copies:
                os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(self._born_with))

    def _answer(self, line: socket.socket) -> Wanted | None:
        """Fork, if all is well; whatever is wrong with a request, the server goes on."""
        line.settimeout(_PATIENCE_S)
        streams: list[int] = []
        try:
            _, streams, _, _ = socket.recv_fds(line, 1, _STREAMS)
            asked = receive(line)
            wanted = Wanted(asked["environment"], asked["folder"], asked["arguments"], streams)
            why_not = self._why_not(wanted)
            pid = -1 if why_not else os.fork()
        except (OSError, ValueError, KeyError, TypeError) as error:
            why_not, pid = f"{type(error).__name__}: {error}", -1
        if pid == 0:
            self._close()
            line.close()
            return wanted
        for each in streams:
            os.close(each)
        if why_not:
            click.echo(f"declined: {why_not}", err=True)
            with suppress(OSError):
                line.sendall(message({"declined": why_not}))
            line.close()
            return None
        click.echo(f"copied: process {pid}", err=True)
        with suppress(OSError):  # the copy does it too, whoever comes first
            os.setpgid(pid, pid)
        self._copies[pid] = line
        self._selector.register(line, selectors.EVENT_READ, pid)
        with suppress(OSError):  # whoever asked is gone: the selector tells
            line.sendall(message({"pid": pid}))
        return None

    def _why_not(self, wanted: Wanted) -> str:
        if len(wanted.streams) != _STREAMS or len(wanted.arguments) < 2 or wanted.arguments[0] not in ("-m", "-c"):
            return "neither -m MODULE nor -c CODE"
        if self._changed or any(_changed_at(path) != at for path, at in self._code.items()):
            self._changed = True
            return "code has changed; this server starts itself anew as soon as its last copy has ended"
        names = {
            name
            for name in wanted.environment.keys() | self._born_with.keys()
            if wanted.environment.get(name) != self._born_with.get(name)
            and name not in _OF_THE_START
            and not name.startswith(_READ_WHEN_USED)
        }
        return f"other variables: {', '.join(sorted(names))}" if names else ""

    def _bury(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(1024):
                pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            line = self._copies.pop(pid)
            with suppress(KeyError):  # it was killed because nobody waits for it
                self._selector.unregister(line)
            with suppress(OSError):
                line.sendall(message({"code": os.waitstatus_to_exitcode(status)}))
            line.close()

    def _kill(self, pid: int) -> None:
        """Whoever asked for it was killed."""
        if pid in self._copies:  # it has not ended in the same moment
            self._selector.unregister(self._copies[pid])
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for each in (self._listener, self._woken, self._wake, *self._copies.values()):
            each.close()


def preload(further: Sequence[str]) -> None:
    """Import what a run needs, and make what each would make again."""
    for module in (*_OF_RUNS, *further):
        importlib.import_module(module)
    from expectations.check import CONTRACTS, suite_of

    for name in CONTRACTS:
        suite_of(name)
    gc.collect()
    gc.freeze()  # a collector that looked at each object would make a copy of all that memory in every copy


def become(wanted: Wanted, born_with: Mapping[str, str]) -> None:
    """Go on as `python ARGUMENTS`."""
    with suppress(OSError):
        os.setpgid(0, 0)
    for at, stream in enumerate(wanted.streams):
        os.dup2(stream, at)
        os.close(stream)
    os.chdir(wanted.folder)
    set_by_imports = {name: value for name, value in os.environ.items() if name not in born_with}
    os.environ.clear()
    os.environ.update(set_by_imports | wanted.environment)
    from prefect.context import refresh_global_settings_context
    from prefect.logging.configuration import setup_logging

    refresh_global_settings_context()
    setup_logging(incremental=False)
    kind, what, *arguments = wanted.arguments
    if kind == "-m":
        sys.path[0] = wanted.folder
        sys.argv = [what, *arguments]
        sys.modules.pop(what, None)  # runpy warns of a module that is there already
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = ""
        sys.argv = [kind, *arguments]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), main.__dict__)  # as Python does with -c


def main() -> None:
    """Serve until killed."""
    born_with = dict(os.environ)
    preload(sys.argv[2:])
    server = ForkServer(Path(sys.argv[1]), born_with)
    become(server.next_copy(), born_with)


def _own_files() -> list[Path]:
    """Ours among what was imported."""
    root = Path(__file__).resolve().parents[1]
    files = {Path(path) for module in list(sys.modules.values()) if (path := getattr(module, "__file__", None))}
    return [path for path in files if path.is_relative_to(root) and "site-packages" not in path.parts]


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _notice(number: int, frame: FrameType | None) -> None:
    """The wake-up socket has told already; without a handler it would not."""


if __name__ == "__main__":
    main()
