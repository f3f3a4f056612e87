"""Pitch of a voice by YIN (A. de Cheveigné and H. Kawahara, J. Acoust. Soc. Am. 111(4), 2002, pp. 1917-1930).

Our own, because the libraries that we have anyway don't fit: `librosa.yin` gives no voicing, `librosa.pyin` takes
0.08 × real time, torchaudio's tracker as long and no voicing either.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import Samples

Floats = npt.NDArray[np.float32]

LOWEST_HZ = 65.0
HIGHEST_HZ = 500.0
HOP = 320
"""Samples from one frame to the next: 20 ms."""
_LONGEST_LAG = int(SPEECH_RATE_HZ / LOWEST_HZ) + 1
_COMPARED = 400
"""Samples that are compared with those a lag later: the paper's integration window, 25 ms."""
SPAN = _COMPARED + _LONGEST_LAG
"""Samples that a frame looks at."""
_APERIODIC = 0.15
"""A dip of the normalised difference below this is a period (the paper's absolute threshold, 0.1 to 0.15)."""
_FAINTEST_DBFS = -65.0
_FFT = 1024
_BATCH = 500
_STEADY = 0.2
"""The pitch of a voice moves by less than this share from one frame to the next."""
_SHORTEST_RUN = 3


class Frames(NamedTuple):
    """One value a frame; frame n begins at sample n × `HOP`."""

    pitch_hz: Floats
    """NaN where nothing periodic is heard."""
    level_dbfs: Floats
    """Of the frame's root mean square; -inf for digital silence."""


def frame_count(samples: int) -> int:
    """How many whole frames there are in so many samples."""
    return max(0, (samples - SPAN) // HOP + 1)


def track_pitch(samples: Samples, wanted: npt.NDArray[np.bool_] | None = None) -> Frames:
    """Pitch and level, a frame every 20 ms.

    Each frame for itself: `steady` drops what a voice can't do.

    Args:
        samples: 16 kHz mono.
        wanted: shape (frames,); others are not computed and come back as NaN and -inf. None: all.
    """
    count = frame_count(len(samples))
    pitch = np.full(count, np.nan, np.float32)
    level = np.full(count, -np.inf, np.float32)
    if count == 0:
        return Frames(pitch, level)
    places = np.arange(count) if wanted is None else np.flatnonzero(wanted[:count])
    frames = np.lib.stride_tricks.sliding_window_view(samples, SPAN)[::HOP]
    for start in range(0, len(places), _BATCH):
        batch = places[start : start + _BATCH]
        chosen = frames[batch].astype(np.float64)
        power = np.square(chosen).mean(axis=1)
        with np.errstate(divide="ignore"):
            level[batch] = 10 * np.log10(power)
        loud = level[batch] > _FAINTEST_DBFS
        pitch[batch[loud]] = _yin(chosen[loud])
    return Frames(pitch, level)


def steady(pitch_hz: Floats, who: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Frames of at least 60 ms of one voice whose pitch moves smoothly: chance dips and octave jumps are not.

    Args:
        pitch_hz: NaN where unvoiced.
        who: voice of each frame; negative: nobody's.
    """
    with np.errstate(invalid="ignore"):
        moves = np.abs(np.diff(pitch_hz)) <= _STEADY * np.minimum(pitch_hz[1:], pitch_hz[:-1])
    joined = moves & (who[1:] == who[:-1])  # NaN compares false
    run = np.concatenate([[0], np.cumsum(~joined)])
    voiced = ~np.isnan(pitch_hz) & (who >= 0)
    lengths = np.bincount(run[voiced], minlength=int(run[-1]) + 1 if len(run) else 1)
    kept: npt.NDArray[np.bool_] = voiced & (lengths[run] >= _SHORTEST_RUN)
    return kept


def _yin(frames: npt.NDArray[np.float64]) -> Floats:
    """Pitch of each row in Hz, NaN where there is no period in range."""
    if len(frames) == 0:
        return np.zeros(0, np.float32)
    # equation 6: the difference function, its correlation term by FFT
    head = np.fft.rfft(frames[:, :_COMPARED], _FFT)
    whole = np.fft.rfft(frames, _FFT)
    correlation = np.fft.irfft(np.conj(head) * whole, _FFT)[:, : _LONGEST_LAG + 1]
    running = np.cumsum(np.square(frames), axis=1)
    running = np.concatenate([np.zeros((len(frames), 1)), running], axis=1)
    energy = running[:, _COMPARED : _COMPARED + _LONGEST_LAG + 1] - running[:, : _LONGEST_LAG + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * correlation, 0.0)
    # equation 8: divided by its mean over shorter lags
    lags = np.arange(1, _LONGEST_LAG + 1)
    mean = np.cumsum(difference[:, 1:], axis=1) / lags
    normal = np.ones_like(difference)
    np.divide(difference[:, 1:], mean, out=normal[:, 1:], where=mean > 0)
    # step 4: the first dip below the threshold; step 5: its bottom between the samples
    inner = normal[:, 1:-1]
    dips = (inner < _APERIODIC) & (inner <= normal[:, 2:]) & (inner < normal[:, :-2])
    found = dips.any(axis=1)
    lag = dips.argmax(axis=1) + 1
    rows = np.arange(len(frames))
    before, at, after = normal[rows, lag - 1], normal[rows, lag], normal[rows, lag + 1]
    bend = before - 2 * at + after
    shift = np.zeros(len(frames))
    np.divide(before - after, 2 * bend, out=shift, where=bend > 0)
    pitch = SPEECH_RATE_HZ / (lag + np.clip(shift, -0.5, 0.5))
    # a first dip at a shorter lag is a sound above the range; its octaves below would be a trap
    inside = found & (pitch <= HIGHEST_HZ) & (pitch >= LOWEST_HZ)
    voiced: Floats = np.where(inside, pitch, np.nan).astype(np.float32)
    return voiced
