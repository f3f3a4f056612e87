"""Writing the 16 kHz mono FLAC copy that the speech engines hear, a block at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.errors import StorageError

_FULL_SCALE = 32768.0


class SpeechCopy:
    """Mixes blocks of native sound down, resamples them and writes them; a context manager.

    Resampling is soxr's HQ (the same sound gives the same bytes). Beside ffmpeg's own resampler and FLAC encoder, fed
    from its decoder's threads, this takes less than half the processor time.

    Args:
        target: the file to write.
        rate_hz: of the native sound.
        weights: what each channel counts in the mix.
    """

    def __init__(self, target: Path, rate_hz: int, weights: list[float]) -> None:
        import soundfile
        import soxr

        self._target = target
        self._weights = np.array(weights, np.float32)
        self._resample = (
            None
            if rate_hz == SPEECH_RATE_HZ
            else soxr.ResampleStream(rate_hz, SPEECH_RATE_HZ, 1, dtype="float32", quality="HQ")
        )
        self._written = 0
        with self._writing():
            self._file = soundfile.SoundFile(target, "w", SPEECH_RATE_HZ, 1, "PCM_16", format="FLAC")

    def write(self, block: npt.NDArray[Any]) -> None:
        """Add a block of the recording.

        Args:
            block: int16 or float32, shape (samples, channels). Samples that are not numbers count as silence.

        Raises:
            StorageError: the file can't be written.
        """
        mono = self._mixed(block)
        self._put(mono if self._resample is None else self._resample.resample_chunk(mono))

    def _mixed(self, block: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        scale = np.float32(1 / _FULL_SCALE) if block.dtype == np.int16 else np.float32(1)
        mono = np.zeros(len(block), np.float32)
        # A channel at a time: other channels may hold what this mix leaves out, infinities included.
        for channel in np.flatnonzero(self._weights):
            mono += block[:, channel] * (self._weights[channel] * scale)
        if not np.isfinite(mono).all():
            clean = np.where(np.isfinite(block), block, 0)[:, self._weights != 0]
            mono = clean @ self._weights[self._weights != 0]
        return mono

    def _put(self, samples: npt.NDArray[np.float32]) -> None:
        whole = np.clip(np.rint(samples * np.float32(_FULL_SCALE)), -32768, 32767).astype(np.int16)
        with self._writing():
            self._file.write(whole)
        self._written += len(whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._file.close()

    def close(self) -> None:
        """Write what the resampler holds back, and end the file; a copy without a sample leaves none.

        Raises:
            StorageError: the file is not complete, because its disk is full for instance.
        """
        import soundfile

        if self._resample is not None:
            self._put(self._resample.resample_chunk(np.zeros(0, np.float32), last=True))
        with self._writing():
            self._file.close()
            if not self._written:
                self._target.unlink()
            elif soundfile.info(str(self._target)).frames != self._written:
                raise OSError("cut short")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        import soundfile

        try:
            yield
        except (soundfile.LibsndfileError, OSError, AssertionError) as error:  # it asserts that all was written
            raise StorageError(
                f"The 16 kHz copy can't be written to {self._target.parent}.",
                "Free some space or point EARWITNESS_HOME at a writable folder.",
            ) from error
