"""The files that make clips look like those of a show: artwork and font."""

from pathlib import Path

from earwitness.errors import UsageError
from earwitness.options import ClipSettings
from earwitness.storage.store import sha256_file


def brand_of(settings: ClipSettings) -> dict[str, str]:
    """Setting → SHA-256 of the file that it names: what decides, in place of their paths, what clips look like.

    Raises:
        UsageError: the artwork or the font is not there.
    """
    found = {}
    for name in ("artwork", "font"):
        path: Path | None = getattr(settings, name)
        if path is None:
            continue
        if not path.is_file():
            raise UsageError(f"There is no file {path}.", f"Give clip.{name} the path of a file, or leave it out.")
        found[name] = sha256_file(path)
    return found
