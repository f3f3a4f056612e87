"""Who uses the store, so that cleaning never takes away what a run needs.

Three things work together, all on `flock(2)`, which the kernel frees when its holder dies, however it dies:

* A run holds a *lease* from before its first use of the store until its end.
* Every use of a stored file or checkpoint *stamps* it: its inode change time says when it was needed last.
* Uses and deletions pass one *gate*: users together, a cleaner alone, each for some milliseconds.

A cleaner removes nothing that was stamped after the oldest living lease began, and looks again behind the closed gate.
"""

import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from earwitness.errors import StorageError
from earwitness.home import leases_path, locks_path

CRASH_PREFIX = "earwitness-crash-"
"""Of the files in the system's temporary folder that engines write to when they crash; locked while they may."""

_CLOCK_STEP_NS = 1_000_000_000
"""Stamps and leases are dated by one clock; this much it may be set back while a run lasts."""


@contextmanager
def gate(*, alone: bool = False) -> Iterator[None]:
    """Pass the gate: together with other users of the store, or alone. Keep it for moments only.

    Raises:
        StorageError: no lock file can be made.
    """
    folder = locks_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "gate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(
            f"No lock file can be made in {folder} ({error.strerror or error}).",
            "Point EARWITNESS_HOME at a writable folder on a local disk.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def using_store(purpose: str) -> Iterator[None]:
    """Hold a lease: whatever is kept or read until the end of the block stays, whoever cleans.

    Args:
        purpose: for people who look at what is going on.

    Raises:
        StorageError: no lease can be written.
    """
    folder = leases_path()
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
    with gate():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "purpose": purpose}).encode())
        except OSError as error:
            raise StorageError(
                f"No lease can be written to {folder} ({error.strerror or error}).",
                "Free some space or point EARWITNESS_HOME at a writable folder.",
            ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def living_leases() -> list[Path]:
    """The leases of runs in progress."""
    return [path for path in _leases() if is_held(path)]


def dead_leases() -> list[Path]:
    """What killed runs left. Only reliable behind the closed gate."""
    return [path for path in _leases() if not is_held(path)]


def needed_since_ns() -> int:
    """What was stamped at this time or later belongs to a run in progress; the far future when there is none.

    Behind the closed gate the answer is exact: leases are written with the gate passed.
    """
    begun = []
    for path in living_leases():
        with suppress(FileNotFoundError):
            begun.append(path.stat().st_ctime_ns)
    return min(begun) - _CLOCK_STEP_NS if begun else 1 << 63


def _leases() -> list[Path]:
    try:
        return sorted(leases_path().glob("*.json"))
    except OSError:
        return []


def stamp(path: Path) -> bool:
    """Note that a stored file is needed now; False if it is not there. Pass the gate first.

    Setting any time sets the inode's change time as well, which nothing else can forge. The time of the last
    modification stays: it tells whether the content has to be hashed again.
    """
    try:
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    except PermissionError:
        # somebody else's file in a shared home: only its age protects it
        return path.is_file()
    return True


def stamped_ns(stat: os.stat_result) -> int:
    """When a file was needed last, in ns since 1970."""
    return stat.st_ctime_ns


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of this file or folder; what can't be looked at counts as held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class HeldFolder(tempfile.TemporaryDirectory[str]):
    """A temporary folder that is locked while its maker lives, so that a dead maker's folder can be told."""

    def __init__(self, prefix: str, inside: Path) -> None:
        with gate():
            super().__init__(prefix=prefix, dir=inside)
            self._descriptor = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def cleanup(self) -> None:
        """Remove it and give its lock back."""
        super().cleanup()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
