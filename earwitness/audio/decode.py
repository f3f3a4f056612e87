"""Decoding a recording once: native sound to the meter, the 16 kHz mono copy to a FLAC file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.ffmpeg import Report, run, running, source
from earwitness.audio.measure import Measured, Meter
from earwitness.audio.probe import AudioTrack
from earwitness.errors import BadRecording
from earwitness.progress import Progress

# A block is 16 frames of 100 ms: small enough for the processor's cache, large enough to hide Python's overhead.
_FRAMES_A_BLOCK = 16
_LOSSLESS = ("alac", "flac", "wavpack", "tta", "tak", "ape", "mlp", "truehd")
_NARROW_FORMATS = ("u8", "u8p", "s16", "s16p")
_SURROUND = ("SL", "SR", "BL", "BR")

_LONG_FRAME = 32_768
_FLAC_BLOCK = 4_096


@dataclass(frozen=True)
class Part:
    """Which sound of a file is meant."""

    path: Path
    track: int = 0
    start_ms: int | None = None
    end_ms: int | None = None

    def audio(self) -> Any:
        """Its ffmpeg-python stream."""
        return in_long_frames(source(self.path, start_ms=self.start_ms, end_ms=self.end_ms)[f"a:{self.track}"])


def in_long_frames(audio: Any) -> Any:
    """Join the codec's frames (1,152 samples of an MP3) to long ones.

    ffmpeg hands every frame from thread to thread: on a 2-core machine this more than halves the processor time of
    decoding to a pipe and a FLAC file.
    """
    return audio.filter("asetnsamples", n=_LONG_FRAME, p=0)


def even_mix(track: AudioTrack) -> list[float]:
    """Every channel counts the same, apart from low-frequency effects, which are no speech."""
    names = (track.channel_names + [""] * track.channels)[: track.channels]
    kept = [not name.startswith("LFE") for name in names]
    if not any(kept):
        kept = [True] * track.channels
    return [1 / sum(kept) if keep else 0.0 for keep in kept]


def is_wide(track: AudioTrack) -> bool:
    """Whether a lossless track holds more than 16 bits a sample, floats included."""
    lossless = track.codec.startswith("pcm_") or track.codec in _LOSSLESS
    return lossless and track.sample_format not in _NARROW_FORMATS


def loudness_weights(track: AudioTrack) -> list[float]:
    """BS.1770-4 weights: surround channels count 1.41, the low-frequency effects channel not at all."""
    names = (track.channel_names + [""] * track.channels)[: track.channels]
    return [0.0 if name.startswith("LFE") else 1.41 if name in _SURROUND else 1.0 for name in names]


def cleaned(audio: Any) -> Any:
    """Silence where samples are not numbers."""
    return audio.filter("aeval", exprs="if(isnan(val(ch))+isinf(val(ch)),0,val(ch))", c="same")


def mixed_down(audio: Any, weights: list[float], *, clean: bool = False) -> Any:
    """Mono from a weighted sum of channels; `clean` puts silence where samples are not numbers.

    Arguments go by name: ffmpeg-python escapes positional ones once too often.
    """
    if clean:
        audio = cleaned(audio)
    terms = "+".join(f"{weight:.9g}*c{channel}" for channel, weight in enumerate(weights) if weight)
    return audio.filter("pan", args=f"mono|c0={terms.replace('+-', '-')}")


def to_speech(mono: Any, target: Path) -> Any:
    """Output node that writes a mono stream as 16 kHz FLAC; the same sound gives the same bytes."""
    resampled = mono.filter("aformat", channel_layouts="mono", sample_rates=SPEECH_RATE_HZ, sample_fmts="s16")
    # The encoder takes frames as they come as its blocks, up to sizes that players refuse.
    return resampled.filter("asetnsamples", n=_FLAC_BLOCK, p=0).output(
        f"file:{target}", acodec="flac", map_metadata=-1, fflags="+bitexact", **{"flags:a": "+bitexact"}
    )


def write_speech(part: Part, weights: list[float], target: Path, *, clean: bool, limit_s: float) -> None:
    """Write the 16 kHz mono FLAC with a mix of its own (a further decode; only odd recordings need it).

    Raises:
        ToolFailed: ffmpeg died or stalled.
        StorageError: the target can't be written.
    """
    mono = mixed_down(part.audio(), weights, clean=clean)
    run(to_speech(mono, target), limit_s=limit_s, fault=BadRecording, what="Decoding failed")


def decode_and_measure(
    part: Part, track: AudioTrack, target: Path, *, expected_ms: int | None, limit_s: float, progress: Progress
) -> tuple[Measured, Report]:
    """Decode once: measure at the native rate and channels, and write the 16 kHz mono FLAC beside it.

    Memory is bounded by one block (1.6 s) and a few numbers a frame.

    Args:
        part: what to decode.
        track: what its header says.
        target: the FLAC to write; channels are mixed evenly.
        expected_ms: for progress only.
        limit_s: longest run.
        progress: told the decoded share.

    Raises:
        ToolFailed: ffmpeg died or stalled.
        StorageError: the target can't be written.
    """
    import ffmpeg

    channels, rate = track.channels, track.sample_rate_hz
    wide = is_wide(track)
    split = part.audio().filter_multi_output("asplit", 2)
    sample = np.dtype(np.float32 if wide else np.int16)
    codec = ("f32" if wide else "s16") + ("le" if np.little_endian else "be")
    native = split[0].output("pipe:1", format=codec, acodec=f"pcm_{codec}", ar=rate, ac=channels)
    mono = split[1] if channels <= 2 else mixed_down(split[1], even_mix(track))
    speech = to_speech(mono, target)

    meter = Meter(rate, channels, loudness_weights(track))
    block: npt.NDArray[Any] = np.empty((_FRAMES_A_BLOCK * meter.frame, channels), sample)
    raw = memoryview(block.reshape(-1).view(np.uint8).data)
    width = sample.itemsize * channels
    expected = (expected_ms or 0) * rate // 1000
    done = 0
    with running(ffmpeg.merge_outputs(native, speech), limit_s=limit_s) as child:
        while got := child.read_into(raw) // width:
            meter.feed(block[:got])
            done += got
            if expected:
                progress(min(0.99, done / expected), f"decoded {done // rate} s")
            if got < len(block):
                break
        report = child.finish()
    report.raise_for_tool()
    return meter.finish(), report
