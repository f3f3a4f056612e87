"""Where files were last seen on this machine, by content: results carry no paths, and files move."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from earwitness.home import home
from earwitness.storage.store import sha256_file
from earwitness.storage.whole import write_whole


def remember(sha256: str, path: Path) -> None:
    """Note where a file lies. Only a convenience: where it can't be noted, nothing happens."""
    with contextlib.suppress(OSError):
        _folder().mkdir(parents=True, exist_ok=True)
        write_whole(_folder() / sha256, os.fsencode(path.absolute()))


def last_seen(sha256: str, digest: Callable[[Path], str] = sha256_file) -> Path | None:
    """The file with this content, if it still lies where it was last seen, unaltered.

    Args:
        sha256: what it is known by.
        digest: how that is computed; for folders too where it can be.
    """
    try:
        path = Path(os.fsdecode((_folder() / sha256).read_bytes()))
        return path if path.exists() and digest(path) == sha256 else None
    except (OSError, ValueError):
        return None


def _folder() -> Path:
    return home() / "whereabouts"
