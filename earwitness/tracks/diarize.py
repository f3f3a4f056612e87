"""Stage *diarize* for tracks that are a speaker each: turns from each track's own speech. The count is exact."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np

from earwitness.audio.pcm import read_speech
from earwitness.engines.engine import EngineUse
from earwitness.progress import Progress, no_progress
from earwitness.spans import meets, merge
from earwitness.speech.diarize import covered_ms
from earwitness.speech.turns import CountEstimate, Diarized, Turn
from earwitness.speech.voice_encoder import Vectors
from earwitness.storage.store import keep, workspace
from earwitness.tracks.facts import Layout, SpokenTrack, TracksPreprocessed
from earwitness.tracks.preprocess import METHOD
from earwitness.voices.sample import portraits

_JOIN_MS = 1_000
"""A shorter pause does not end a turn, unless somebody else speaks in it."""
_SLIVER_MS = 300
"""Of an overlap; who is the louder one is not asked anew for less."""


def tracks_engine(layout: Layout, wanted: str) -> EngineUse:
    """What finds the turns where every track is a speaker, whichever diarizer was asked for.

    Args:
        layout: `speakers` or `channels`.
        wanted: `diarize.engine`.
    """
    what = "file" if layout == "speakers" else "channel"
    return EngineUse(
        name="tracks",
        version=METHOD,
        model=f"voice activity of silero-vad {version('silero-vad')}, voice encoder of resemblyzer "
        f"{version('resemblyzer')}",
        reason=f"every {what} is one speaker"
        + (f", so {wanted} has nothing to tell apart" if wanted not in {"auto", "bundled"} else ""),
    )


def diarize_tracks(
    speech: TracksPreprocessed, asked: int | None, engine: EngineUse, progress: Progress = no_progress
) -> Diarized:
    """Turns, overlaps kept, and a voice embedding a speaker.

    Args:
        speech: result of *preprocess*.
        asked: the number of speakers that the user gave; the tracks know better, and a warning says so.
        engine: from `tracks_engine`.
        progress: told the share of speakers.

    Raises:
        EngineUnavailable: the voice encoder is missing from its wheel.
        StorageError: a file can't be read, or the store can't be written.
    """
    speaking = [track for track in speech.tracks if track.spans]
    # A millisecond of the mix can be missing from a longer track: models round up.
    spans = {track.label: _inside(track.spans, speech.duration_ms) for track in speaking}
    turns = joined(spans)
    exclusive = one_at_a_time(turns, speaking)
    embeddings: dict[str, Vectors] = {}
    for number, track in enumerate(speaking):
        progress(number / len(speaking), f"{track.name or track.source}: voice")
        own = [turn for turn in exclusive if turn.speaker == track.label]
        embeddings |= portraits(track.speech.path, own or [turn for turn in turns if turn.speaker == track.label])
    with workspace("diarize") as folder:
        path = Path(folder) / "embeddings.npz"
        np.savez(path, allow_pickle=False, **embeddings)
        stored = keep(path)
    progress(1.0, f"{len(speaking)} speakers")
    return Diarized(
        engine=engine,
        turns=turns,
        exclusive=exclusive,
        count=CountEstimate(count=len(speaking), given=True),
        embeddings=stored,
        speech_ms=covered_ms(turns),
        warnings=_warnings(len(speaking), asked),
    )


def _warnings(found: int, asked: int | None) -> list[str]:
    if not found:
        return ["no speech was found, so there are no speakers"]
    if asked is None or asked == found:
        return []
    return [
        f"{asked} speakers were asked for, but there is speech on {found} tracks, each of one speaker. Where people "
        "share a microphone, run with --tracks mixed."
    ]


def joined(spans: Mapping[str, Sequence[tuple[int, int]]]) -> list[Turn]:
    """Turns by start: a speaker's spans with short pauses closed where nobody else speaks in them."""
    turns: list[Turn] = []
    for label, own in sorted(spans.items()):
        others = merge(span for other, theirs in spans.items() if other != label for span in theirs)
        current: tuple[int, int] | None = None
        for start, end in own:
            if current is not None and start - current[1] < _JOIN_MS and not meets(others, current[1], start):
                current = current[0], end
                continue
            if current is not None:
                turns.append(Turn(start_ms=current[0], end_ms=current[1], speaker=label))
            current = start, end
        if current is not None:
            turns.append(Turn(start_ms=current[0], end_ms=current[1], speaker=label))
    return sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker))


def one_at_a_time(turns: Sequence[Turn], tracks: Sequence[SpokenTrack]) -> list[Turn]:
    """The same turns with every overlap given to whoever is the louder one, by their own standards."""
    edges = sorted({edge for turn in turns for edge in (turn.start_ms, turn.end_ms)})
    speech = {track.label: track.speech.path for track in tracks}
    usual = {label: _level_db(speech[label], _longest(turns, label)) for label in speech}
    pieces: list[tuple[int, int, str]] = []
    active: list[Turn] = []
    waiting = list(turns)
    for start, end in pairwise(edges):
        active = [turn for turn in active if turn.end_ms > start]
        while waiting and waiting[0].start_ms <= start:
            active.append(waiting.pop(0))
        labels = sorted({turn.speaker for turn in active})
        if not labels:
            continue
        if len(labels) == 1:
            chosen = labels[0]
        elif pieces and pieces[-1][1] == start and pieces[-1][2] in labels and end - start < _SLIVER_MS:
            chosen = pieces[-1][2]
        else:
            chosen = max(labels, key=lambda label: _level_db(speech[label], (start, end)) - usual[label])
        if pieces and pieces[-1][1] == start and pieces[-1][2] == chosen:
            pieces[-1] = (pieces[-1][0], end, chosen)
        else:
            pieces.append((start, end, chosen))
    return [Turn(start_ms=start, end_ms=end, speaker=label) for start, end, label in pieces]


def _inside(spans: Sequence[tuple[int, int]], duration_ms: int) -> list[tuple[int, int]]:
    return [(start, min(end, duration_ms)) for start, end in spans if start < duration_ms]


def _longest(turns: Sequence[Turn], label: str) -> tuple[int, int]:
    own = [(turn.start_ms, turn.end_ms) for turn in turns if turn.speaker == label]
    return max(own, key=lambda span: span[1] - span[0], default=(0, 0))


def _level_db(speech: Path, span: tuple[int, int]) -> float:
    samples = read_speech(speech, *span)
    return 10 * float(np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12)) if len(samples) else -120.0
