"""Words as they are compared: without case, punctuation and marks; numbers and fillers as they are."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_APOSTROPHES = str.maketrans("’‘ʼ＇`´", "''''''")
_INSIDE_NUMBER = frozenset(".,:")


@dataclass(frozen=True, slots=True)
class Token:
    """A word to compare."""

    text: str
    speaker: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None


def normalised(text: str) -> list[str]:
    """The words of a text, as they are compared.

    Unicode NFKC, case folded. An apostrophe stays between letters (`didn't`), a full stop, comma or colon between
    digits (`3.5`); all other punctuation and symbols part words (`well-known` is two). Nothing is spelt out or left
    out: `20` is not `twenty`, and `uh` is a word.
    """
    plain = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    # folding takes some characters apart again
    plain = unicodedata.normalize("NFC", plain)
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    kept = [char if _is_word(plain, at) else " " for at, char in enumerate(plain)]
    return "".join(kept).split()


def _is_word(text: str, at: int) -> bool:
    char = text[at]
    if unicodedata.category(char)[0] in "LMN":
        return True
    before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
    if char == "'":
        return before.isalpha() and after.isalpha()
    return char in _INSIDE_NUMBER and before.isdigit() and after.isdigit()


def tokens_of(text: str, speaker: str | None, start_ms: int | None, end_ms: int | None) -> list[Token]:
    """The words of one written word or one segment; only the outer ones of several know a boundary."""
    texts = normalised(text)
    last = len(texts) - 1
    return [
        Token(word, speaker, start_ms if place == 0 else None, end_ms if place == last else None)
        for place, word in enumerate(texts)
    ]


def one_name(name: str) -> str:
    """A speaker's name as it is compared and shown: on one line."""
    return re.sub(r"\s+", " ", name).strip()


def by_speaker(tokens: Iterable[Token]) -> dict[str | None, list[str]]:
    """Each speaker's words, in order."""
    found: dict[str | None, list[str]] = {}
    for token in tokens:
        found.setdefault(token.speaker, []).append(token.text)
    return found
