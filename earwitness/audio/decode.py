"""Decoding a recording once: native sound to the meter, the 16 kHz mono copy to a FLAC file."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.ffmpeg import Report, running, source
from earwitness.audio.measure import Measured, Meter, frame_samples
from earwitness.audio.probe import AudioTrack
from earwitness.audio.speech_copy import SpeechCopy
from earwitness.progress import Progress

# A block is 16 frames of 100 ms: small enough for the processor's cache, large enough to hide Python's overhead.
_FRAMES_A_BLOCK = 16
_GRACE_S = 900.0
_SLOWEST = 5.0
_LOSSLESS = ("alac", "flac", "wavpack", "tta", "tak", "ape", "mlp", "truehd")
_NARROW_FORMATS = ("u8", "u8p", "s16", "s16p")
_SURROUND = ("SL", "SR", "BL", "BR")

_LONG_FRAME = 32_768
_BLOCKS = 4
"""In memory at a time: one is read and measured while others are written."""

Block = npt.NDArray[Any]
"""int16 or float32, shape (samples, channels)."""


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


def decoding_limit_s(duration_ms: int) -> float:
    """Seconds after which a decoder is caught in a loop: a fifth of real time, after a quarter of an hour of grace."""
    return _GRACE_S + _SLOWEST * duration_ms / 1000


def in_long_frames(audio: Any) -> Any:
    """Join the codec's frames (1,152 samples of an MP3) to long ones.

    ffmpeg hands every frame from thread to thread: on a 2-core machine this saves a third of the processor time of
    decoding.
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


def mixed_down(audio: Any, weights: list[float]) -> Any:
    """Mono from a weighted sum of channels.

    Arguments go by name: ffmpeg-python escapes positional ones once too often.
    """
    terms = "+".join(f"{weight:.9g}*c{channel}" for channel, weight in enumerate(weights) if weight)
    return audio.filter("pan", args=f"mono|c0={terms.replace('+-', '-')}")


def write_speech(part: Part, track: AudioTrack, weights: list[float], target: Path, *, limit_s: float) -> None:
    """Write the 16 kHz mono FLAC with a mix of its own (a further decode; only odd recordings need it).

    Raises:
        ToolFailed: ffmpeg died or stalled.
        StorageError: the target can't be written.
    """
    with SpeechCopy(target, track.sample_rate_hz, weights) as copy:
        _decode(part, track, copy, limit_s=limit_s)


def decode_and_measure(
    part: Part, track: AudioTrack, target: Path, *, expected_ms: int | None, limit_s: float, progress: Progress
) -> tuple[Measured, Report]:
    """Decode once: measure at the native rate and channels, and write the 16 kHz mono FLAC beside it.

    Memory is bounded by a few blocks (1.6 s) and a few numbers a frame.

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
    rate = track.sample_rate_hz
    meter = Meter(rate, track.channels, loudness_weights(track))
    expected = (expected_ms or 0) * rate // 1000

    def measure(block: Block, done: int) -> None:
        meter.feed(block)
        if expected:
            progress(min(0.99, done / expected), f"decoded {done // rate} s")

    with SpeechCopy(target, rate, even_mix(track)) as copy:
        report = _decode(part, track, copy, measure, limit_s=limit_s)
    return meter.finish(), report


def _decode(
    part: Part,
    track: AudioTrack,
    copy: SpeechCopy,
    measure: Callable[[Block, int], None] = lambda block, done: None,
    *,
    limit_s: float,
) -> Report:
    """Read blocks from ffmpeg; a thread writes each of them while it is measured here."""
    channels, rate = track.channels, track.sample_rate_hz
    sample = np.dtype(np.float32 if is_wide(track) else np.int16)
    codec = ("f32" if is_wide(track) else "s16") + ("le" if np.little_endian else "be")
    native = part.audio().output("pipe:1", format=codec, acodec=f"pcm_{codec}", ar=rate, ac=channels)
    length = _FRAMES_A_BLOCK * frame_samples(rate)
    blocks: list[Block] = [np.empty((length, channels), sample) for _ in range(_BLOCKS)]
    width = sample.itemsize * channels
    writing: deque[Future[None]] = deque()
    done = 0
    with running(native, limit_s=limit_s) as child, ThreadPoolExecutor(1, "speech-copy") as writer:
        for block in cycle(blocks):
            if len(writing) == _BLOCKS:
                writing.popleft().result()
            got = child.read_into(memoryview(block.reshape(-1).view(np.uint8).data)) // width
            if got:
                done += got
                writing.append(writer.submit(copy.write, block[:got]))
                measure(block[:got], done)
            if got < length:
                break
        for written in writing:
            written.result()
        report = child.finish()
    report.raise_for_tool()
    return report
