"""All tracks together in one sound that does not clip: what people hear, and stages that want one sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio.decode import Part, cleaned, decoding_limit_s, mixed_down
from earwitness.audio.facts import RecordingFacts
from earwitness.audio.ffmpeg import run
from earwitness.audio.pcm import Samples, iter_speech
from earwitness.progress import Progress, no_progress

CEILING = 0.89
"""Highest sample of a mix: -1 dBFS, as far as the 16 kHz copies tell; a limiter sees to the rest."""

_LIMIT = 0.98
_WINDOW_S = 30.0
_RATES_HZ = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_FLAC_BLOCK = 4_096


def mix_tracks(
    tracks: Sequence[tuple[Path, RecordingFacts]],
    copies: Sequence[Path],
    target: Path,
    progress: Progress = no_progress,
) -> None:
    """Write the sum of all tracks, which all start together, as a mono 16-bit FLAC.

    Nothing is levelled and nobody is made louder than somebody else. The sum is turned down where it would be louder
    than full scale.

    Args:
        tracks: each file and what is known of it: its slice, audio track and channels are respected.
        copies: the 16 kHz mono copy of each, to find the loudest moment.
        target: the file to write, at the highest rate among the tracks (48 kHz at most).
        progress: told the share that is written.

    Raises:
        ToolFailed: ffmpeg died or stalled.
        StorageError: the target can't be written.
    """
    import ffmpeg

    highest_hz = max(facts.sample_rate_hz for _, facts in tracks)
    rate = next((rate for rate in _RATES_HZ if rate >= highest_hz), _RATES_HZ[-1])
    duration_ms = max(facts.duration_ms for _, facts in tracks)
    gain = min(1.0, CEILING / max(loudest(copies), 1e-9))
    streams = [_mono(path, facts, rate) for path, facts in tracks]
    # normalize=0: the filter would turn everybody down by the number of tracks, and up again as tracks end
    sound = ffmpeg.filter(streams, "amix", inputs=len(streams), duration="longest", normalize=0)
    sound = sound.filter("volume", volume=f"{gain:.6f}", precision="float")
    sound = sound.filter("alimiter", limit=_LIMIT, level=0, latency=1)
    sound = sound.filter("aformat", channel_layouts="mono", sample_rates=rate, sample_fmts="s16")

    def on_time(ms: int) -> None:
        progress(min(1.0, ms / max(1, duration_ms)), f"mixing {len(tracks)} tracks: {ms // 1000} s")

    output = sound.filter("asetnsamples", n=_FLAC_BLOCK, p=0).output(
        f"file:{target}", acodec="flac", map_metadata=-1, fflags="+bitexact", **{"flags:a": "+bitexact"}
    )
    run(
        output,
        limit_s=decoding_limit_s(len(tracks) * duration_ms),
        on_time=on_time,
        what="The tracks can't be mixed",
    )


def loudest(copies: Sequence[Path]) -> float:
    """The highest sample of the sum of 16 kHz mono files that start together; 1 is full scale."""
    highest = 0.0
    walks = [iter_speech(copy, _WINDOW_S) for copy in copies]
    while parts := [part for walk in walks if (part := next(walk, None)) is not None]:
        total: Samples = np.zeros(max(len(samples) for _, samples in parts), np.float32)
        for _, samples in parts:
            total[: len(samples)] += samples
        highest = max(highest, float(np.abs(total).max(initial=0.0)))
    return highest


def _mono(path: Path, facts: RecordingFacts, rate: int) -> Any:
    start, end = facts.slice_ms or (None, None)
    audio = Part(path, facts.audio_track, start, end).audio()
    if facts.nonfinite_samples:
        audio = cleaned(audio)
    if facts.channels > 1:
        audio = mixed_down(audio, facts.mixdown)
    elif facts.mixdown and facts.mixdown != [1.0]:
        audio = audio.filter("volume", volume=f"{facts.mixdown[0]:.9f}", precision="float")
    return audio.filter("aresample", rate).filter("aformat", channel_layouts="mono", sample_fmts="flt")
