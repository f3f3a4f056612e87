"""Files that are there whole or not at all, whatever happens to who writes them."""

import fcntl
import os
import secrets
from functools import partial
from pathlib import Path


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file into a folder that is there; it is on the disk when this returns. An earlier one is replaced.

    Args:
        path: the file.
        content: all of it.
        private: for its owner only.

    Raises:
        OSError: it can't be written; what was there before still is.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb", opener=partial(os.open, mode=0o600 if private else 0o666)) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # what a killed writer leaves is told from what is being written
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
