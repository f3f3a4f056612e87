"""Native engines run in child processes that stay warm and can be stopped.

A time-out does not interrupt native code, and a native crash or an out-of-memory kill skips every `except` and
`finally`. So each family of engines has one child process that keeps its models from one recording to the next;
the parent enforces time and memory limits on it and turns its death into a `Transient` error.

The processes are loky's: unlike those of multiprocessing they do not import the user's `__main__` again, so a script
needs no `if __name__ == "__main__"`. loky's executor is not used: it starts a worker anew when it has grown by 300 MB
(a model), and a call that runs in it can't be stopped.
"""

import atexit
import contextlib
import fcntl
import itertools
import logging
import os
import pickle
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from earwitness.engines import worker
from earwitness.engines.guard import Guard
from earwitness.errors import EngineCrashed, EngineTimeout
from earwitness.home import CRASH_PREFIX, home
from earwitness.interrupt import stop_if_interrupted, stoppable
from earwitness.progress import Progress, no_progress

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TICK_S = 0.2
_GOODBYE_S = 2.0

_READ_AT_IMPORT = ("HF_", "TRANSFORMERS_", "TORCH_", "PYTORCH_", "CUDA_", "NLTK_", "XDG_", "OPENAI_")
"""Libraries read these once, when they are imported: a child that was born with others is of no use."""


def run_supervised(
    family: str,
    function: Callable[..., T],
    /,
    *args: Any,
    timeout_s: float,
    share: float = 1.0,
    progress: Progress = no_progress,
    **kwargs: Any,
) -> T:
    """Call `function(*args, progress=..., **kwargs)` in the child process of its family, and wait for it.

    The child is started on first use and used again by later calls; calls of one family take turns. It sees the
    caller's `EARWITNESS_*` variables and working directory. What it logs under `earwitness` is logged here.
    `EARWITNESS_SUPERVISE=0` calls the function in this process, without limits (for debugging).

    Args:
        family: engines that share a process, e.g. "diarize", "words".
        function: a module-level function that accepts `progress=`.
        args: for the function; they and its result are pickled.
        timeout_s: limit of this call, the start of the child included.
        share: of the cores. Less than all of them for an engine that works beside a longer one: threads that meet at
            barriers wait for the one whose core is taken (measured: 84 s instead of 13 beside the recogniser).
        progress: called in this thread, at most ten times a second.
        kwargs: for the function.

    Raises:
        EngineTimeout: the limit was passed; the child was killed.
        EngineCrashed: the child died (a signal, an exit, out of memory; `EARWITNESS_ENGINE_MEMORY_GB` sets a limit).
        Interrupted: the run was interrupted; the child was killed.
        Exception: whatever the function raised, with the child's traceback as its cause.
    """
    if os.environ.get("EARWITNESS_SUPERVISE") == "0":
        return function(*args, progress=progress, **kwargs)
    from loky.backend.reduction import dumps

    work = bytes(dumps((function, args, kwargs)))  # cloudpickle: functions of the user's script travel by value
    return _engine(family).run(work, timeout_s, _threads(share), progress)  # type: ignore[no-any-return]


def shutdown_engines() -> None:
    """End all child processes: idle ones are asked to, busy ones are killed (their callers get `EngineCrashed`)."""
    with _registry:
        engines = list(_engines.values())
        _engines.clear()
    children = [child for engine in engines if (child := engine.dismiss())]
    deadline = time.monotonic() + _GOODBYE_S
    for child in children:
        child.process.join(max(0.0, deadline - time.monotonic()))
        child.kill()


_registry = threading.Lock()
_engines: dict[str, "_Engine"] = {}


def _engine(family: str) -> "_Engine":
    with _registry:
        if not _engines:
            import multiprocessing.util  # noqa: F401 - it waits for children at exit: ours must be gone by then

            atexit.unregister(shutdown_engines)
            atexit.register(shutdown_engines)
        return _engines.setdefault(family, _Engine(family))


def _forget_engines() -> None:
    """After a fork: the parent's children are not ours."""
    global _registry
    _registry = threading.Lock()
    _engines.clear()


os.register_at_fork(after_in_child=_forget_engines)


class _Engine:
    """A family: at most one child, at most one call at a time."""

    def __init__(self, family: str) -> None:
        self.family = family
        self._child: _Child | None = None
        self._turn = threading.Lock()

    def run(self, work: bytes, timeout_s: float, threads: int, progress: Progress) -> Any:
        while not self._turn.acquire(timeout=_TICK_S):  # an exception that Prefect sets in this thread gets through
            stop_if_interrupted()
        try:
            answer = self._call(work, timeout_s, threads, progress)
        finally:
            self._turn.release()
        if answer.error:
            error: BaseException = pickle.loads(answer.error)
            error.__cause__ = _InChild(answer.trace)
            raise error
        return pickle.loads(answer.value)

    def _call(self, work: bytes, timeout_s: float, threads: int, progress: Progress) -> worker.Answered:
        before = self._child
        child = self._warm()
        try:
            with (
                stoppable(lambda: child.stop(_interrupted(self.family))),
                Guard(self.family, child.process.pid, timeout_s, child.stop),
            ):
                answer = child.call(work, threads, progress)
        except EngineCrashed:
            self._child = None
            child.kill()
            if child is before and not child.stopped and not child.took:
                # it died between two calls, and the kernel took a moment to tell
                return self._call(work, timeout_s, threads, progress)
            raise
        except BaseException:  # a child that did not answer is in an unknown state
            self._child = None
            child.kill()
            raise
        if answer.retire:
            self._child = None
            child.kill()
        return answer

    def _warm(self) -> "_Child":
        child, self._child = self._child, None
        if child and not child.usable():
            child.kill()
            child = None
        self._child = child or _Child(self.family)
        return self._child

    def dismiss(self) -> "_Child | None":
        child = self._child
        if child and self._turn.acquire(blocking=False):
            self._child = None
            child.pipe.close()  # it ends when it finds its pipe closed
            self._turn.release()
        elif child:
            child.stop(
                EngineCrashed(f"The {self.family} engine was shut down while it worked.", "Start the run again.")
            )
        return child


