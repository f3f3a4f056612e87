"""Where files were last seen on this machine, by content: results carry no paths, and files move."""

import contextlib
import os
import secrets
from pathlib import Path

from earwitness.home import home
from earwitness.storage.store import sha256_file


def remember(sha256: str, path: Path) -> None:
    """Note where a file lies. Only a convenience: where it can't be noted, nothing happens."""
    folder = _folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{sha256}.{secrets.token_hex(4)}"
        part.write_bytes(os.fsencode(path.absolute()))
        part.replace(folder / sha256)


def last_seen(sha256: str) -> Path | None:
    """The file with this content, if it still lies where it was last seen, unaltered."""
    try:
        path = Path(os.fsdecode((_folder() / sha256).read_bytes()))
        return path if path.is_file() and sha256_file(path) == sha256 else None
    except (OSError, ValueError):
        return None


def _folder() -> Path:
    return home() / "whereabouts"
