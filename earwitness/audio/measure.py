"""Measuring sound while it streams by: one pass, memory bounded by a few numbers a frame.

Loudness is EBU R128 / ITU-R BS.1770-4 integrated loudness. The K-weighting is applied to the power spectrum of 100 ms
frames instead of filtering sample by sample: five times faster in numpy, and within 0.1 LU of ffmpeg's meter on
speech (a test holds it to 0.3 LU).
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.channels import channels_apart
from earwitness.audio.facts import Metrics

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

SUBFRAMES = 5
"""20 ms pieces in a 100 ms frame."""

_FULL_SCALE_S16 = 32768.0
_CLIP_LEVEL = 0.98
_TINY = 1e-20
_DIGITAL_SILENCE = 1e-10
"""Power below which a piece holds nothing but dither: -100 dBFS."""
_CLASS_DB = 2.0
_CLASSES = 64
_BAND_HZ = 100.0
_HUGE = 1e12

LUFS_OFFSET = -0.691
_GATE_ABSOLUTE_LUFS = -70.0
_GATE_RELATIVE_LU = -10.0


@dataclass(frozen=True)
class Measured:
    """What a meter found in a stream of sound."""

    metrics: Metrics
    samples: int
    """Samples a channel."""
    nonfinite: int
    """NaN and infinite samples, over all channels; they were measured as zeros."""
    speech_dbfs: float | None
    """Mean level of the louder part of the sound; None for digital silence."""
    channel_dbfs: list[float | None]
    """Level of each channel; None for one that holds digital silence."""
    lost_share: dict[str, float] = field(default_factory=dict)
    """How much of the sound would vanish in a mix: `average`, `difference` (two channels), `0`, `1`, ... (one channel
    alone)."""
    apart: tuple[int, ...] = ()
    """Channels that hardly ever sound together, as those of people with a microphone each; empty: they do."""


def frame_samples(rate_hz: int) -> int:
    """Samples in a frame of (nearly) 100 ms, which is a whole number of pieces."""
    return SUBFRAMES * max(2, round(rate_hz / 50))


class Meter:
    """Measures blocks of interleaved samples.

    Args:
        rate_hz: sample rate.
        channels: how many.
        loudness_weights: BS.1770 weight of each channel's energy; None: all 1.
    """

    def __init__(self, rate_hz: int, channels: int, loudness_weights: list[float] | None = None) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self.frame = frame_samples(rate_hz)
        self.piece = self.frame // SUBFRAMES
        self._weights = np.array(loudness_weights or [1.0] * channels, np.float64)
        bins = np.arange(self.frame // 2 + 1) * rate_hz / self.frame
        # Power of a real signal from half a spectrum: all bins but the first and the last count twice.
        twice = np.full(len(bins), 2.0)
        twice[0] = 1.0
        if self.frame % 2 == 0:
            twice[-1] = 1.0
        gain = (twice * _k_weighting(bins) / self.frame**2).astype(np.float32)
        self._k_gain = np.repeat(gain, 2)  # real and imaginary parts lie side by side
        self._bands = max(1, int(bins[-1] // _BAND_HZ))
        starts = np.searchsorted(bins, np.arange(self._bands) * _BAND_HZ)
        self._band_starts = 2 * np.unique(starts)
        self._scratch: dict[str, Floats] = {}
        self._band_hz = np.append(bins[self._band_starts[1:] // 2], bins[-1])
        self._spectra = np.zeros((_CLASSES, len(self._band_starts)))
        self._class_counts = np.zeros(_CLASSES, np.int64)
        self._pieces: list[Floats] = []
        self._loud: list[Doubles] = []
        self._energies: list[Doubles] = []
        self._mixes: list[Doubles] = []
        self._dc = np.zeros(channels)
        self._samples = 0
        self._tails = 0
        self._nonfinite = 0
        self._clipped = 0
        self._peak = 0.0

    def feed(self, block: npt.NDArray[Any]) -> None:
        """Measure the next block.

        Args:
            block: int16 or float32, shape (samples, channels), in reading order. All blocks but the last must be
                a multiple of `frame` long.
        """
        count = len(block)
        if not count:
            return
        planar = self._space("planar", self.channels, count)
        for channel in range(self.channels):  # faster than one strided copy of all
            planar[channel] = block[:, channel]
        if block.dtype == np.int16:
            peak = max(int(block.max()), -int(block.min())) / _FULL_SCALE_S16
            planar *= np.float32(1 / _FULL_SCALE_S16)
        else:
            self._nonfinite += _silence_nonfinite(planar)
            peak = float(np.abs(planar).max())
        self._peak = max(self._peak, peak)
        if peak >= _CLIP_LEVEL:
            self._clipped += _in_flat_runs(planar)
        means = planar.mean(axis=1, dtype=np.float64)
        self._dc += means * count
        self._samples += count
        planar -= means[:, None].astype(np.float32)  # keeps squares exact under a strong offset
        whole = count // self.frame * self.frame
        if whole:
            self._frames(planar[:, :whole])
        if whole < count:
            self._tail(planar[:, whole:])

    def _space(self, purpose: str, *shape: int) -> Floats:
        """An array whose memory is used again for the next block: fresh pages cost more than the arithmetic on them."""
        size = int(np.prod(shape))
        if purpose not in self._scratch or self._scratch[purpose].size < size:
            self._scratch[purpose] = np.empty(size, np.float32)
        return self._scratch[purpose][:size].reshape(shape)

    def _tail(self, planar: Floats) -> None:
        """The last, incomplete frame: padded, and scaled as if it went on."""
        length = planar.shape[1]
        if length >= self.piece or not self._energies:
            padded = np.zeros((self.channels, self.frame), np.float32)
            padded[:, :length] = planar
            self._frames(padded, scale=self.frame / length, pieces=max(1, length // self.piece))
            self._tails += 1

    def _frames(self, planar: Floats, scale: float = 1.0, pieces: int | None = None) -> None:
        from scipy.fft import rfft  # four times numpy's speed: it transforms several frames at once

        channels, length = planar.shape
        fine = planar.reshape(channels, -1, self.piece)
        squares = np.einsum("cfn,cfn->cf", fine, fine)
        drift = fine.sum(axis=-1)
        powers = np.maximum(squares - drift * drift / self.piece, 0) / self.piece
        self._pieces.append(powers.astype(np.float32).T[:pieces])
        energies = powers.reshape(channels, -1, SUBFRAMES).mean(axis=-1, dtype=np.float64) * scale
        self._energies.append(energies.T)
        if channels > 1:
            mix = np.add(planar[0], planar[1], out=self._space("mix", length))
            for further in planar[2:]:
                mix += further
            mix *= np.float32(1 / channels)
            mix = mix.reshape(-1, self.frame)
            self._mixes.append(np.einsum("fn,fn->f", mix, mix).astype(np.float64) * (scale / self.frame))
        spectrum = rfft(planar.reshape(channels, length // self.frame, self.frame))
        power = spectrum.view(np.float32)
        np.square(power, out=power)
        self._loud.append((power @ self._k_gain).T.astype(np.float64) * scale)
        self._classify(power, energies.mean(axis=0))

    def _classify(self, power: Floats, levels: Doubles) -> None:
        """Add each frame's spectrum to the class of its level, so that speech can be told from noise at the end."""
        total = power[0]
        for further in power[1:]:
            total += further
        bands = np.add.reduceat(total, self._band_starts, axis=-1)
        index = np.clip(_db(levels) / _CLASS_DB + _CLASSES, 0, _CLASSES - 1).astype(np.int64)
        member = np.zeros((_CLASSES, len(levels)))
        member[index, np.arange(len(levels))] = 1
        self._spectra += member @ bands
        self._class_counts += member.sum(axis=1).astype(np.int64)

    def finish(self) -> Measured:
        """Sum up. The meter must not be fed again."""
        silent = [None] * self.channels
        if not self._samples:
            return Measured(_no_sound(self.channels), 0, 0, None, list(silent))
        energies = np.concatenate(self._energies) if self._energies else np.zeros((1, self.channels))
        means = energies.mean(axis=0)
        channel_dbfs = [float(_db(mean)) if mean > _DIGITAL_SILENCE else None for mean in means]
        live = [i for i, level in enumerate(channel_dbfs) if level is not None]
        pieces = np.concatenate(self._pieces) if self._pieces else np.zeros((1, self.channels), np.float32)
        levels = pieces[:, live].mean(axis=1, dtype=np.float64) if live else np.zeros(len(pieces))
        floor, speech, threshold = _levels(levels)
        clipping = self._clipped / (self._samples * self.channels)
        metrics = Metrics(
            loudness_lufs=_round(self._loudness(), 2),
            peak_dbfs=_round(float(_db(self._peak**2)), 2) if self._peak > 0 else None,
            clipping_share=round(min(1.0, clipping), 7),
            noise_floor_dbfs=_round(None if floor is None else float(_db(floor)), 1),
            snr_db=_round(_snr(floor, speech), 1),
            silence_share=round(_silence_share(levels, threshold) if speech is not None else 1.0, 4),
            bandwidth_hz=_round(self._bandwidth(threshold), 0),
            # Floats beyond full scale are turned down when they are used; their offset shrinks with them.
            dc_offset=round(float(np.abs(self._dc / self._samples).max()) / max(1.0, self._peak), 5),
            channel_balance_db=self._balance(means),
        )
        return Measured(
            metrics=metrics,
            samples=self._samples,
            nonfinite=self._nonfinite,
            speech_dbfs=None if speech is None else round(float(_db(speech)), 1),
            channel_dbfs=channel_dbfs,
            lost_share=self._lost(energies, live),
            apart=channels_apart(energies[:, live], live),
        )

    def _loudness(self) -> float | None:
        loud = np.concatenate(self._loud) if self._loud else np.zeros((0, self.channels))
        if not len(loud):
            return None
        frames = loud @ self._weights
        whole = frames[: len(frames) - self._tails]  # the standard counts complete blocks only
        blocks = np.convolve(whole, np.full(4, 0.25), "valid") if len(whole) >= 4 else frames.mean(keepdims=True)
        return gated_loudness(blocks)

    def _balance(self, means: Doubles) -> float | None:
        if self.channels == 1:
            return None
        loudest, quietest = float(means.max()), float(means.min())
        return round(float(_db(loudest) - _db(max(quietest, _DIGITAL_SILENCE))), 1) if loudest > quietest else 0.0

    def _bandwidth(self, threshold: float) -> float | None:
        split = int(np.clip(_db(np.float64(threshold)) / _CLASS_DB + _CLASSES, 0, _CLASSES - 1))
        counts = self._class_counts
        if not counts[split:].sum():
            return None
        speech = self._spectra[split:].sum(axis=0) / counts[split:].sum()
        below = counts[1:split].sum()
        noise = self._spectra[1:split].sum(axis=0) / below if below else np.zeros_like(speech)
        # Speech falls by about 6 dB an octave; without emphasis 99 % would lie under 3 kHz however wide the band is.
        emphasised = np.maximum(speech - 2 * noise, 0) * self._band_hz**2
        total = float(emphasised.sum())
        if total <= 0:
            return None
        return float(self._band_hz[int(np.searchsorted(np.cumsum(emphasised), 0.99 * total))])

    def _lost(self, energies: Doubles, live: list[int]) -> dict[str, float]:
        """Share of the sound that each way of mixing down would cancel or leave out by more than 12 dB."""
        if self.channels < 2 or not live:
            return {}
        total = energies.sum(axis=1)
        active = total > max(float(np.percentile(total, 95)) * 1e-3, _DIGITAL_SILENCE)
        if not active.any():
            return {}
        weight = total[active]
        mixes = np.concatenate(self._mixes)
        candidates = {"average": (mixes, self.channels)}
        if self.channels == 2:
            candidates["difference"] = (total / 2 - mixes, 2)
        candidates |= {str(channel): (energies[:, channel], 1) for channel in live}
        lost = {}
        for name, (kept, divisor) in candidates.items():
            expected = total / (self.channels * divisor)
            gone = (kept < 0.125 * expected)[active]
            lost[name] = round(float(np.count_nonzero(gone)) / len(weight), 4)
        return lost


