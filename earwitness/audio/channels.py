"""Whether the channels of a recording are people with a microphone each."""

import numpy as np
import numpy.typing as npt

_LOUD_SHARE = 0.01
_ALONE = 8.0
"""9 dB above the next channel: the nearest microphone hears a voice that much louder than one across a table."""
_ALONE_SHARE = 0.75
_TALKS_SHARE = 0.1
_NOTHING = 1e-10
"""Power of a frame that holds nothing but dither: -100 dBFS."""


def channels_apart(energies: npt.NDArray[np.float64], live: list[int]) -> tuple[int, ...]:
    """Channels that take turns in being the only loud one. In a stereo recording of a room all are about equally loud.

    Args:
        energies: of each frame and live channel.
        live: the channels' numbers.
    """
    if len(live) < 2:
        return ()
    total = energies.sum(axis=1)
    loud = energies[total > max(float(np.percentile(total, 95)) * _LOUD_SHARE, _NOTHING)]
    if not len(loud):
        return ()
    ordered = np.sort(loud, axis=1)
    alone = ordered[:, -1] > _ALONE * ordered[:, -2]
    leads = np.bincount(loud.argmax(axis=1)[alone], minlength=len(live)) / len(loud)
    who = tuple(channel for channel, share in zip(live, leads, strict=True) if share >= _TALKS_SHARE)
    return who if len(who) > 1 and alone.mean() >= _ALONE_SHARE else ()
