"""How a written word is said: numbers spelled out, names and other scripts sounded by rule.

An aligner only needs a rough idea of the sounds: a wrong vowel moves a boundary by some 10 ms, a missing word loses it.
"""

import re
import unicodedata
from collections.abc import Callable

LETTER_NAMES = {
    "a": "ey", "b": "b iy", "c": "s iy", "d": "d iy", "e": "iy", "f": "eh f", "g": "jh iy", "h": "ey ch",
    "i": "ay", "j": "jh ey", "k": "k ey", "l": "eh l", "m": "eh m", "n": "eh n", "o": "ow", "p": "p iy",
    "q": "k y uw", "r": "aa r", "s": "eh s", "t": "t iy", "u": "y uw", "v": "v iy", "w": "d ah b ah l y uw",
    "x": "eh k s", "y": "w ay", "z": "z iy",
}  # fmt: skip
"""Names of the letters in ARPAbet, for abbreviations."""

_RULES = (
    ("^kn", "n"), ("^wr", "r"), ("^ps", "s"), ("^x", "z"), ("^gn", "n"), ("^mc", "m ah k"), ("^rh", "r"),
    ("tion", "sh ah n"), ("sion", "zh ah n"), ("tious", "sh ah s"), ("cious", "sh ah s"), ("ture", "ch er"),
    ("ough", "ow"), ("augh", "ao"), ("eigh", "ey"), ("igh", "ay"), ("tch", "ch"), ("sch", "sh"), ("dge", "jh"),
    ("ch", "ch"), ("sh", "sh"), ("th", "th"), ("ph", "f"), ("wh", "w"), ("ck", "k"), ("ng", "ng"), ("qu", "k w"),
    ("gh", "g"), ("zh", "zh"), ("kh", "k"), ("dh", "d"), ("bh", "b"), ("ts", "t s"), ("cz", "ch"), ("sz", "sh"),
    ("ee", "iy"), ("ea", "iy"), ("oo", "uw"), ("ou", "aw"), ("ow", "ow"), ("oa", "ow"), ("oi", "oy"), ("oy", "oy"),
    ("ai", "ey"), ("ay", "ey"), ("au", "ao"), ("aw", "ao"), ("ei", "ey"), ("ey", "iy"), ("ie", "iy"), ("ue", "uw"),
    ("ew", "uw"), ("eu", "y uw"), ("ae", "iy"), ("aa", "aa"), ("ii", "iy"), ("uu", "uw"),
    ("er$", "er"), ("ar", "aa r"), ("or", "ao r"), ("ir", "er"), ("ur", "er"), ("er", "er"),
    ("ce", "s eh"), ("ci", "s ih"), ("cy", "s iy"), ("ge$", "jh"), ("y$", "iy"), ("es$", "z"), ("ed$", "d"),
    ("a", "ae"), ("b", "b"), ("c", "k"), ("d", "d"), ("e", "eh"), ("f", "f"), ("g", "g"), ("h", "hh"), ("i", "ih"),
    ("j", "jh"), ("k", "k"), ("l", "l"), ("m", "m"), ("n", "n"), ("o", "ow"), ("p", "p"), ("q", "k"), ("r", "r"),
    ("s", "s"), ("t", "t"), ("u", "ah"), ("v", "v"), ("w", "w"), ("x", "k s"), ("y", "ih"), ("z", "z"),
)  # fmt: skip
"""Letters to sounds, first match wins; `^` and `$` hold a rule to the front or the end."""

_SPECIAL = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"}
_SYMBOLS = {"%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at", "#": "number", "°": "degrees"}
_MONEY = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen"}

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
             "twelve": "twelfth"}  # fmt: skip

