"""A second encoder for those moments that decide how many people there are.

GE2E hears every window. Where it is in doubt how many people there are, what it takes for one person beyond doubt
forms small groups; CAM++, which tells people apart better and costs many times as much, hears the two longest pieces
of each. The vectors stand side by side in one, so that its cosine is the weighted mean of theirs.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import iter_speech
from earwitness.progress import Progress, no_progress
from earwitness.speech import campplus
from earwitness.speech.clustering import Floats, Integers, Rules, Tree, Voices, trust
from earwitness.speech.segmentation import (
    FIRST_FRAME_CENTRE,
    FRAME_SAMPLES,
    FRAMES,
    HOP_FRAMES,
    WINDOW_SAMPLES,
    Flags,
)
from earwitness.speech.voice_encoder import Vectors, unit

SURE = 0.88
"""Likeness by GE2E from which voices are one group; the figures behind all of these: `bench_diarize`, `bench_count`."""
_PIECES = 2
"""A group is heard in."""
_APART = 4
"""Windows between them, so that they share no sound."""
_SHARE = 0.6
"""Of CAM++ in the cosine."""
_BRIEF_S = 0.5
"""As `Rules.brief_s`, for CAM++."""
_MIN_PIECE_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Closely:
    """What CAM++ heard."""

    group: Integers
    """Of each voice, in the order of `Voices`."""
    vectors: Vectors
    """Unit length, shape (groups, campplus.DIMENSIONS); zeros where a group has no piece long enough."""
    heard_s: Floats
    """Speech behind each."""


def hear_closely(
    speech: Path,
    source: Flags,
    voices: Voices,
    tree: Tree,
    progress: Progress = no_progress,
    device: str = "cpu",
) -> Closely:
    """Hear the longest pieces of each group of voices that are one person beyond doubt.

    Args:
        speech: 16 kHz mono file.
        source: the frames that tell what a voice sounds like, shape (windows, FRAMES, LOCAL_VOICES).
        voices: the clear ones.
        tree: of these, by GE2E.
        progress: told after every few pieces.
        device: torch device.
    """
    group = tree.cut(tree.groups_at(SURE))
    chosen = sorted((int(voices.window[i]), int(i)) for i in _pieces(group, voices))
    groups = int(group.max()) + 1 if len(group) else 0
    sums = np.zeros((groups, campplus.DIMENSIONS), np.float32)
    heard_s = np.zeros(groups, np.float32)
    hop = HOP_FRAMES * FRAME_SAMPLES / SPEECH_RATE_HZ
    due = 0
    for window, (_, samples) in enumerate(iter_speech(speech, WINDOW_SAMPLES / SPEECH_RATE_HZ, hop)):
        if due == len(chosen):
            break
        if chosen[due][0] != window:
            continue
        bands = campplus.spectrogram(np.pad(samples, (0, WINDOW_SAMPLES - len(samples))))
        centres = campplus.FIRST_FRAME_CENTRE + np.arange(len(bands)) * campplus.FRAME_SAMPLES
        frame_of = np.clip(np.rint((centres - FIRST_FRAME_CENTRE) / FRAME_SAMPLES).astype(int), 0, FRAMES - 1)
        while due < len(chosen) and chosen[due][0] == window:
            voice = chosen[due][1]
            piece = bands[source[window, :, voices.local[voice]][frame_of]]
            if len(piece) >= _MIN_PIECE_FRAMES:
                weight = voices.heard_s[voice]
                sums[group[voice]] += campplus.embed_frames([piece], device)[0] * weight
                heard_s[group[voice]] += weight
            due += 1
            progress(due / len(chosen), f"heard {due} of {len(chosen)} moments closely")
    return Closely(group, unit(sums), heard_s)


def with_both(voices: Voices, closely: Closely, rules: Rules) -> Voices:
    """The same voices with a vector of both encoders each, corrected for how short they were heard."""
    by_group = closely.heard_s[closely.group]
    certain = trust(np.maximum(by_group, np.float32(0.1)), replace(rules, brief_s=_BRIEF_S))
    finer = closely.vectors[closely.group] / certain[:, None]
    usual = voices.vectors / trust(voices.heard_s, rules)[:, None]
    known = (by_group > 0)[:, None]
    vectors = np.concatenate(
        [np.where(known, np.sqrt(_SHARE) * finer, 0), np.where(known, np.sqrt(1 - _SHARE), 1) * usual], axis=1
    )
    return replace(voices, vectors=vectors.astype(np.float32), corrected=True)


def _pieces(group: Integers, voices: Voices) -> list[int]:
    """The longest voices of each group that share no sound."""
    order = np.lexsort((-voices.heard_s, group))
    taken: list[int] = []
    of_group: list[int] = []
    for voice in order.tolist():
        if taken and group[taken[-1]] != group[voice]:
            of_group = []
        near = any(abs(int(voices.window[voice]) - window) < _APART for window in of_group)
        if len(of_group) < _PIECES and not near:
            taken.append(voice)
            of_group.append(int(voices.window[voice]))
    return taken
