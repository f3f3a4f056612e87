"""Whether a text that we wrote is text, and neither empty nor endless."""

import re
from pathlib import Path

from earwitness.checks.finding import Finding, error

MAX_BYTES = 64 << 20
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def read_utf8(path: Path) -> str | None:
    """The text of a UTF-8 file; None if it is none."""
    try:
        return path.read_bytes().decode("utf-8")
    except (UnicodeDecodeError, OSError):
        return None


def check_text(path: Path, name: str, *, least_words: int = 0, most_words: int | None = None) -> list[Finding]:
    """Check a finished text.

    Args:
        path: where it lies.
        name: its path in the bundle.
        least_words: it must have as many.
        most_words: and no more than these.
    """
    size = path.stat().st_size if path.is_file() else 0
    if size > MAX_BYTES:
        return [error(name, f"It has {size / 1e6:.0f} MB; a text may have {MAX_BYTES / 1e6:.0f}.")]
    text = read_utf8(path)
    if text is None:
        return [error(name, "It is not UTF-8 text.")]
    found = []
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        found.append(error(name, f"Line {line} holds a control character (U+{ord(control[0]):04X})."))
    words = len(text.split())
    if words < least_words:
        found.append(error(name, f"It has {words:,} words; at least {least_words:,} should be there."))
    if most_words is not None and words > most_words:
        found.append(error(name, f"It has {words:,} words; at most {most_words:,} should be there."))
    return found
