"""The child's side of `earwitness.engines.supervisor`: a process that answers calls until its parent goes.

Imports little: what a call needs, it imports itself, after the environment was set for it.
"""

import faulthandler
import logging
import logging.handlers
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from earwitness.errors import EngineCrashed

OWN_VARIABLES = "EARWITNESS_"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_PROGRESS_EVERY_S = 0.1
_LOOK_FOR_PARENT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """What the parent wants done."""

    number: int
    work: bytes
    """Pickled (function, args, kwargs)."""
    environment: dict[str, str]
    """All of the parent's `EARWITNESS_*` variables, the home resolved."""
    folder: str
    """Working directory, for relative paths."""
    threads: int
    log_level: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The child is there and begins with a call."""

    number: int


@dataclass(frozen=True, slots=True)
class Reported:
    """How far a call is."""

    number: int
    share: float
    note: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of a call that the process survived."""

    number: int
    value: bytes = b""
    """Pickled."""
    error: bytes = b""
    """Pickled exception, if there was one."""
    trace: str = ""
    """Its traceback, for the log."""
    retire: bool = False
    """The process should not be used again: it ran out of memory."""


def serve(pipe: Connection, lifeline: Connection, parent: int, crash_file: str) -> None:
    """Answer calls from `pipe` until it closes.

    Args:
        pipe: calls come in, reports, log records and answers go out.
        lifeline: nothing is ever written to it; it closes when the parent dies.
        parent: the parent's process id.
        crash_file: where Python writes its stack when native code crashes; unlinked at once, the parent has it open.
    """
    os.setsid()  # a group of its own: Ctrl-C stays with the parent, and its own children die with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent, lifeline)
    _separate_streams()
    crashes = Path(crash_file).open("w", encoding="utf-8")  # noqa: SIM115 - faulthandler keeps writing to it
    Path(crash_file).unlink()
    faulthandler.enable(crashes)
    for each in (pipe, lifeline):
        os.set_inheritable(each.fileno(), False)
    line = _Line(pipe)
    _forward_logs(line)
    while True:
        try:
            call = pipe.recv()
        except EOFError:
            return
        line.send(Taken(call.number))
        line.send(_answer(call, line))


class _Line:
    """The pipe, shared by the thread that works and those that log."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def send(self, message: object) -> None:
        with self._lock:
            self._pipe.send(message)

    put_nowait = send  # what a QueueHandler calls


def _answer(call: Call, line: _Line) -> Answered:
    try:
        _prepare(call)
        from loky.backend.reduction import dumps

        function, args, kwargs = pickle.loads(call.work)
        value = function(*args, progress=_reporter(call.number, line), **kwargs)
        return Answered(call.number, value=bytes(dumps(value)))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent raises it
        return _failed(call.number, error)


def _prepare(call: Call) -> None:
    for name in [name for name in os.environ if name.startswith(OWN_VARIABLES)]:
        del os.environ[name]
    os.environ.update(call.environment)
    os.environ[f"{OWN_VARIABLES}SUPERVISE"] = "0"  # an engine that calls an engine does so here
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(call.threads)))
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(call.threads)
    os.chdir(call.folder)
    logging.getLogger("earwitness").setLevel(call.log_level)


def _reporter(number: int, line: _Line) -> Callable[..., None]:
    last_share, last_at = 0.0, float("-inf")
    lock = threading.Lock()

    def report(share: float, note: str = "") -> None:
        nonlocal last_share, last_at
        with lock:
            share, now = min(1.0, max(last_share, share)), time.monotonic()
            if now - last_at < _PROGRESS_EVERY_S and not last_share < share == 1:
                return
            last_share, last_at = share, now
            line.send(Reported(number, share, note))

    return report


def _failed(number: int, error: BaseException) -> Answered:
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, without importing it
        out = EngineCrashed(
            f"An engine ran out of memory ({_first_line(error)}).",
            "Choose a smaller batch (transcribe.batch_size) or model, or give it more memory.",
            out_of_memory=True,
        )
        return Answered(number, error=pickle.dumps(out), trace=trace, retire=True)
    if isinstance(error, SystemExit):
        error = EngineCrashed(
            f"An engine asked its process to end (exit code {error.code}).", "Try again; report it if it stays."
        )
    return Answered(number, error=_portable(error), trace=trace)


def _portable(error: BaseException) -> bytes:
    """The exception itself where it survives the journey, else its name and message."""
    try:
        plain = pickle.dumps(error)
        pickle.loads(plain)
    except Exception:  # noqa: BLE001 - constructors of exceptions fail in any way they like
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return plain


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _forward_logs(line: _Line) -> None:
    logger = logging.getLogger("earwitness")
    logger.addHandler(logging.handlers.QueueHandler(line))  # type: ignore[arg-type]
    logger.propagate = False


def _separate_streams() -> None:
    """What libraries print must not end up between the parent's results, nor may they read its input."""
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)


def _die_with(parent: int, lifeline: Connection) -> None:
    """Kill this process and its children soon after the parent is gone, however it went.

    PR_SET_PDEATHSIG is no use: it fires when the *thread* that started us ends.
    """

    def watch() -> None:
        while os.getppid() == parent and not lifeline.poll(_LOOK_FOR_PARENT_EVERY_S):
            pass
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="earwitness-watchdog", daemon=True).start()
    if sys.platform == "linux":  # the kernel does it, so it works while native code holds the interpreter's lock
        import fcntl

        end = lifeline.fileno()
        fcntl.fcntl(end, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(end, fcntl.F_SETFL, fcntl.fcntl(end, fcntl.F_GETFL) | os.O_ASYNC)
