"""Where somebody speaks, by Silero VAD (its weights come in its wheel).

Reads the sound in blocks and keeps only one probability per 32 ms: an hour needs well under 1 MB.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import Samples, iter_speech, speech_duration_ms
from earwitness.engines.quiet import import_speech_library
from earwitness.progress import Progress, no_progress
from earwitness.spans import Span

FRAME = 512
"""Samples per probability; the model knows no other size at 16 kHz."""

_CONTEXT = 64
_BLOCK_FRAMES = 512


def speech_spans(path: Path, progress: Progress = no_progress) -> list[Span]:
    """Find the stretches that hold speech.

    Args:
        path: 16 kHz mono FLAC or WAV.
        progress: told after every 16 s of sound.

    Returns:
        (start_ms, end_ms) in order, not overlapping; empty when nobody speaks.

    Raises:
        UsageError: the file is not 16 kHz mono.
        StorageError: the file can't be read.
    """
    probabilities, samples = speech_probabilities(path, progress)
    return spans_of(probabilities, samples)


def spans_of(
    probabilities: Samples,
    samples: int,
    *,
    threshold: float = 0.5,
    min_speech_ms: int = 250,
    min_silence_ms: int = 300,
    pad_ms: int = 60,
) -> list[Span]:
    """The stretches of speech that probabilities make, as `speech_spans` finds them.

    Args:
        probabilities: one a frame, as `speech_probabilities` gives them.
        samples: length of the sound.
        threshold: probability from which a frame counts as speech; it ends 0.15 lower.
        min_speech_ms: shorter bursts are dropped.
        min_silence_ms: shorter pauses do not end a span.
        pad_ms: added on both sides of a span, never into a neighbour.

    Returns:
        as `speech_spans`.
    """
    silero = import_speech_library("silero_vad")
    spans = silero.get_speech_timestamps_from_probs(
        probabilities.tolist(),
        sampling_rate=SPEECH_RATE_HZ,
        threshold=threshold,
        min_speech_duration_ms=min_speech_ms,
        min_silence_duration_ms=min_silence_ms,
        speech_pad_ms=pad_ms,
        audio_length_samples=samples,
    )
    return [(_ms(span["start"]), _ms(span["end"])) for span in spans]


def speech_probabilities(path: Path, progress: Progress = no_progress) -> tuple[Samples, int]:
    """How likely each 32 ms frame of a 16 kHz mono file is speech.

    Returns:
        float32 probabilities, one per started frame of 512 samples, and the number of samples.
    """
    session = _session()
    state = {name: np.zeros((1, 1, 128), dtype=np.float32) for name in ("h", "c")}
    context = np.zeros(_CONTEXT, dtype=np.float32)
    answers: list[Samples] = []
    done = 0
    total_ms = speech_duration_ms(path)
    for _, block in iter_speech(path, FRAME * _BLOCK_FRAMES / SPEECH_RATE_HZ):
        frames = np.zeros((-(-block.size // FRAME), FRAME), dtype=np.float32)
        frames.reshape(-1)[: block.size] = block
        contexts = np.vstack([context, frames[:-1, -_CONTEXT:]])
        context = frames[-1, -_CONTEXT:].copy()
        inputs = {"input": np.hstack([contexts, frames]), **state}
        values, state["h"], state["c"] = session.run(["speech_probs", "hn", "cn"], inputs)
        answers.append(np.asarray(values, dtype=np.float32).reshape(-1))
        done += block.size
        progress(min(1.0, _ms(done) / max(1, total_ms)), "listening for speech")
    progress(1.0, "listening for speech")
    return np.concatenate(answers) if answers else np.zeros(0, dtype=np.float32), done


@lru_cache(maxsize=1)
def _session() -> Any:
    # The "sequence" export gives the same probabilities as the streaming model, some ten times faster.
    return import_speech_library("silero_vad").load_silero_vad(sequence=True).session


def _ms(samples: int) -> int:
    return samples * 1000 // SPEECH_RATE_HZ
