"""Stages that misbehave. Imported and called by the code of a test's child process, before the command starts."""

import errno
import importlib
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

WORK = {
    "validate": "validate_recording",
    "preprocess": "make_speech_copy",
    "listen": "make_listening_copy",
    "diarize": "find_speakers",
    "transcribe": "find_words",
    "align": "time_words",
    "speakers": "analyse_talk",
    "summarize": "write_notes",
    "clip": "make_clips",
    "publish": "compose_bundle",
}
"""Stage → the library's function that its task calls."""


def put(stage: str, fault: str, *args: Any) -> None:
    """Let a fault of this module, by name, do the work of a stage."""
    module = importlib.import_module(f"tasks.{stage}")
    true = getattr(module, WORK[stage])
    setattr(module, WORK[stage], partial(globals()[fault], true, *args))


def main_with(stage: str, fault: str, *args: str) -> str:
    """Code for `tests.runs.ChildRun`: the command with a faulty stage."""
    from tests.runs import MAIN

    return f"from tests.plugins import stage_faults\nstage_faults.put({stage!r}, {fault!r}, *{args!r})\n{MAIN}"


def main_with_a_full_disk(under: Path) -> str:
    """Code for `tests.runs.ChildRun`: the command on a machine where a folder's disk is full."""
    from tests.runs import MAIN

    return f"from tests.plugins import stage_faults\nstage_faults.fill_the_disk({str(under)!r})\n{MAIN}"


def main_with_a_dropped_interruption(after: str, stage: str, mark: str) -> str:
    """Code for `tests.runs.ChildRun`: Ctrl-C comes in a destructor when a stage has ended, while another one stalls."""
    from tests.runs import MAIN

    return (
        "from tests.plugins import stage_faults\n"
        f"stage_faults.put({stage!r}, 'stall', {mark!r})\n"
        f"stage_faults.interrupt_in_a_destructor({after!r}, {mark!r})\n{MAIN}"
    )


def interrupt_in_a_destructor(after: str, mark: str) -> None:
    """Ctrl-C where Python drops what it raises."""
    run: Any = importlib.import_module("tasks.run")
    true = run.tell

    class Dying:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def tell(event: Any) -> None:
        true(event)
        if (event.stage, event.kind) == (after, "ended"):
            deadline = time.monotonic() + 120
            while not Path(mark).exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            Dying()

    run.tell = tell


def stall(true: Callable[..., Any], mark: str, *args: Any, **kwargs: Any) -> None:
    """Python code that takes long."""
    Path(mark).write_text(str(os.getpid()))
    time.sleep(600)


def wait_for(true: Callable[..., Any], mark: str, go: str, *args: Any, **kwargs: Any) -> Any:
    """Begins to work only when a test says so."""
    Path(mark).write_text(str(os.getpid()))
    deadline = time.monotonic() + 120
    while not Path(go).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody said go")
        time.sleep(0.02)
    return true(*args, **kwargs)


def segfault_twice(true: Callable[..., Any], folder: str, *args: Any, **kwargs: Any) -> Any:
    """Native code that crashes on the first two tries; notes the batch size of each."""
    import ctypes

    tries = Path(folder)
    settings = next(arg for arg in args if hasattr(arg, "batch_size"))
    number = len(list(tries.iterdir())) + 1
    (tries / f"{number}").write_text(str(settings.batch_size))
    if number <= 2:
        ctypes.string_at(0)
    return true(*args, **kwargs)


def no_address_space_once(true: Callable[..., Any], mark: str, *args: Any, **kwargs: Any) -> Any:
    """An engine that can't get memory on its first try: the kernel refuses, as in a small container."""
    import resource

    if not Path(mark).exists():
        Path(mark).write_text(str(os.getpid()))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
        bytearray(1 << 30)
    return true(*args, **kwargs)


def fill_the_disk(under: str) -> None:
    """From now on nothing can be written below a folder: every opening for writing fails as on a full disk.

    Python's own files only; what other programs write is not held back.
    """
    import builtins
    import io
    import sys

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(args[0], str | bytes | os.PathLike):
            return
        path, _, flags = args
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and os.path.realpath(os.fsdecode(path)).startswith(under):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(path))

    assert builtins.open is io.open
    sys.addaudithook(refuse)
