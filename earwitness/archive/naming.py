"""The name of a bundle: readable, safe as a folder anywhere, and the same for the same sound."""

import re
from pathlib import PurePosixPath

STEM_CHARS = 40
_ID = r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{12}(?:-\d+(?:ms)?-\d+(?:ms)?)?"
ID_PATTERN = re.compile(rf"^{_ID}$")


def recording_id(source_name: str, sha256: str, slice_ms: tuple[int, int] | None = None) -> str:
    """Readable stem + 12 hex of the content digest, + the slice where only a part was asked for.

    Args:
        source_name: file name; anything before a slash or backslash is ignored.
        sha256: of the whole source file, 64 hex digits.
        slice_ms: start and end of the part; written in whole seconds, in milliseconds (`10500ms`) where that
            would lose something, so that two different parts never share a folder.
    """
    from slugify import slugify

    name = source_name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = slugify(PurePosixPath(name).stem, max_length=STEM_CHARS, word_boundary=True, save_order=True)
    parts = [stem or "recording", sha256[:12].lower()]
    if slice_ms is not None:
        whole = all(ms % 1000 == 0 for ms in slice_ms)
        parts += [str(ms // 1000) if whole else f"{ms}ms" for ms in slice_ms]
    return "-".join(parts)
