"""Whose speech a track holds: its own speaker's, or somebody else's that their microphone heard too.

A voice that bleeds into another track arrives there weaker, later and reverberated, but always about as much weaker.
How much is learnt for each pair of tracks from the moments in which the other one speaks; what is not clearly louder
than all that is expected to bleed in is not the track's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earwitness.audio.pcm import Samples, iter_speech
from earwitness.progress import Progress, naming, no_progress, part_of
from earwitness.spans import Span
from earwitness.speech.voice_activity import FRAME, spans_of, speech_probabilities

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
_PRE_EMPHASIS = np.float32(0.97)
"""Rumble, which is in all tracks alike, says nothing about who speaks."""
_SILENCE_DB = -110.0
_DECAY_DB = 2.0
"""How fast a room forgets, a frame of 32 ms: a reverberation time of one second, which is long for speech."""
_LATE_FRAMES = 3
"""Sound is late by up to 96 ms: 30 m, or a network call that is played by a loudspeaker."""
_SPEECH = 0.5
_LEARN_FRAMES = 16
"""Half a second of somebody else's speech is needed to learn how much of it bleeds in."""
_TYPICAL = 30
"""Percentile of level differences taken for bleed: most of the time only one of two people speaks, and where both do
the difference is larger."""
_CLEARLY_DB = 7.0
"""Own speech is so much louder than what bleeds in: a voice through a room differs by about 5 dB between frames."""
_SYLLABLE_FRAMES = 7
_CLIP_DB = 15.0
"""More above what is expected is no surer: one loud frame must not outweigh its neighbours."""
_ALIKE_DB = 2.0
_ALIKE_SHARE = 0.9
_HEARS_ALL_SHARE = 0.9
_HEARS_ALL_DB = 4.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was found in the tracks of a recording."""

    spans: list[list[Span]]
    """Own speech of each track in ms, in order, apart."""
    copies: list[tuple[int, int]]
    """Pairs of tracks (the second one is given no speech) that hold the same sound."""
    mixes: list[int]
    """Tracks that hold everybody; they are given no speech."""


def own_speech(tracks: Sequence[Path], names: Sequence[str], progress: Progress = no_progress) -> Heard:
    """Find each track's own speech. Overlaps are kept: two people who speak at once are louder than their bleed.

    Args:
        tracks: 16 kHz mono files that start together; lengths may differ.
        names: of the tracks, for the progress.
        progress: told after every 16 s of a track.

    Raises:
        StorageError: a file can't be read.
    """
    heard = []
    for number, (track, name) in enumerate(zip(tracks, names, strict=True)):
        share = part_of(progress, number / len(tracks), (number + 1) / len(tracks))
        probabilities, samples = speech_probabilities(track, naming(name, share))
        heard.append((probabilities, samples, levels_db(track)))
    frames = max((len(probabilities) for probabilities, _, _ in heard), default=0)
    speech = np.zeros((len(heard), frames), np.float32)
    level = np.full((len(heard), frames), _SILENCE_DB, np.float32)
    for number, (probabilities, _, own) in enumerate(heard):
        speech[number, : len(probabilities)] = probabilities
        level[number, : len(own)] = own
    copies = _copies(speech, level)
    mixes = _mixes(speech, level, {second for _, second in copies})
    out = {*mixes, *(second for _, second in copies)}
    kept = [number for number in range(len(heard)) if number not in out]
    own_frames = np.zeros_like(speech, bool)
    if kept:
        own_frames[kept] = owned(speech[kept], level[kept])
    spans = [
        spans_of(np.where(own_frames[number], speech[number], 0)[: len(probabilities)], samples)
        for number, (probabilities, samples, _) in enumerate(heard)
    ]
    return Heard(spans, copies, mixes)


def levels_db(track: Path) -> Floats:
    """Level of each started frame of 512 samples in dBFS, low frequencies turned down; -110 for silence."""
    answers: list[Floats] = []
    before = np.float32(0)
    for _, block in iter_speech(track, 512 * FRAME / 16_000):
        shifted: Samples = np.empty_like(block)
        shifted[0], shifted[1:] = before, block[:-1]
        before = block[-1]
        frames = np.zeros((-(-block.size // FRAME), FRAME), np.float32)
        frames.reshape(-1)[: block.size] = block - _PRE_EMPHASIS * shifted
        power = np.einsum("fn,fn->f", frames, frames) / FRAME
        answers.append((10 * np.log10(np.maximum(power, 10 ** (_SILENCE_DB / 10)))).astype(np.float32))
    return np.concatenate(answers) if answers else np.zeros(0, np.float32)


def owned(speech: Floats, level: Floats) -> Flags:
    """In which frames what a track holds is its own.

    Args:
        speech: probability that a track holds speech, shape (tracks, frames).
        level: dBFS, the same shape.

    Returns:
        flags of the same shape. In every frame the track that stands out most has it, so nobody's speech is lost to
        everybody.
    """
    tracks = len(speech)
    if tracks < 2:
        return np.ones_like(speech, bool)
    late = np.stack([_lingering(row) for row in level])
    active = speech > _SPEECH
    expected = np.full_like(level, _SILENCE_DB)
    for here in range(tracks):
        for there in range(tracks):
            if here != there:
                bleed_db = _bleed_db(here, there, active, level, late)
                if bleed_db is not None:
                    expected[here] = np.maximum(expected[here], late[there] + bleed_db)
    above = _smooth(level - expected)
    own: Flags = above > _CLEARLY_DB
    leader = np.argmax(np.where(active, above, -np.inf), axis=0)
    own[leader, np.arange(level.shape[1])] = True
    return own


def _smooth(above: Floats) -> Floats:
    """The mean of a syllable's frames: single ones of any bleed stand out, and single ones of any voice don't."""
    clipped = np.clip(above, -_CLIP_DB, _CLIP_DB)
    kernel = np.full(_SYLLABLE_FRAMES, 1 / _SYLLABLE_FRAMES)
    smooth: Floats = np.stack([np.convolve(row, kernel, "same") for row in clipped]).astype(np.float32)
    return smooth


def _bleed_db(here: int, there: int, active: Flags, level: Floats, late: Floats) -> float | None:
    """By how much `there` is heard in `here`; None where it can't be learnt.

    Learnt where `there` speaks and is not itself only hearing a third one.
    """
    louder = np.ones(level.shape[1], bool)
    for other in range(len(level)):
        if other not in (here, there):
            louder &= late[there] >= late[other]
    frames = active[there] & louder
    if np.count_nonzero(frames) < _LEARN_FRAMES:
        return None
    # where here's own voice bleeds into there, here is the louder one, often by far: the lower differences are bleed
    return float(np.percentile(level[here][frames] - late[there][frames], _TYPICAL))


def _lingering(level: Floats) -> Floats:
    """The loudest of the last frames, and what a room keeps of what was before."""
    lingering = level.copy()
    for by in range(1, _LATE_FRAMES + 1):
        lingering[by:] = np.maximum(lingering[by:], level[:-by])
    time = np.arange(len(level), dtype=np.float32) * np.float32(_DECAY_DB)
    decayed: Floats = (np.maximum.accumulate(lingering + time) - time).astype(np.float32)
    return decayed


def _copies(speech: Floats, level: Floats) -> list[tuple[int, int]]:
    """Tracks with the same sound: a microphone recorded twice."""
    found: list[tuple[int, int]] = []
    for first in range(len(speech)):
        for second in range(first + 1, len(speech)):
            frames = (speech[first] > _SPEECH) | (speech[second] > _SPEECH)
            if np.count_nonzero(frames) < _LEARN_FRAMES or any(second == taken for _, taken in found):
                continue
            difference = level[second][frames] - level[first][frames]
            near = np.abs(difference - np.median(difference)) < _ALIKE_DB
            if near.mean() >= _ALIKE_SHARE:
                found.append((first, second))
    return found


def _mixes(speech: Floats, level: Floats, out: set[int]) -> list[int]:
    """Tracks that are the sum of at least two others, as recorders put beside the tracks."""
    kept = [number for number in range(len(speech)) if number not in out]
    found: list[int] = []
    for track in kept:
        others = [other for other in kept if other != track]
        if len(others) < 2:
            continue
        power = np.power(10, level[others] / 10)
        total = 10 * np.log10(power.sum(axis=0))
        frames = (speech[others] > _SPEECH).any(axis=0)
        if np.count_nonzero(frames) < _LEARN_FRAMES:
            continue
        difference = level[track][frames] - total[frames]
        near = np.abs(difference - np.median(difference)) < _HEARS_ALL_DB
        leads = np.bincount(np.argmax(level[others][:, frames], axis=0), minlength=len(others)) / near.size
        alone = np.count_nonzero((speech[track] > _SPEECH) & ~frames) / np.count_nonzero(frames)
        if near.mean() >= _HEARS_ALL_SHARE and np.count_nonzero(leads >= 0.1) >= 2 and alone < 1 - _HEARS_ALL_SHARE:
            found.append(track)
    return found
