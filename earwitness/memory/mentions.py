"""Where a transcript names somebody or something."""

import re
from collections.abc import Sequence

from earwitness.memory.memory import key_of
from earwitness.words.transcript import Utterance

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_CAPITALS = 0.02
"""Share of words with a capital, below which a transcript has none to tell names by."""


class Mentions:
    """Finds names in a transcript.

    Args:
        utterances: all of them.
    """

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._texts = [" ".join(utterance.text.split()) for utterance in utterances]
        self._words: list[list[tuple[str, bool]]] = []
        self._places: dict[str, list[tuple[int, int]]] = {}
        capitals, total = 0, 0
        for number, utterance in enumerate(utterances):
            row = []
            for place, match in enumerate(_WORD.finditer(utterance.text)):
                word = match.group().casefold().replace("’", "'").removesuffix("'s")
                large = match.group()[0].isupper()
                row.append((word, large))
                self._places.setdefault(word, []).append((number, place))
                capitals, total = capitals + large, total + 1
            self._words.append(row)
        self._tells = capitals >= _CAPITALS * total

    def of(self, name: str, *, as_name: bool = True) -> list[int]:
        """Numbers of the utterances that name it, ascending.

        Args:
            name: words in a row; upper and lower case, a leading article and possessives make no difference.
            as_name: its first word must have a capital there, where the transcript has capitals at all.
        """
        if not any(
            char.isupper() or char.islower() for char in name
        ):  # a script without capitals, perhaps without blanks
            wanted = " ".join(name.split())
            return [number for number, text in enumerate(self._texts) if wanted and wanted in text]
        key = key_of(name)
        if not key:
            return []
        found: dict[int, None] = {}
        for number, place in self._places.get(key[0], ()):
            row = self._words[number][place : place + len(key)]
            if tuple(word for word, _ in row) == key and (not as_name or not self._tells or row[0][1]):
                found.setdefault(number)
        return list(found)
