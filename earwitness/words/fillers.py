"""What people say while they look for words: um, uh, er, ehm, euh, hmm, äh."""

import re

FILLER = r"(?:u+[hm]+|e+rm?|e+hm+|hmm+|mhm+|äh+m*|euh+)"
"""Of one filler, without punctuation. "Eh" and "err" are left out: people mean them."""
_ALONE = re.compile(FILLER, re.IGNORECASE)


def is_filler(word: str) -> bool:
    """Whether a written word is nothing else, its punctuation apart."""
    return _ALONE.fullmatch(word.strip(" ,.…-—–!?")) is not None
