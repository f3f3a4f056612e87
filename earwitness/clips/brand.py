"""The files that make clips look like those of a show: artwork and font."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from earwitness.errors import UsageError
from earwitness.schema import Record
from earwitness.settings import ClipSettings
from earwitness.storage.store import sha256_file

if TYPE_CHECKING:
    from PIL import Image


class Artwork(Record):
    """The show's picture; the path has no say in what a checkpoint is good for."""

    path: Path = Field(exclude=True)
    sha256: str


def artwork_of(settings: ClipSettings) -> Artwork | None:
    """The picture that the settings name.

    Raises:
        UsageError: it is not there.
    """
    digest = brand_of(settings).get("artwork")
    return Artwork(path=settings.artwork, sha256=digest) if settings.artwork and digest else None


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


def opened_artwork(path: Path) -> "Image.Image":
    """The show's picture in RGB, upright whatever way the camera was held.

    Raises:
        UsageError: it can't be read.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as file:
            return ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(
            f"The artwork {path.name} can't be read ({error}).", "Give clip.artwork a JPEG, PNG or WebP picture."
        ) from error
