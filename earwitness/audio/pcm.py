"""Reading the speech copy: bounded windows for engines, short pieces for clips."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.errors import StorageError, UsageError

if TYPE_CHECKING:
    from pydub import AudioSegment

Samples = npt.NDArray[np.float32]

_QUIET_WINDOW_MS = 40
_QUIET_STEP_MS = 10


def samples_of(ms: int, rate_hz: int = SPEECH_RATE_HZ) -> int:
    """Milliseconds → samples, rounded to the nearest."""
    return (ms * rate_hz + 500) // 1000


def read_speech(path: Path, start_ms: int = 0, end_ms: int | None = None) -> Samples:
    """Read part of a 16 kHz mono file by seeking.

    Args:
        path: a speech copy (`Validated.decoded`, `Preprocessed.speech`).
        start_ms: first millisecond; before the beginning counts as 0.
        end_ms: where to stop; None or past the end means the end.

    Returns:
        float32 samples in [-1, 1], shape (samples,); empty where the range lies outside.

    Raises:
        UsageError: the file is not 16 kHz mono.
        StorageError: the file can't be read.
    """
    with _open(path) as file:
        first = min(file.frames, samples_of(max(0, start_ms)))
        last = file.frames if end_ms is None else min(file.frames, samples_of(max(0, end_ms)))
        return _read(file, first, last - first)


def iter_speech(path: Path, window_s: float, hop_s: float | None = None) -> Iterator[tuple[int, Samples]]:
    """Walk over a 16 kHz mono file in windows; memory stays bounded by one window.

    Args:
        path: a speech copy.
        window_s: length of a window in seconds; the last one may be shorter.
        hop_s: from one window's start to the next; None: windows follow one another.

    Yields:
        (start in samples, float32 samples in [-1, 1]). Windows begin at multiples of the hop, and the first window
        that reaches the end is the last.

    Raises:
        UsageError: the file is not 16 kHz mono, or a length is not positive.
        StorageError: the file can't be read.
    """
    window = round(window_s * SPEECH_RATE_HZ)
    hop = window if hop_s is None else round(hop_s * SPEECH_RATE_HZ)
    if window < 1 or hop < 1:
        raise UsageError(f"A window of {window_s} s with a hop of {hop_s} s holds no samples.", "Use longer ones.")
    with _open(path) as file:
        start, carried = 0, np.zeros(0, np.float32)
        while start < file.frames:
            fresh = _read(file, start + len(carried), window - len(carried))
            samples = np.concatenate([carried, fresh])
            yield start, samples
            if start + window >= file.frames:
                return
            carried = samples[hop:].copy()
            start += hop


def speech_duration_ms(path: Path) -> int:
    """Length of a 16 kHz mono file in milliseconds, rounded down."""
    with _open(path) as file:
        return int(file.frames) * 1000 // SPEECH_RATE_HZ


def cut_piece(path: Path, start_ms: int, end_ms: int, fade_ms: int = 0) -> "AudioSegment":
    """Cut a piece out of a FLAC or WAV file (any rate and channels) as a pydub segment, 16 bit.

    Only the piece is read, and pydub is fed raw samples: it needs neither ffmpeg nor ffprobe.

    Args:
        path: the file.
        start_ms: first millisecond.
        end_ms: where to stop.
        fade_ms: length of the fade at either end, at most half the piece.

    Raises:
        StorageError: the file can't be read.
    """
    file = _open_any(path)
    with file:
        rate = int(file.samplerate)
        first = min(file.frames, samples_of(max(0, start_ms), rate))
        last = min(file.frames, samples_of(max(0, end_ms), rate))
        file.seek(first)
        data = file.read(max(0, last - first), dtype="int16", always_2d=True)
        piece = _pydub()(data=data.tobytes(), sample_width=2, frame_rate=rate, channels=int(file.channels))
    fade = min(fade_ms, len(piece) // 2)
    return piece.fade_in(fade).fade_out(fade) if fade > 0 else piece


def quietest_ms(path: Path, around_ms: int, reach_ms: int) -> int:
    """The quietest moment near `around_ms`: where a cut is least heard.

    Args:
        path: a FLAC or WAV file.
        around_ms: where one would like to cut.
        reach_ms: how far to look to either side.

    Returns:
        the middle of the quietest 40 ms in reach; of equally quiet ones the nearest; `around_ms` itself where there
        is nothing to look at.
    """
    start = max(0, around_ms - reach_ms)
    piece = cut_piece(path, start, around_ms + reach_ms)
    half = _QUIET_WINDOW_MS // 2
    spots = range(half, len(piece) - half + 1, _QUIET_STEP_MS)
    if not spots:
        return around_ms
    best = min(spots, key=lambda at: (piece[at - half : at + half].rms, abs(start + at - around_ms)))
    return start + best


def _pydub() -> "type[AudioSegment]":
    with warnings.catch_warnings():
        # It looks for ffmpeg on PATH at import and warns; here it only ever gets raw samples.
        warnings.simplefilter("ignore")
        from pydub import AudioSegment
    segment: type[AudioSegment] = AudioSegment
    return segment


def _open_any(path: Path) -> Any:
    import soundfile

    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise StorageError(f"{path} can't be read as sound ({error}).", "Run the recording again to rebuild it.") from (
            error
        )


def _open(path: Path) -> Any:
    file = _open_any(path)
    if (file.samplerate, file.channels) != (SPEECH_RATE_HZ, 1):
        found = f"{file.samplerate} Hz with {file.channels} channels"
        file.close()
        raise UsageError(f"{path} is {found}.", f"Give a speech copy: {SPEECH_RATE_HZ} Hz, 1 channel.")
    return file


def _read(file: Any, first: int, count: int) -> Samples:
    if count <= 0 or first >= file.frames:
        return np.zeros(0, np.float32)
    file.seek(first)
    samples: Samples = file.read(count, dtype="float32")
    return samples
