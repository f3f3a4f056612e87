"""Names and words that no format takes for markup, line ends or columns."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Embeddings, overrides and isolates turn round what stands after them; marks (LRM, RLM) and joiners stay."""

_NIST = str.maketrans("<>{}", "‹›[]")


def one_line(text: str) -> str:
    """Printable text on one line: white space is one blank; controls, lone surrogates and bidi overrides are gone."""
    plain = " ".join(text.translate(_BIDI).split())
    kept = (char for char in plain if unicodedata.category(char) not in {"Cc", "Cs"} and not _nonchar(char))
    return " ".join("".join(kept).split())


def display(label: str, names: Mapping[str, str]) -> str:
    """A speaker's name on one line; the diarization label where there is none to show."""
    return one_line(names.get(label, label)) or one_line(label) or "_"


def one_token(text: str) -> str:
    """As `one_line` without blanks, for formats whose columns are parted by white space; may be empty."""
    return one_line(text).replace(" ", "_")


def unlike_nist_markup(text: str) -> str:
    """Words for CTM and STM, where `<...>` is a label or an alternative and `{...}` a list of alternatives."""
    return text.translate(_NIST)


def unlike_ssa_markup(text: str) -> str:
    r"""Text for ASS: no override block (`{\an8}`) opens, and no backslash means a line end or a blank.

    ASS knows no escape that all players understand: braces become parentheses, and a word joiner, which has no width,
    parts a backslash from what follows.
    """
    return re.sub(r"\\", "\\\\\u2060", text.replace("{", "(").replace("}", ")"))


def distinct(names: Mapping[str, str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Key → name, none twice: a name that is taken gets its key, or a number, in parentheses."""
    used = set(taken)
    found: dict[str, str] = {}
    for key, name in names.items():
        wanted = one_line(name) or one_line(key) or "_"
        choice, number = wanted, 2
        if choice in used:
            choice = f"{wanted} ({one_line(key)})"
        while choice in used:
            choice, number = f"{wanted} ({number})", number + 1
        used.add(choice)
        found[key] = choice
    return found


def _nonchar(char: str) -> bool:
    """U+FFFE, U+FFFF and their like: XML forbids them."""
    return ord(char) & 0xFFFE == 0xFFFE
