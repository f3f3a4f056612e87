"""Files that only their owner may read: in a folder of their own, whole or not at all, erased with their traces."""

from pathlib import Path

from earwitness.errors import StorageError
from earwitness.storage.whole import write_whole


def write_private(path: Path, content: bytes, what: str) -> None:
    """Write a file (mode 600) into a folder that holds such files only (mode 700), and is made if it is not there.

    Args:
        path: the file; an earlier one is replaced.
        content: all of it.
        what: it is, as errors say before its path.

    Raises:
        StorageError: it can't be written; what was there before still is.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        write_whole(path, content, private=True)
    except OSError as error:
        raise StorageError(
            f"{what} {path} can't be written ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error


def erase_private(path: Path, what: str) -> bool:
    """Erase a private file, and what killed writers left of it; whether it was there.

    Args:
        path: the file.
        what: it is, as errors say before its path.

    Raises:
        StorageError: it can't be erased.
    """
    found = path.is_file()
    try:
        path.unlink(missing_ok=True)
        for part in path.parent.glob(f".{path.name}.*.part"):
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{what} {path} can't be erased ({error.strerror or error}).",
            "Make its folder writable for you, and erase it again.",
        ) from error
    return found