def gated_loudness(blocks: Doubles) -> float | None:
    """Integrated loudness of 400 ms blocks that overlap by 75 % (BS.1770-4, two gates).

    Args:
        blocks: weighted mean square of each block, summed over channels.

    Returns:
        LUFS; None if everything lies below the absolute gate of -70 LUFS.
    """
    above = blocks[LUFS_OFFSET + _db(blocks) > _GATE_ABSOLUTE_LUFS]
    if not len(above):
        return None
    relative = LUFS_OFFSET + _db(above.mean()) + _GATE_RELATIVE_LU
    above = above[LUFS_OFFSET + _db(above) > relative]
    return float(LUFS_OFFSET + _db(above.mean()))


def _levels(levels: Doubles) -> tuple[float | None, float | None, float]:
    """(noise floor, speech level, threshold between them) of the power of 20 ms pieces.

    The floor is the mean of the quietest tenth, the speech level the mean of what lies above the threshold.
    """
    live = np.sort(levels[levels > _DIGITAL_SILENCE])
    if not len(live):
        return None, None, _DIGITAL_SILENCE
    floor = float(live[: max(1, len(live) // 10)].mean())
    top = float(live[int(len(live) * 0.95) :].mean())
    threshold = min(10 ** (0.6 * np.log10(floor) + 0.4 * np.log10(top)), float(live[-1]))
    return floor, float(live[live >= threshold].mean()), float(threshold)


def _silence_share(levels: Doubles, threshold: float) -> float:
    """Share of 100 ms stretches that stay under the threshold: a stop consonant is not a pause."""
    whole = len(levels) // SUBFRAMES * SUBFRAMES
    stretches = levels[:whole].reshape(-1, SUBFRAMES).max(axis=1) if whole else levels
    return float(np.mean(stretches < threshold))


def _snr(floor: float | None, speech: float | None) -> float | None:
    if floor is None or speech is None:
        return None
    return float(_db(np.float64(max(speech - floor, floor) / floor)))


def _db(power: Any) -> Any:
    return 10 * np.log10(np.maximum(power, _TINY))


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _no_sound(channels: int) -> Metrics:
    return Metrics(
        loudness_lufs=None,
        peak_dbfs=None,
        clipping_share=0,
        noise_floor_dbfs=None,
        snr_db=None,
        silence_share=1,
        bandwidth_hz=None,
        dc_offset=0,
        channel_balance_db=None if channels == 1 else 0.0,
    )


def _silence_nonfinite(planar: Floats) -> int:
    """Put zeros where NaN and infinities are, in place; return how many there were."""
    bad = ~np.isfinite(planar)
    count = int(np.count_nonzero(bad))
    if count:
        planar[bad] = 0
    np.clip(planar, -_HUGE, _HUGE, out=planar)  # squares must stay finite
    return count


def _in_flat_runs(planar: Floats) -> int:
    """Samples in runs of three or more equal ones at full scale: what an overloaded input leaves."""
    total = 0
    for channel in planar:
        same = np.zeros(len(channel) + 1, np.int8)
        same[1:-1] = (channel[1:] == channel[:-1]) & (np.abs(channel[1:]) >= _CLIP_LEVEL)
        edges = np.diff(same)
        runs = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
        total += int((runs[runs >= 2] + 1).sum())
    return total


@lru_cache(maxsize=8)
def _k_curve() -> tuple[Doubles, Doubles]:
    """Frequencies and power gains of the two filters of BS.1770-4, annex 1, from their 48 kHz coefficients."""
    stages = (
        ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585]),
        ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]),
    )
    hz = np.concatenate([np.linspace(0, 500, 1001), np.linspace(500, 23_999, 4000)[1:]])
    z = np.exp(-2j * np.pi * hz / 48_000)
    gain = np.ones(len(hz))
    for upper, lower in stages:
        gain *= np.abs(np.polyval(upper[::-1], z) / np.polyval(lower[::-1], z)) ** 2
    return hz, gain


def _k_weighting(hz: Doubles) -> Doubles:
    curve_hz, gain = _k_curve()
    return np.interp(hz, curve_hz, gain)
