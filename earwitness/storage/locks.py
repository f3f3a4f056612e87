"""Locks between processes that the kernel frees when their holder dies."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from earwitness.errors import StorageError
from earwitness.home import locks_path
from earwitness.interrupt import stop_if_interrupted

POLL_S = 0.1


class FileLocks:
    """Named locks on `flock(2)`: they hold between processes and threads, and survive a kill -9.

    A lock file may be deleted by whoever has its lock: who had opened it before finds that out, and opens a new one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._guard = Lock()
        self._held: dict[str, tuple[str, int]] = {}

    def __getstate__(self) -> dict[str, Path]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def try_acquire(self, name: str, holder: str) -> bool:
        """Take the lock if nobody else has it; taking it again as the same holder succeeds."""
        with self._guard:
            if name in self._held:
                return self._held[name][0] == holder
            while True:
                descriptor = self._open(name)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                    return False
                if os.fstat(descriptor).st_nlink:
                    self._held[name] = (holder, descriptor)
                    return True
                os.close(descriptor)  # cleaned away after we had opened it

    def release(self, name: str, holder: str) -> None:
        """Give the lock back.

        Raises:
            ValueError: `holder` does not have it.
        """
        with self._guard:
            if self._held.get(name, ("", -1))[0] != holder:
                raise ValueError(f"{holder} does not hold the lock {name}")
            os.close(self._held.pop(name)[1])

    def holds(self, name: str, holder: str) -> bool:
        """Whether this very object holds the lock for `holder`."""
        with self._guard:
            return self._held.get(name, ("", -1))[0] == holder

    def is_free(self, name: str) -> bool:
        """Whether nobody has the lock at this moment."""
        with self._guard:
            if name in self._held:
                return False
            return _could_lock(self._open(name), fcntl.LOCK_EX)

    def _open(self, name: str) -> int:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / hashlib.sha256(name.encode()).hexdigest()
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(
                f"No lock file can be made in {self.folder} ({error.strerror or error}).",
                "Point EARWITNESS_HOME at a writable folder on a local disk.",
            ) from error


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock of this file or folder; what can't be looked at counts as held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return not _could_lock(descriptor, fcntl.LOCK_SH)


def _could_lock(descriptor: int, how: int) -> bool:
    """Whether the lock could be had; the descriptor is closed, and with it the lock given back."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def locked(name: str, folder: Path | None = None) -> Iterator[None]:
    """Hold the named lock of this machine, or of a folder of locks; waits for whoever has it."""
    locks = FileLocks(folder or locks_path())
    while not locks.try_acquire(name, "me"):
        stop_if_interrupted()
        time.sleep(POLL_S)
    try:
        yield
    finally:
        locks.release(name, "me")
