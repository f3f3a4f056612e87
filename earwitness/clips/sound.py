"""What the sound of a recording tells about its moments: how loud they are, and where people laugh or cheer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earwitness.audio.ffmpeg import running, source

LEVEL_MS = 100
"""Length of what one level is of."""
_RATE_HZ = 8_000
_FRAME = _RATE_HZ * LEVEL_MS // 1000
_BLOCK = 2_400
_NEAR_MS = 150
"""Around a word; times of words are no better, and rooms ring."""
_SHORTEST = 4
"""Levels. Shorter bursts are knocks and breaths."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording's levels, one for each tenth of a second."""

    ranks: Sequence[float]
    """Sums up to each level of their ranks, 0..1; 1 is the loudest of the recording."""
    bursts: Sequence[int]
    """Sums up to each level of those that lie in a burst: loud sound without words, such as laughter."""

    def energy(self, start_ms: int, end_ms: int) -> float:
        """Mean rank of a stretch, 0..1."""
        first, end = self._levels(start_ms, end_ms)
        return (self.ranks[end] - self.ranks[first]) / (end - first) if end > first else 0.0

    def burst_ms(self, start_ms: int, end_ms: int) -> int:
        """Milliseconds of laughter-like sound in a stretch."""
        first, end = self._levels(start_ms, end_ms)
        return (self.bursts[end] - self.bursts[first]) * LEVEL_MS

    def _levels(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        last = len(self.bursts) - 1
        return min(last, start_ms // LEVEL_MS), min(last, end_ms // LEVEL_MS)


def listen_for_moments(audio: Path, spoken: Iterable[tuple[int, int]]) -> Sound:
    """Measure a recording once, in bounded memory.

    Args:
        audio: the listening copy.
        spoken: start and end of every word in milliseconds; what is as loud as they are and lies between them is a
            burst. Without words there are no bursts.

    Raises:
        ToolFailed: ffmpeg can't decode it.
    """
    return sound_of(levels_of(audio), spoken)


def levels_of(audio: Path) -> npt.NDArray[np.float32]:
    """Root mean square of each tenth of a second.

    Raises:
        ToolFailed: ffmpeg can't decode it.
    """
    found: list[npt.NDArray[np.float32]] = []
    raw = memoryview(bytearray(2 * _FRAME * _BLOCK))
    output = source(audio).audio.output("pipe:1", format="s16le", acodec="pcm_s16le", ac=1, ar=_RATE_HZ)
    with running(output) as child:
        while got := child.read_into(raw):
            samples = np.frombuffer(raw[: got - got % 2], "<i2").astype(np.float32)
            whole = len(samples) // _FRAME * _FRAME
            found.append(np.sqrt(np.mean(np.square(samples[:whole].reshape(-1, _FRAME)), axis=1)))
            if whole < len(samples):
                found.append(np.sqrt(np.mean(np.square(samples[whole:]), keepdims=True)))
            if got < len(raw):
                break
        child.finish().raise_for_failure(what="The listening copy can't be read")
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def sound_of(levels: npt.NDArray[np.float32], spoken: Iterable[tuple[int, int]]) -> Sound:
    """Ranks and bursts of levels; see `listen_for_moments`."""
    if not len(levels):
        return Sound((0.0,), (0,))
    order = np.searchsorted(np.sort(levels), levels)  # equal ones rank alike
    ranks = tuple(accumulate((order / max(1, len(levels) - 1)).tolist(), initial=0.0))
    near = np.zeros(len(levels), bool)
    inside = np.zeros(len(levels), bool)
    for start, end in spoken:
        near[max(0, start - _NEAR_MS) // LEVEL_MS : (end + _NEAR_MS) // LEVEL_MS + 1] = True
        inside[start // LEVEL_MS : end // LEVEL_MS + 1] = True
    if not inside.any():
        return Sound(ranks, (0,) * (len(levels) + 1))
    loud = (levels >= max(1.0, float(np.median(levels[inside])))) & ~near
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    burst = np.zeros(len(levels), np.int64)
    for begin, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - begin >= _SHORTEST:
            burst[begin:stop] = 1
    return Sound(ranks, tuple(accumulate(burst.tolist(), initial=0)))
