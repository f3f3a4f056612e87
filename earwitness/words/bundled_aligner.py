"""Forced alignment with the acoustic model that the PocketSphinx wheel carries.

Each segment is aligned in a window a little wider than its times, with a grammar of its words in order, any of which
may be left out: a cough, a cut-off word or a neighbour talking at the same time then costs one word and not the
segment. Windows are bounded, so the memory needed does not grow with the recording.
"""

from collections.abc import Sequence
from itertools import groupby, islice
from pathlib import Path

from earwitness.audio.pcm import read_speech
from earwitness.engines.sphinx import Heard, Sphinx
from earwitness.progress import Progress, no_progress, part_of
from earwitness.spans import Span
from earwitness.speech.segments import Segment
from earwitness.words.anchors import pieces_of
from earwitness.words.placing import Placed, fill

PAD_MS = 300
LEAST_PAD_MS = 100
"""Where a neighbour begins or ends: reaching into it stretches the outer words over what the neighbour says."""
WIDE_PAD_MS = 900
LONGEST_MS = 45_000
MOST_WORDS = 160
POOR_SHARE = 0.6


class BundledAligner:
    """Finds the words of one recording.

    Args:
        speech: 16 kHz mono file.
        spans: its voice activity in ms.
        duration_ms: its length.
    """

    def __init__(self, speech: Path, spans: Sequence[Span], duration_ms: int) -> None:
        self._speech = speech
        self._spans = list(spans)
        self._duration_ms = duration_ms
        self._sphinx = Sphinx()

    def place(
        self,
        texts: Sequence[str],
        start_ms: int,
        end_ms: int,
        *,
        pads: Span = (PAD_MS, PAD_MS),
        progress: Progress = no_progress,
    ) -> list[Placed]:
        """Times for words that are said in this order about then.

        Args:
            texts: written words, punctuation attached.
            start_ms: roughly where the first begins; half a second off does no harm.
            end_ms: roughly where the last ends.
            pads: how much further to look to either side, in ms.
            progress: told while a long text is looked for.

        Returns:
            one a word, in order; those that were not heard are marked as estimated.
        """
        start_ms = max(0, min(start_ms, self._duration_ms - 1))
        end_ms = max(start_ms + 1, min(end_ms, self._duration_ms))
        if end_ms - start_ms > LONGEST_MS or len(texts) > MOST_WORDS:
            return self._place_long(texts, start_ms, end_ms, progress)
        return self._place_short(texts, start_ms, end_ms, pads)

    def place_segments(self, segments: Sequence[Segment], progress: Progress = no_progress) -> list[list[Placed]]:
        """One list of words a segment; segments without times are looked for between the ones that have them."""
        placed: list[list[Placed]] = []
        floor = 0
        for timed, group in groupby(segments, key=lambda s: s.start_ms is not None):
            run = list(group)
            report = part_of(progress, len(placed) / len(segments), (len(placed) + len(run)) / len(segments))
            if timed:
                for number, segment in enumerate(run, 1):
                    around = (
                        segments[len(placed) - 1] if placed else None,
                        next(iter(segments[len(placed) + 1 :][:1]), None),
                    )
                    placed.append(self._place_timed(segment, _pads(segment, *around)))
                    floor = max(floor, segment.end_ms or 0)
                    report(number / len(run), f"aligning segment {number} of {len(run)}")
                continue
            upcoming = [s.start_ms for s in segments[len(placed) + len(run) :] if s.start_ms is not None]
            ceiling = min([self._duration_ms, *upcoming])
            start = floor if floor < ceiling else max(0, ceiling - 1000)
            texts = [text for segment in run for text in segment.text.split()]
            words = iter(self._place_long(texts, start, max(ceiling, start + 1), report))
            placed += [list(islice(words, len(segment.text.split()))) for segment in run]
        return placed

    def _place_timed(self, segment: Segment, pads: Span) -> list[Placed]:
        texts = segment.text.split()
        start, end = segment.start_ms or 0, segment.end_ms or 0
        words = self.place(texts, start, end, pads=pads)
        if not all(word.estimated for word in words) or len(segment.words) != len(texts):
            return words
        # nothing was heard, but the transcript knows when each word was said
        known = [
            Placed(text, rough.start_ms, rough.end_ms, rough.score or 0.0, estimated=True)
            if rough.start_ms is not None and rough.end_ms is not None
            else None
            for text, rough in zip(texts, segment.words, strict=True)
        ]
        return fill(texts, known, start, end, self._spans)

    def _place_short(self, texts: Sequence[str], start_ms: int, end_ms: int, pads: Span) -> list[Placed]:
        heard = self._listen(texts, start_ms - pads[0], end_ms + pads[1])
        if _share(heard) < POOR_SHARE:
            # further out, but where a neighbour speaks no further than it takes to leave the transcript's own error
            wide = [WIDE_PAD_MS if pad >= PAD_MS else PAD_MS for pad in pads]
            wider = self._listen(texts, start_ms - wide[0], end_ms + wide[1])
            heard = max(heard, wider, key=lambda found: _worth(found, start_ms - PAD_MS, end_ms + PAD_MS))
        return fill(texts, heard, start_ms, end_ms, self._spans)

    def _listen(self, texts: Sequence[str], start_ms: int, end_ms: int) -> list[Placed | None]:
        start_ms, end_ms = max(0, start_ms), min(self._duration_ms, end_ms)
        tokens: list[str] = []
        owners: list[int] = []
        for index, text in enumerate(texts):
            for token in self._sphinx.tokens(text):
                tokens.append(token)
                owners.append(index)
        found = self._sphinx.align(read_speech(self._speech, start_ms, end_ms), tokens)
        parts: list[list[Heard]] = [[] for _ in texts]
        for owner, word in zip(owners, found, strict=True):
            if word is not None:
                parts[owner].append(word)
        return [
            Placed(
                text,
                start_ms + said[0].start_ms,
                start_ms + said[-1].end_ms,
                round(sum(part.score for part in said) / len(said), 3),
                estimated=False,
            )
            if said
            else None
            for text, said in zip(texts, parts, strict=True)
        ]

    def _place_long(self, texts: Sequence[str], start_ms: int, end_ms: int, progress: Progress) -> list[Placed]:
        pieces = pieces_of(self._speech, texts, start_ms, end_ms, self._spans, self._sphinx, part_of(progress, 0, 0.7))
        placed: list[Placed] = []
        for number, piece in enumerate(pieces, 1):
            placed += self._place_short(piece.texts, piece.start_ms, piece.end_ms, (LEAST_PAD_MS, LEAST_PAD_MS))
            progress(0.7 + 0.3 * number / len(pieces), f"aligning piece {number} of {len(pieces)}")
        return placed


def _share(heard: Sequence[Placed | None]) -> float:
    return sum(word is not None for word in heard) / max(1, len(heard))


def _worth(heard: Sequence[Placed | None], start_ms: int, end_ms: int) -> float:
    """Sum of the scores; a word outside its segment counts half, since it may be the same word of somebody else."""
    return sum(
        word.score * (1.0 if start_ms <= (word.start_ms + word.end_ms) // 2 <= end_ms else 0.5)
        for word in heard
        if word is not None
    )


def _pads(segment: Segment, before: Segment | None, after: Segment | None) -> Span:
    """How far a window may reach beyond its segment: up to the neighbours."""
    start, end = segment.start_ms or 0, segment.end_ms or 0
    left = start - (before.end_ms or 0) if before else PAD_MS
    right = (after.start_ms or 0) - end if after and after.start_ms is not None else PAD_MS
    return min(PAD_MS, max(LEAST_PAD_MS, left)), min(PAD_MS, max(LEAST_PAD_MS, right))
