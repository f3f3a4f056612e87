"""The highest points of sound: its samples, and what lies between them."""

import numpy as np
import numpy.typing as npt

TRUE_PEAK_DBTP = -1.0
"""What nothing that people hear may go beyond (EBU R 128)."""

_LOUD_ENOUGH = 0.7
"""Only frames that come so near to full scale can have a true peak above the limit."""
_OVERSAMPLING = 4
_CONTEXT = 32
"""Samples on either side of a frame: the filter must not see an edge."""


def crests(samples: npt.NDArray[np.float32], frame: int) -> npt.NDArray[np.float32]:
    """Largest sample of each frame, over all channels; the last one may be short.

    Args:
        samples: shape (samples, channels), full scale 1.
        frame: samples of each.
    """
    whole = len(samples) // frame * frame
    found = np.abs(samples[:whole]).reshape(whole // frame, -1).max(axis=1) if whole else np.zeros(0, np.float32)
    if whole == len(samples):
        return found
    return np.append(found, np.abs(samples[whole:]).max()).astype(np.float32)


def true_peak(samples: npt.NDArray[np.float32], crested: npt.NDArray[np.float32], frame: int) -> float:
    """Largest value between the samples (BS.1770-4, annex 2), looked for only where they come near to full scale.

    Args:
        samples: shape (samples, channels), full scale 1.
        crested: what `crests` found in them.
        frame: samples of each.
    """
    from scipy.signal import resample_poly

    highest = float(crested.max(initial=0.0))
    for index in np.flatnonzero(crested >= _LOUD_ENOUGH):
        around = samples[max(0, index * frame - _CONTEXT) : (index + 1) * frame + _CONTEXT]
        highest = max(highest, float(np.abs(resample_poly(around, _OVERSAMPLING, 1, axis=0)).max()))
    return highest


def dbtp(highest: float) -> float:
    """A true peak in decibels below full scale; -180 for silence."""
    return 20 * float(np.log10(max(highest, 1e-9)))
