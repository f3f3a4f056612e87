"""Cutting speech into windows of bounded length for engines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import read_speech
from earwitness.spans import Span

_FRAME_MS = 20


def listening_windows(speech: Path, spans: Sequence[Span], longest_ms: int, join_ms: int = 400) -> list[Span]:
    """Windows that hold all speech: near spans joined, long ones cut at their quietest moment.

    Args:
        speech: 16 kHz mono file.
        spans: voice activity in ms, in order.
        longest_ms: no window is longer.
        join_ms: spans nearer than this may share a window.

    Returns:
        (start_ms, end_ms) in order, not overlapping.
    """
    windows: list[Span] = []
    for start, end in spans:
        if windows and start - windows[-1][1] <= join_ms and end - windows[-1][0] <= longest_ms:
            windows[-1] = (windows[-1][0], end)
            continue
        while end - start > longest_ms:
            cut = _quietest(speech, start + longest_ms // 2, start + longest_ms)
            windows.append((start, cut))
            start = cut
        windows.append((start, end))
    return windows


def _quietest(speech: Path, start_ms: int, end_ms: int) -> int:
    samples = read_speech(speech, start_ms, end_ms)
    size = SPEECH_RATE_HZ * _FRAME_MS // 1000
    count = samples.size // size
    if count < 5:
        return end_ms
    power = np.square(samples[: count * size]).reshape(count, size).mean(axis=1)
    # five frames together: a pause, not the closure of a single stop
    smooth = np.convolve(power, np.ones(5) / 5, mode="valid")
    return start_ms + (int(np.argmin(smooth)) + 2) * _FRAME_MS + _FRAME_MS // 2
