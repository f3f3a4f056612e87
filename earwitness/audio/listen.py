"""The copy that people hear: the source's own bandwidth and stereo, at an even loudness, in a file that plays anywhere.

The limiter makes loud recordings quieter than their gain says. How much is found on the small speech copy first, so
that the slow step, encoding, mostly runs once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.decode import Part, cleaned, decoding_limit_s, in_long_frames, mixed_down
from earwitness.audio.facts import SPEECH_RATE_HZ, ListeningCopy, RecordingFacts, Validated
from earwitness.audio.ffmpeg import ffmpeg_info, run, running, source
from earwitness.audio.limiter import limited
from earwitness.audio.measure import Meter
from earwitness.audio.peaks import TRUE_PEAK_DBTP, crests, dbtp, true_peak
from earwitness.audio.preprocess import measure_speech
from earwitness.audio.quality import speech_level_dbfs
from earwitness.engines.engine import EngineUse
from earwitness.progress import Progress, no_progress, part_of
from earwitness.settings import ListenSettings
from earwitness.storage.store import keep, workspace

MAX_PEAKS = 2_000

# Rates that AAC has and every browser plays.
_RATES_HZ = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_LOUDNESS_WITHIN_LU = 0.4
# Progress of each try at encoding; the first one is mostly the last.
_SHARES = ((0.1, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 0.99))
_REHEARSALS = 3
_REHEARSED_WITHIN_LU = 0.1
_DC_HEARD = 0.02
_DC_HZ = 20
_FIRST_LIMIT_DB = -2.3  # AAC adds about a decibel to the peaks
_MOST_GAIN_DB = 60.0
_MAX_SURROUND = 8
_FRAMES_A_BLOCK = 16


@dataclass(frozen=True)
class Heard:
    """Measurements of the finished file."""

    loudness_lufs: float | None
    true_peak_dbtp: float
    peaks: list[int]


def make_listening_copy(
    path: Path, validated: Validated, settings: ListenSettings, progress: Progress = no_progress
) -> ListeningCopy:
    """Make `listen.m4a` from the source: one linear gain and a true-peak limiter, no compression of dynamics.

    The result is decoded again and measured; gain and limit are corrected until it is within 0.4 LU of the target with
    a true peak of at most -1 dBTP. The same input gives the same bytes.

    Args:
        path: the recording that was validated.
        validated: result of *validate*; its slice, track and channel findings are respected.
        settings: loudness and bit rate.
        progress: told the share that is done.

    Raises:
        ToolFailed: ffmpeg died, stalled, or can't encode.
        StorageError: the store can't be written.
    """
    facts = validated.facts
    metrics = validated.quality.metrics
    loudness = metrics.loudness_lufs if metrics.loudness_lufs is not None else speech_level_dbfs(metrics)
    gain = 0.0 if loudness is None else min(_MOST_GAIN_DB, settings.loudness_lufs - loudness)
    limit = _FIRST_LIMIT_DB
    if loudness is not None:
        gain = _with_limiter_loss(validated, gain, limit, part_of(progress, 0, 0.1))
    with workspace("listen") as folder:
        best: tuple[float, Path, Heard] | None = None
        for attempt in range(len(_SHARES)):
            target = Path(folder) / f"listen{attempt}.m4a"
            share = part_of(progress, *_SHARES[attempt])
            _encode(path, validated, target, gain, limit, settings.bit_rate_kbps, share)
            heard = hear(in_long_frames(source(target).audio), _rate_hz(facts), _channels(facts))
            off = 0.0 if heard.loudness_lufs is None else heard.loudness_lufs - settings.loudness_lufs
            over = max(0.0, heard.true_peak_dbtp - TRUE_PEAK_DBTP)
            badness = abs(off) + 10 * over
            if best is None or badness < best[0]:
                best = (badness, target, heard)
            if (abs(off) <= _LOUDNESS_WITHIN_LU and not over) or loudness is None:
                break
            gain -= off
            limit -= over + 0.2 if over else 0.0
        assert best is not None  # the loop ran at least once
        _, chosen, heard = best
        audio = keep(chosen)
    info = ffmpeg_info()
    progress(1.0, f"listening copy at {heard.loudness_lufs} LUFS")
    return ListeningCopy(
        engine=EngineUse(name="ffmpeg", version=info.version, model="aac"),
        audio=audio,
        loudness_lufs=heard.loudness_lufs,
        peaks=heard.peaks,
    )


def _rate_hz(facts: RecordingFacts) -> int:
    return next((rate for rate in _RATES_HZ if rate >= facts.sample_rate_hz), _RATES_HZ[-1])


def _channels(facts: RecordingFacts) -> int:
    """Stereo stays stereo, unless only one channel is worth hearing; surround becomes stereo."""
    used = [weight for weight in facts.mixdown if weight]
    return 1 if len(used) <= 1 or facts.channels > _MAX_SURROUND else 2


def _as_heard(audio: Any, facts: RecordingFacts) -> Any:
    if facts.nonfinite_samples:
        audio = cleaned(audio)
    if _channels(facts) == 1 and facts.channels > 1:
        return mixed_down(audio, facts.mixdown)
    if facts.channels == 2 and min(facts.mixdown, default=0.0) < 0:
        return audio.filter("pan", args="stereo|c0=c0|c1=-1*c1")  # antiphase: silent on a single loudspeaker
    if facts.channels > 2:
        return audio.filter("aformat", channel_layouts="stereo")
    return audio


def _levelled(audio: Any, validated: Validated, rate: int, gain: float, limit: float) -> Any:
    if validated.quality.metrics.dc_offset > _DC_HEARD:
        audio = audio.filter("highpass", f=_DC_HZ)  # an offset eats the headroom
    return limited(audio, rate, gain, limit)


def _with_limiter_loss(validated: Validated, gain: float, limit: float, progress: Progress) -> float:
    """Raise the gain by what the limiter will take away, as tried out on the speech copy."""
    copy = validated.decoded.path
    plain = measure_speech(copy, part_of(progress, 0, 0.2))
    if plain.loudness_lufs is None or plain.peak_dbfs is None or plain.peak_dbfs + gain < limit:
        return gain
    wanted = plain.loudness_lufs + gain
    for attempt in range(_REHEARSALS):
        audio = _levelled(in_long_frames(source(copy).audio), validated, SPEECH_RATE_HZ, gain, limit)
        rehearsed = hear(audio, SPEECH_RATE_HZ, 1, whole=False)
        progress(0.2 + 0.8 * (attempt + 1) / _REHEARSALS, "found the gain")
        if rehearsed.loudness_lufs is None or abs(wanted - rehearsed.loudness_lufs) < _REHEARSED_WITHIN_LU:
            break
        gain += wanted - rehearsed.loudness_lufs
    return gain


def _encode(
    path: Path, validated: Validated, target: Path, gain: float, limit: float, kbps: int, progress: Progress
) -> None:
    facts = validated.facts
    start, end = facts.slice_ms or (None, None)
    rate = _rate_hz(facts)
    audio = _as_heard(Part(path, facts.audio_track, start, end).audio(), facts)
    output = _levelled(audio, validated, rate, gain, limit).output(
        f"file:{target}",
        acodec="aac",
        audio_bitrate=f"{kbps}k",
        # A third of the default coder's time; FFmpeg's manual calls it worse only below 64 kbit/s.
        aac_coder="fast" if kbps >= 64 else "twoloop",
        ac=_channels(facts),
        movflags="+faststart",
        map_metadata=-1,
        map_chapters=-1,
        fflags="+bitexact",
        **{"flags:a": "+bitexact"},
    )

    def on_time(ms: int) -> None:
        progress(min(0.9, 0.9 * ms / max(1, facts.duration_ms)), f"encoded {ms // 1000} s")

    limit_s = decoding_limit_s(facts.duration_ms)
    run(output, limit_s=limit_s, on_time=on_time, what="The listening copy can't be made")


def hear(audio: Any, rate: int, channels: int, *, whole: bool = True) -> Heard:
    """Measure what a listener gets; only the loudness unless `whole`."""
    meter = Meter(rate, channels)
    block: npt.NDArray[np.float32] = np.empty((_FRAMES_A_BLOCK * meter.frame, channels), np.float32)
    raw = memoryview(block.reshape(-1).view(np.uint8).data)
    endian = "le" if np.little_endian else "be"
    output = audio.output("pipe:1", format=f"f32{endian}", acodec=f"pcm_f32{endian}", ar=rate, ac=channels)
    highest = 0.0
    found: list[npt.NDArray[np.float32]] = []
    with running(output) as child:
        while got := child.read_into(raw) // (4 * channels):
            part = block[:got]
            if whole:
                found.append(crests(part, meter.piece))
                highest = max(highest, true_peak(part, found[-1], meter.piece))
            meter.feed(part)
            if got < len(block):
                break
        report = child.finish()
    report.raise_for_failure(what="The listening copy can't be measured")
    loudness = meter.finish().metrics.loudness_lufs
    return Heard(loudness, dbtp(highest), _waveform(found))


def _waveform(crested: list[npt.NDArray[np.float32]]) -> list[int]:
    """At most 2,000 crests over the whole length, the highest of them 100."""
    if not crested:
        return []
    fine = np.concatenate(crested)
    count = min(MAX_PEAKS, len(fine))
    coarse = np.maximum.reduceat(fine, np.arange(count) * len(fine) // count)
    top = float(coarse.max())
    return [round(100 * float(value) / top) for value in coarse] if top > 0 else [0] * count
