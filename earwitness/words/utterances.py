"""Cutting words into utterances: one speaker's runs, which citations point to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from earwitness.words.placing import Placed
from earwitness.words.punctuation import ends_sentence
from earwitness.words.transcript import Word

HARD_LIMIT = 1.5
"""Times `max_utterance_s`: text without full stops is cut here, at its longest pause."""


@dataclass(slots=True)
class Spoken:
    """The words of one segment with their speakers."""

    words: list[Placed]
    speakers: list[str | None] = field(default_factory=list)


def into_utterances(segments: Sequence[Spoken], *, pause_s: float, max_utterance_s: float) -> list[Word]:
    """Words with their utterance ids.

    By start: words of people who talk at the same time are mixed. A new utterance starts where the speaker changes,
    after a pause longer than `pause_s`, and after the end of a sentence or segment once it is longer than
    `max_utterance_s`. Utterances are numbered by their start.

    Args:
        segments: in order of start.
        pause_s: seconds.
        max_utterance_s: seconds.
    """
    pause_ms, limit_ms = round(pause_s * 1000), round(max_utterance_s * 1000)
    runs: list[tuple[str | None, list[Placed]]] = []
    for segment in segments:
        new_segment = True
        for word, speaker in zip(segment.words, segment.speakers, strict=True):
            current = runs[-1][1] if runs else []
            if not current or speaker != runs[-1][0] or _ends(current, word, pause_ms, limit_ms, new_segment):
                current = []
                runs.append((speaker, current))
            current.append(word)
            new_segment = False
    pieces = [(speaker, piece) for speaker, run in runs for piece in _cut(run, limit_ms)]
    words = [
        Word(word.text, word.start_ms, word.end_ms, word.score, speaker, str(piece_number), word.estimated)
        for piece_number, (speaker, piece) in enumerate(pieces)
        for word in piece
    ]
    ordered = sorted(one_at_a_time(sorted(words, key=_by_start)), key=_by_start)
    ids = {key: f"u{number:04d}" for number, key in enumerate(dict.fromkeys(w.utterance for w in ordered), 1)}
    return [replace(word, utterance=ids[word.utterance]) for word in ordered]


def _by_start(word: Word) -> tuple[int, int]:
    return word.start_ms, int(word.utterance)


def one_at_a_time(words: list[Word]) -> list[Word]:
    """Nobody says two words at once: where segments of one speaker overlap, a word ends as the next one starts."""
    last: dict[str | None, int] = {}
    for index, word in enumerate(words):
        before = last.get(word.speaker)
        if before is not None and words[before].end_ms > word.start_ms:
            if words[before].start_ms < word.start_ms:
                words[before] = replace(words[before], end_ms=word.start_ms)
            else:
                start = words[before].start_ms + 1
                words[before] = replace(words[before], end_ms=start)
                words[index] = replace(word, start_ms=start, end_ms=max(word.end_ms, start + 1))
        last[word.speaker] = index
    return words


def _ends(current: Sequence[Placed], word: Placed, pause_ms: int, limit_ms: int, new_segment: bool) -> bool:
    last = current[-1]
    if word.start_ms - last.end_ms > pause_ms or word.start_ms < last.start_ms:
        return True
    return word.end_ms - current[0].start_ms > limit_ms and (new_segment or ends_sentence(last.text))


def _cut(run: list[Placed], limit_ms: int) -> list[list[Placed]]:
    """Runs without sentence ends, parted at their longest pauses until none is beyond the hard limit."""
    waiting, done = [run], []
    while waiting:
        piece = waiting.pop(0)
        if len(piece) < 2 or piece[-1].end_ms - piece[0].start_ms <= HARD_LIMIT * limit_ms:
            done.append(piece)
            continue
        middle = (piece[0].start_ms + piece[-1].end_ms) / 2
        # the longest pause; of equal ones the nearest to the middle
        at = max(
            range(1, len(piece)),
            key=lambda i: (piece[i].start_ms - piece[i - 1].end_ms, -abs(piece[i].start_ms - middle)),
        )
        waiting[:0] = [piece[:at], piece[at:]]
    return done