_PIECE = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(st|nd|rd|th)?|([^\W\d_]+(?:['’][^\W\d_]+)*['’]?)|([%&+=@#°$€£¥.])")
_MAX_LETTERS = 40


def number_words(digits: str, *, ordinal: bool = False) -> list[str]:
    """`1813` → eighteen thirteen; `42` → forty two; more than 12 digits one by one."""
    if len(digits) > 12 or (len(digits) > 1 and digits.startswith("0")):
        return [_ONES[int(digit)] for digit in digits[:_MAX_LETTERS]]
    value = int(digits)
    if len(digits) == 4 and 1100 <= value <= 1999 and not ordinal:
        rest = _cardinal(value % 100) if value % 100 else ["hundred"]
        oh = ["oh"] if 0 < value % 100 < 10 else []
        return [*_cardinal(value // 100), *oh, *rest]
    words = _cardinal(value)
    if ordinal:
        last = words[-1]
        words[-1] = _ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last.removesuffix("t") + "th")
    return words


def _cardinal(value: int) -> list[str]:
    if value < 20:
        return [_ONES[value]]
    if value < 100:
        return [_TENS[value // 10 - 2], *([_ONES[value % 10]] if value % 10 else [])]
    scale, name = next((scale, name) for scale, name in _SCALES if value >= scale)
    rest = value % scale
    return [*_cardinal(value // scale), name, *(_cardinal(rest) if rest else [])]


def spoken(written: str, known: Callable[[str], bool]) -> list[str]:
    """The words that are said for one written word, lower case.

    Args:
        written: punctuation attached.
        known: whether a dictionary has a lower-case word.

    Returns:
        at least one word if anything in it can be said: dictionary words as they are, others as plain letters a-z,
        abbreviations as `x.`-style single letters; empty for mere punctuation.
    """
    whole = written.replace("’", "'").lower().strip('.,;:!?"“”()[]{}<>…*_~-–—')
    if known(whole):
        return [whole]
    words: list[str] = []
    money: list[str] = []
    pieces = list(_PIECE.finditer(unicodedata.normalize("NFC", written)))
    for index, piece in enumerate(pieces):
        digits, ordinal, letters, symbol = piece.groups()
        if digits:
            # keep only what int() and the tables can read: digits of any script
            plain = "".join(str(unicodedata.decimal(c)) for c in digits if c != ",")
            words += number_words(plain, ordinal=ordinal is not None)
            words += money
            money = []
        elif symbol in _MONEY:
            money = [_MONEY[symbol]]
        elif symbol == ".":
            between = 0 < index < len(pieces) - 1 and pieces[index - 1][1] and pieces[index + 1][1]
            words += ["point"] if between else []
        elif symbol:
            words.append(_SYMBOLS[symbol])
        elif letters:
            words += _letters(letters, known)
    return words + money


def _letters(text: str, known: Callable[[str], bool]) -> list[str]:
    lower = text.replace("’", "'").lower()
    for candidate in (lower, lower.strip("'"), lower.removesuffix("'s"), lower.replace("'", "")):
        if candidate and known(candidate):
            return [candidate]
    plain = to_latin(lower)
    if known(plain):
        return [plain]
    abbreviation = text.isascii() and len(plain) <= 5 and text.isupper() and len(text) > 1
    if abbreviation and (len(plain) <= 3 or not re.search("[aeiou]", plain)):
        return [f"{letter}." for letter in plain]
    return [plain[:_MAX_LETTERS]] if plain else []


def to_latin(text: str) -> str:
    """Letters of any script as a-z: accents dropped, others by the name that Unicode gives the letter."""
    found = []
    for char in text.lower():
        if "a" <= char <= "z":
            found.append(char)
        elif char in _SPECIAL:
            found.append(_SPECIAL[char])
        elif (base := unicodedata.normalize("NFKD", char)[0]) != char and base.isalpha():
            found.append(to_latin(base))
        elif char.isalpha():
            # CYRILLIC SMALL LETTER ZHE, HIRAGANA LETTER KA, HANGUL SYLLABLE GEUL; ideographs have no sound in theirs
            name = unicodedata.name(char, "").split(" WITH ")[0].split()
            sound = name[-1].lower() if name and "-" not in name[-1] else "an"
            found.append(sound if sound.isascii() and sound.isalpha() else "an")
    return "".join(found)


def sounds(word: str) -> list[str]:
    """Phones (ARPAbet, upper case) of a word that no dictionary has; never empty.

    Args:
        word: as `spoken` gives it: letters a-z, or one letter and a dot for its name.
    """
    if len(word) == 2 and word[1] == "." and word[0] in LETTER_NAMES:
        return LETTER_NAMES[word[0]].upper().split()
    letters = re.sub(r"(.)\1+", r"\1\1", re.sub("[^a-z]", "", word))
    if len(letters) > 3 and letters.endswith("e") and letters[-2] not in "aeiou":
        letters = letters[:-1]
    phones: list[str] = []
    at = 0
    while at < len(letters):
        for pattern, said in _RULES:
            body = pattern.strip("^$")
            if (
                letters.startswith(body, at)
                and (pattern[0] != "^" or at == 0)
                and (pattern[-1] != "$" or at + len(body) == len(letters))
            ):
                new = said.upper().split()
                phones += new[1:] if phones[-1:] == new[:1] else new
                at += len(body)
                break
    return phones or ["AH"]
