"""Laying a long or untimed text on a recording, in pieces short enough to align.

After Moreno et al., "A recursive algorithm for the forced alignment of very long audio segments" (ICSLP 1998): listen
with a language model made from the text itself, trust the runs of words that recogniser and text agree on, and cut
there.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from earwitness.audio.pcm import read_speech
from earwitness.engines.sphinx import Heard, Sphinx
from earwitness.progress import Progress, no_progress
from earwitness.spans import Span
from earwitness.speech.windows import listening_windows
from earwitness.words.placing import spread, within

WINDOW_MS = 20_000
PIECE_MS = 15_000
PIECE_WORDS = 60
_RUN = 3
_MOST_PAIRS = 9_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words and the stretch of the recording in which they are said."""

    first: int
    """Index of its first word in the whole text."""
    texts: list[str]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Anchor:
    word: int
    start_ms: int
    end_ms: int


def pieces_of(
    speech: Path,
    texts: Sequence[str],
    start_ms: int,
    end_ms: int,
    spans: Sequence[Span],
    sphinx: Sphinx,
    progress: Progress = no_progress,
) -> list[Piece]:
    """Cut a text into pieces of at most about 15 s and 60 words, each with its place in the recording.

    Args:
        speech: 16 kHz mono file.
        texts: written words.
        start_ms: no word lies before.
        end_ms: no word lies behind.
        spans: voice activity of the recording.
        sphinx: knows the words' sounds.
        progress: told after every window.
    """
    inside = within(spans, start_ms, end_ms)
    anchors = _anchors(speech, texts, inside, sphinx, progress)
    pieces: list[Piece] = []
    for first, last, start, end in _cuts(anchors, len(texts), start_ms, end_ms):
        pieces += _subdivided(texts, first, last, start, end, spans)
    return pieces


def _anchors(
    speech: Path, texts: Sequence[str], inside: Sequence[Span], sphinx: Sphinx, progress: Progress
) -> list[_Anchor]:
    tokens: list[str] = []
    owners: list[int] = []
    for index, text in enumerate(texts):
        said = sphinx.tokens(text)
        tokens += said
        owners += [index] * len(said)
    if not tokens:
        return []
    sphinx.expect([" ".join(tokens[i : i + 12]) for i in range(0, len(tokens), 6)])
    heard: list[Heard] = []
    windows = listening_windows(speech, inside, WINDOW_MS)
    for number, (start, end) in enumerate(windows, 1):
        for word in sphinx.recognise(read_speech(speech, start, end)):
            heard.append(Heard(word.token, word.start_ms + start, word.end_ms + start, word.score))
        progress(number / len(windows), f"looking for the text: {number} of {len(windows)} windows")
    pairs = match_tokens(tokens, [word.token for word in heard])
    return [_Anchor(owners[i], heard[j].start_ms, heard[j].end_ms) for i, j in pairs]


def match_tokens(text: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (index in text, index in heard) that agree, rising in both.

    Runs of three that come once on either side are trusted first; between them shorter agreements count.
    """
    seeds = _rising(_unique_runs(text, heard))
    pairs: list[tuple[int, int]] = []
    at = (0, 0)
    for i, j in [*seeds, (len(text), len(heard))]:
        if i < at[0] or j < at[1]:
            continue
        pairs += _between(text, heard, at, (i, j))
        if i < len(text):
            pairs += [(i + k, j + k) for k in range(_RUN)]
            at = (i + _RUN, j + _RUN)
    return pairs


def _unique_runs(text: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    def places(tokens: Sequence[str]) -> dict[tuple[str, ...], list[int]]:
        found: dict[tuple[str, ...], list[int]] = {}
        for at in range(len(tokens) - _RUN + 1):
            found.setdefault(tuple(tokens[at : at + _RUN]), []).append(at)
        return found

    there = places(heard)
    return sorted(
        (at[0], there[run][0]) for run, at in places(text).items() if len(at) == 1 and len(there.get(run, ())) == 1
    )


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence in which both indices rise (patience sorting)."""
    from bisect import bisect_left

    tops: list[int] = []
    top_at: list[int] = []
    previous: list[int] = []
    for number, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        previous.append(top_at[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(j)
            top_at.append(number)
        else:
            tops[pile], top_at[pile] = j, number
    chain = []
    number = top_at[-1] if top_at else -1
    while number >= 0:
        chain.append(pairs[number])
        number = previous[number]
    return chain[::-1]


def _between(
    text: Sequence[str], heard: Sequence[str], start: tuple[int, int], end: tuple[int, int]
) -> list[tuple[int, int]]:
    left, right = text[start[0] : end[0]], heard[start[1] : end[1]]
    if not left or not right or len(left) * len(right) > _MOST_PAIRS:
        return []
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    # a lone word agrees by chance too easily, unless little else could have been meant
    least = 1 if len(left) * len(right) <= 400 else 2
    return [(start[0] + b.a + k, start[1] + b.b + k) for b in blocks if b.size >= least for k in range(b.size)]


def _cuts(anchors: Sequence[_Anchor], count: int, start_ms: int, end_ms: int) -> list[tuple[int, int, int, int]]:
    """(first word, one past the last, start, end): cut between neighbouring words that were both heard."""
    places: list[tuple[int, int]] = []
    for one, two in itertools.pairwise(anchors):
        if two.word == one.word + 1 and two.start_ms - one.end_ms < 3000:
            places.append((two.word, (one.end_ms + two.start_ms) // 2))
    if anchors:
        # what lies before the first and behind the last word heard may be long and have nothing to do with the text
        head, tail = anchors[0], anchors[-1]
        start_ms = max(start_ms, head.start_ms - _generous(head.word))
        end_ms = min(end_ms, tail.end_ms + _generous(count - tail.word - 1))
    cuts: list[tuple[int, int, int, int]] = []
    first, start = 0, start_ms
    for index, (word, at) in enumerate(places):
        upcoming = places[index + 1] if index + 1 < len(places) else (count, end_ms)
        if word > first and (upcoming[1] - start > PIECE_MS or upcoming[0] - first > PIECE_WORDS):
            cuts.append((first, word, start, max(at, start + 1)))
            first, start = word, max(at, start + 1)
    if first < count:
        cuts.append((first, count, start, max(end_ms, start + 1)))
    return cuts


def _generous(words: int) -> int:
    return 1500 + 800 * words


def _subdivided(
    texts: Sequence[str], first: int, last: int, start: int, end: int, spans: Sequence[Span]
) -> list[Piece]:
    """One piece, or several of bounded length by sharing out the speech where nothing was recognised."""
    run = list(texts[first:last])
    if end - start <= 2 * PIECE_MS and len(run) <= 2 * PIECE_WORDS:
        return [Piece(first, run, start, end)]
    guesses = spread(run, within(spans, start, end))
    pieces: list[Piece] = []
    begin = 0
    for at in range(1, len(run) + 1):
        full = at < len(run) and (guesses[at].end_ms - guesses[begin].start_ms > PIECE_MS or at - begin >= PIECE_WORDS)
        if full or at == len(run):
            pieces.append(Piece(first + begin, run[begin:at], guesses[begin].start_ms, guesses[at - 1].end_ms))
            begin = at
    return pieces
