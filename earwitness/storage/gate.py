"""Uses of the store and deletions from it, kept apart.

* Every use of a stored file or checkpoint *stamps* it: its inode change time says when it was needed last.
* Uses and deletions pass one *gate* of this machine: users together, a cleaner alone, each for some milliseconds.
* A run holds a lease (`earwitness.storage.leases`) from before its first use until its end.

A cleaner removes nothing that was stamped after the oldest lease began, and looks again behind the closed gate.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earwitness.errors import StorageError
from earwitness.home import locks_path


@contextmanager
def gate(*, alone: bool = False) -> Iterator[None]:
    """Pass the gate: together with other users of the store, or alone. Keep it for moments only.

    It can't be passed once more from inside.

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
