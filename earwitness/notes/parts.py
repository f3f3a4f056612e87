"""A transcript cut into parts that a model can read whole, so that none of it is left out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from earwitness.errors import printable
from earwitness.notes.scenes import find_scenes
from earwitness.notes.sentences import count_words, split_sentences, terms
from earwitness.words.transcript import Utterance

_OVERLAP = 0.06
"""Of a part's room: what was said just before it, so that "he" has somebody to mean."""
_LONGEST = 300
"""Words of a line. Some transcripts are one endless utterance."""
_LATE = 0.6
"""A part ends where a scene does, if that is in its last two fifths."""


def tokens_of(text: str) -> int:
    """Tokens of a text, at most, whatever the model: a third of its bytes.

    Common tokenizers make one of some four letters of English, two to three of other alphabets (two bytes each), and
    one or two of an ideograph (three bytes). Their own tables are fetched from the network, so they are not asked.
    """
    return -(-len(text.encode()) // 3)


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance, or a piece of one that is very long."""

    id: str
    utterance: int
    """Its index."""
    text: str
    """As it is sent: JSON in which nothing can end the transcript or begin another line."""
    words: int

    @property
    def tokens(self) -> int:
        """At most."""
        return tokens_of(self.text) + 5


@dataclass(frozen=True, slots=True)
class Part:
    """What is handed in at once."""

    before: tuple[Line, ...]
    """What was said just before; already noted."""
    lines: tuple[Line, ...]

    @property
    def own(self) -> list[str]:
        """Ids of the utterances that are this part's to note."""
        return list(dict.fromkeys(line.id for line in self.lines))

    @property
    def handed(self) -> frozenset[str]:
        """Ids that may be cited."""
        return frozenset(line.id for line in (*self.before, *self.lines))

    @property
    def words(self) -> int:
        """Of the part's own lines."""
        return sum(line.words for line in self.lines)

    def halves(self) -> tuple["Part", "Part"] | None:
        """Two parts that are read one after the other; None where there is but one line."""
        if len(self.lines) < 2:
            return None
        until = list(accumulate(line.tokens for line in self.lines))
        middle = next(place for place, size in enumerate(until, 1) if size * 2 >= until[-1])
        middle = min(max(middle, 1), len(self.lines) - 1)
        first, second = self.lines[:middle], self.lines[middle:]
        return Part(self.before, first), Part(_tail(first, round(_OVERLAP * until[-1])), second)


def lines_of(utterances: Sequence[Utterance], names: Sequence[str]) -> list[Line]:
    """The transcript as lines, nothing left out.

    Args:
        utterances: all of them.
        names: of the speaker of each, as the notes will call them.
    """
    lines = []
    for place, (utterance, name) in enumerate(zip(utterances, names, strict=True)):
        for piece in _pieces(utterance.text):
            shown = json.dumps([utterance.id, printable(name), printable(piece)], ensure_ascii=False)
            # no tag can be written in JSON without these
            shown = shown.replace("<", "\\u003c").replace(">", "\\u003e")
            lines.append(Line(utterance.id, place, shown, count_words(piece)))
    return lines


def cut(lines: Sequence[Line], utterances: Sequence[Utterance], room: int) -> list[Part]:
    """Parts of at most `room` tokens that together are the whole transcript, in order.

    One part if it fits. Else each ends with a scene where one ends near enough, and is handed in with the lines before
    it. A single line that is larger than the room makes a part of its own.
    """
    if sum(line.tokens for line in lines) <= room:
        return [Part((), tuple(lines))] if lines else []
    overlap = round(_OVERLAP * room)
    starts = _scene_starts(utterances)
    parts: list[Part] = []
    begin = 0
    while begin < len(lines):
        before = _tail(lines[:begin], overlap)
        end = _end(lines, begin, room - sum(line.tokens for line in before), starts)
        parts.append(Part(before, tuple(lines[begin:end])))
        begin = end
    return parts


def _scene_starts(utterances: Sequence[Utterance]) -> set[int]:
    words = [terms(utterance.text) for utterance in utterances]
    scenes = find_scenes(words, [count_words(utterance.text) for utterance in utterances], None)
    return {scene.first for scene in scenes}


def _end(lines: Sequence[Line], begin: int, room: int, starts: set[int]) -> int:
    size, end = 0, begin
    best = None
    while end < len(lines) and (end == begin or size + lines[end].tokens <= room):
        size += lines[end].tokens
        end += 1
        if size >= _LATE * room and end < len(lines) and _begins(lines, end, starts):
            best = end
    return end if end == len(lines) else best or end


def _begins(lines: Sequence[Line], place: int, starts: set[int]) -> bool:
    return lines[place].utterance in starts and lines[place - 1].utterance != lines[place].utterance


def _tail(lines: Sequence[Line], tokens: int) -> tuple[Line, ...]:
    kept: list[Line] = []
    for line in reversed(lines):
        tokens -= line.tokens
        if tokens < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))


def _pieces(text: str) -> list[str]:
    """Runs of whole sentences; a short utterance, also an empty one, is one piece."""
    if count_words(text) <= _LONGEST:
        return [" ".join(text.split())]
    pieces: list[str] = []
    run: list[str] = []
    size = 0
    for sentence in split_sentences(text):
        words = count_words(sentence)
        if run and size + words > _LONGEST:
            pieces.append(" ".join(run))
            run, size = [], 0
        run.append(sentence)
        size += words
    return [*pieces, " ".join(run)]
