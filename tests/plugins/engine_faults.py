"""Engines that misbehave, each named for what it does. They run in the supervisor's child processes."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from earwitness import home as earwitness_home
from earwitness.errors import EngineFailed
from earwitness.progress import Progress

_loaded: dict[str, int] = {}


def pid(*, progress: Progress) -> int:
    return os.getpid()


def echo(value: Any, *, progress: Progress) -> Any:
    return value


def count_model_loads(*, progress: Progress) -> int:
    """A model that is loaded once a process."""
    _loaded["model"] = _loaded.get("model", 0) + 1
    return _loaded["model"]


def report_progress(shares: list[float], *, progress: Progress) -> None:
    for share in shares:
        progress(share, f"at {share:g}")


def report_progress_a_lot(times: int, *, progress: Progress) -> None:
    for at in range(times):
        progress(at / times, "x" * 100)
    progress(1.0, "done")


def report_then_wait_for(file: str, *, progress: Progress) -> None:
    """Ends only when the parent, told of the progress, makes the file."""
    progress(0.5, "half")
    deadline = time.monotonic() + 30
    while not Path(file).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody listened")
        time.sleep(0.02)


def mark_and_stall(file: str, *, progress: Progress) -> None:
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)


def mark_and_stall_in_native_code(file: str, *, progress: Progress) -> None:
    """Sleeps in C with the interpreter's lock held: no Python thread of this process can run."""
    Path(file).write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(600)


def mark_and_stall_with_a_helper(file: str, *, progress: Progress) -> None:
    """Waits for a program that it started, as for ffmpeg."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as helper:
        Path(file).write_text(f"{os.getpid()} {helper.pid}")
        helper.wait()


def refuse(*, progress: Progress) -> NoReturn:
    raise EngineFailed("The model is for another language.", "Choose another one.", language="xx")


def fail_with_a_bug(*, progress: Progress) -> int:
    return _loaded["missing"]


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} is not {two}")


def fail_with_what_can_not_travel(*, progress: Progress) -> NoReturn:
    raise Unpicklable(1, 2)


def return_what_can_not_travel(*, progress: Progress) -> Any:
    return threading.Lock()


def segfault(*, progress: Progress) -> None:
    ctypes.string_at(0)


def be_killed(number: int, *, progress: Progress) -> None:
    os.kill(os.getpid(), number)


def exit_at_once(code: int, *, progress: Progress) -> None:
    os._exit(code)


def exit_politely(code: int, *, progress: Progress) -> None:
    sys.exit(code)


def die_in_the_middle_of_an_answer(*, progress: Progress) -> bytes:
    """Killed while it writes an answer that is larger than a pipe holds, to a parent that does not read."""
    progress(0.5, str(os.getpid()))
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return b"x" * 20_000_000


def raise_memory_error(*, progress: Progress) -> NoReturn:
    raise MemoryError("cannot allocate 8 GB")


def eat_memory(bytes_at_most: int, *, progress: Progress) -> None:
    """Takes 10 MB at a time, and stops short of hurting the machine."""
    eaten: list[bytes] = []
    while len(eaten) * 10_000_000 < bytes_at_most:
        eaten.append(b"x" * 10_000_000)
        time.sleep(0.005)
    time.sleep(600)


def log_something(*, progress: Progress) -> None:
    logging.getLogger("earwitness.diarize").warning("found %d voices", 3)
    logging.getLogger("earwitness.diarize").debug("not asked for")
    try:
        refuse(progress=progress)
    except EngineFailed:
        logging.getLogger("earwitness.diarize").exception("could not")


def print_to_stdout(*, progress: Progress) -> None:
    print("library chatter", flush=True)  # noqa: T201


def surroundings(*, progress: Progress) -> dict[str, Any]:
    return {
        "home": str(earwitness_home.home()),
        "store": str(earwitness_home.store_path()),
        "folder": str(Path.cwd()),
        "threads": os.environ["OMP_NUM_THREADS"],
        "sigint": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "token": os.environ.get("HF_TOKEN"),
        "extra": os.environ.get("EARWITNESS_EXTRA"),
        "stdin": sys.stdin.read(),
        "pid": os.getpid(),
    }


def wait_for_company(folder: str, name: str, *, progress: Progress) -> int:
    """Ends when two of it run at the same time; gives the process."""
    (Path(folder) / name).touch()
    deadline = time.monotonic() + 60
    while len(list(Path(folder).iterdir())) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("nobody came")
        time.sleep(0.02)
    return os.getpid()


def overlapping(folder: str, *, progress: Progress) -> bool:
    """Whether another call was in this process at the same time."""
    mark = Path(folder) / "busy"
    found = mark.exists()
    mark.touch()
    time.sleep(0.05)
    mark.unlink()
    return found


def supervised_inside(*, progress: Progress) -> bool:
    """An engine that uses another engine."""
    from earwitness.engines.supervisor import run_supervised

    return run_supervised("other", pid, timeout_s=10) == os.getpid()
