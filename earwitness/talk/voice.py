"""How voices sound where they speak alone: pitch and level, in bounded memory however long the recording is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import iter_speech, speech_duration_ms
from earwitness.progress import Progress, no_progress
from earwitness.spans import Span
from earwitness.talk.pitch import HOP, SPAN, Floats, frame_count, steady, track_pitch

WINDOW_FRAMES = 1_000
"""Frames that are worked on at once: 20 s."""
FEWEST_FOR_PITCH = 100
"""Voiced frames, so 2 s: below, a range says nothing."""
FEWEST_FOR_LEVEL = 50
_PER_MS = SPEECH_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Voice:
    """Over the voiced frames of one speaker."""

    voiced_ms: int
    median_hz: float | None = None
    low_hz: float | None = None
    """5th percentile."""
    high_hz: float | None = None
    """95th percentile."""
    level_dbfs: float | None = None
    """Median."""


def listen_to_voices(
    speech: Path, alone: Mapping[str, Sequence[Span]], progress: Progress = no_progress
) -> dict[str, Voice]:
    """Pitch and level of each speaker.

    Args:
        speech: 16 kHz mono file.
        alone: label → when only that speaker speaks, in ms.
        progress: told how far it is.

    Raises:
        StorageError: the file can't be read.
    """
    labels = sorted(alone)
    frames = frame_count(speech_duration_ms(speech) * _PER_MS)
    who = np.full(frames, -1, np.int16)
    for number, label in enumerate(labels):
        for start, end in alone[label]:
            first = -(-start * _PER_MS // HOP)
            who[first : max(first, (end * _PER_MS - SPAN) // HOP + 1)] = number
    pitch = np.full(frames, np.nan, np.float32)
    level = np.full(frames, -np.inf, np.float32)
    hop_s = WINDOW_FRAMES * HOP / SPEECH_RATE_HZ
    for start, samples in iter_speech(speech, hop_s + (SPAN - HOP) / SPEECH_RATE_HZ, hop_s):
        first = start // HOP
        last = min(first + min(frame_count(len(samples)), WINDOW_FRAMES), frames)
        wanted = who[first:last] >= 0
        if wanted.any():
            pitch[first:last], level[first:last] = track_pitch(samples[: (last - first - 1) * HOP + SPAN], wanted)
        if frames:
            progress(last / frames, "voices")
    voiced = steady(pitch, who)
    return {label: _voice(pitch[mine], level[mine]) for n, label in enumerate(labels) for mine in [voiced & (who == n)]}


def _voice(pitch: Floats, level: Floats) -> Voice:
    voiced_ms = len(pitch) * HOP // _PER_MS
    loudness = round(float(np.median(level)), 1) if len(level) >= FEWEST_FOR_LEVEL else None
    if len(pitch) < FEWEST_FOR_PITCH:
        return Voice(voiced_ms, level_dbfs=loudness)
    # octave errors that lasted are left out by the speaker's own quartiles (De Looze and Hirst, Speech Prosody 2008)
    lower, upper = np.percentile(pitch, [25, 75])
    kept = pitch[(pitch >= 0.75 * lower) & (pitch <= 1.5 * upper)]
    low, middle, high = (round(float(value), 1) for value in np.percentile(kept, [5, 50, 95]))
    return Voice(voiced_ms, median_hz=middle, low_hz=low, high_hz=high, level_dbfs=loudness)


def semitones(low_hz: float, high_hz: float) -> float:
    """Musical distance of two pitches."""
    return 12 * math.log2(high_hz / low_hz)