def _interrupted(family: str) -> EngineCrashed:
    return EngineCrashed(f"The {family} engine was stopped because the run was interrupted.", "Start the run again.")


class _Child:
    """A process and the pipe to it."""

    def __init__(self, family: str) -> None:
        from loky.backend import get_context

        self.family = family
        self._born_with = _read_at_import()
        self._numbers = itertools.count()
        self._stopping = threading.Lock()
        self._verdict: EngineCrashed | EngineTimeout | None = None
        self._limit_s = 0.0
        self.took = False
        """Whether it began with the last call."""
        crash_fd, crash_file = tempfile.mkstemp(prefix=CRASH_PREFIX)
        fcntl.flock(crash_fd, fcntl.LOCK_EX)  # `earwitness clean` takes the file away when we are dead
        self._crashes = os.fdopen(crash_fd, encoding="utf-8", errors="replace")
        self._crash_file = Path(crash_file)
        context = get_context("loky")
        self.pipe, its_pipe = context.Pipe()
        its_lifeline, self._lifeline = context.Pipe(duplex=False)
        self.process = context.Process(
            target=worker.serve, args=(its_pipe, its_lifeline, os.getpid(), crash_file), name=f"earwitness-{family}"
        )
        self.process.start()
        its_pipe.close()
        its_lifeline.close()

    @property
    def stopped(self) -> bool:
        """Whether we ended it, for a reason."""
        return self._verdict is not None

    def usable(self) -> bool:
        return self._verdict is None and self.process.is_alive() and self._born_with == _read_at_import()

    def call(self, work: bytes, threads: int, progress: Progress) -> worker.Answered:
        number = next(self._numbers)
        call = worker.Call(
            number=number,
            work=work,
            environment=_own_variables(),
            folder=_folder(),
            threads=threads,
            log_level=logging.getLogger("earwitness").getEffectiveLevel(),
        )
        self.took = False
        self._say(call)
        while True:
            match self._heard():
                case worker.Taken(number=of) if of == number:
                    self.took = True
                case worker.Reported(number=of, share=share, note=note) if of == number:
                    progress(share, note)
                case worker.Answered(number=of) as answer if of == number:
                    return answer
                case logging.LogRecord() as record:
                    logger = logging.getLogger(record.name)
                    if logger.isEnabledFor(record.levelno):
                        logger.handle(record)

    def _say(self, call: worker.Call) -> None:
        try:
            self.pipe.send(call)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._death() from error

    def _heard(self) -> object:
        try:
            while not self.pipe.poll(_TICK_S):
                pass
            return self.pipe.recv()
        except TimeoutError:  # an OSError, but not a pipe's: Prefect's time-out sets it in this thread
            raise
        except (EOFError, OSError) as error:
            raise self._death() from error

    def stop(self, verdict: EngineCrashed | EngineTimeout) -> None:
        """Kill it for a reason; the thread that waits for it raises that."""
        with self._stopping:
            self._verdict = self._verdict or verdict
        self._signal()

    def kill(self) -> None:
        self._signal()
        self.process.join(_GOODBYE_S)
        self.pipe.close()
        self._lifeline.close()
        self._crashes.close()
        self._crash_file.unlink(missing_ok=True)  # a child that came up has done so

    def _signal(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # with the programs that it started
        except ProcessLookupError:
            if self.process.is_alive():  # not a group of its own yet
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.process.pid, signal.SIGKILL)

    def _death(self) -> EngineCrashed | EngineTimeout:
        self.process.join(_GOODBYE_S)
        with self._stopping:
            if self._verdict:
                return self._verdict
        code = self.process.exitcode
        name = signal.Signals(-code).name if code is not None and code < 0 else None
        where = self._crash_site()
        how = (
            f"was killed by {name}{f' in {where}' if where else ''}"
            if name
            else "is gone"
            if code is None
            else f"ended by itself with exit code {code}"
        )
        if name == "SIGKILL":
            how += ", most likely because the system ran out of memory"
        return EngineCrashed(
            f"The process of the {self.family} engine {how}.",
            "Choose a smaller batch (transcribe.batch_size) or model, or give it more memory; then try again.",
            family=self.family,
            exit_code=code,
            signal=name,
            where=where,
        )

    def _crash_site(self) -> str | None:
        self._crashes.seek(0)
        site = re.search(r'Current thread.*\n  File "(.+)", line (\d+) in (\S+)', self._crashes.read())
        return f"{site[3]} ({Path(site[1]).name}:{site[2]})" if site else None


class _InChild(Exception):
    """The traceback in the child, as the cause of what is raised here."""

    def __init__(self, trace: str) -> None:
        super().__init__(trace)

    def __str__(self) -> str:
        return f"in the engine's process:\n\n{self.args[0]}"


def _threads(share: float) -> int:
    """Of the cores that this process may use (containers included); the user's own limit counts."""
    from loky import cpu_count

    threads = max(1, int(cpu_count() * share))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(threads, max(1, int(asked))) if asked.isdecimal() else threads


def _own_variables() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name.startswith(worker.OWN_VARIABLES)}
    return {**own, "EARWITNESS_HOME": str(home())}


def _read_at_import() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_READ_AT_IMPORT)}


def _folder() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # somebody deleted it: relative paths fail here too
        return "/"
