"""Stage *transcribe*: what is said."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from earwitness.audio.facts import Preprocessed
from earwitness.engines.engine import EngineUse
from earwitness.engines.supervisor import run_supervised
from earwitness.money.paying import account_of, with_receipts
from earwitness.settings import TranscribeSettings
from earwitness.speech.segments import Transcribed
from earwitness.speech.transcribe import transcribe as find_words
from earwitness.tracks.facts import TracksPreprocessed
from earwitness.tracks.transcribe import transcribe_tracks
from earwitness.words.cast import Cast
from earwitness.words.naming import vocabulary
from tasks.progress import stage_progress
from tasks.stage import attempt, stage


@stage("transcribe", version="1", unkeyed=("sidecar", "time_limit_s"))
def transcribe(
    speech: Preprocessed,
    settings: TranscribeSettings,
    engine: EngineUse,
    sidecar: Path | None,
    slice_ms: tuple[int, int] | None,
    vocabulary: tuple[str, ...],
    time_limit_s: float,
) -> Transcribed:
    """Segments of text; a further try after a crash works on smaller batches."""
    smaller = settings.model_copy(update={"batch_size": max(1, settings.batch_size >> (attempt() - 1))})
    work: Callable[..., Transcribed]
    inputs: tuple[object, ...]
    if isinstance(speech, TracksPreprocessed) and engine.name != "sidecar":
        work, inputs = transcribe_tracks, (speech, smaller, engine, vocabulary)
    else:
        by_slice = partial(find_words, slice_ms=slice_ms)
        work, inputs = by_slice, (speech.speech.path, smaller, engine, sidecar, vocabulary)
    supervised: Callable[..., Transcribed] = run_supervised
    return supervised(
        "words",
        with_receipts,
        account_of("transcribe"),
        work,
        *inputs,
        timeout_s=time_limit_s,
        progress=stage_progress("transcribe"),
    )


def vocabulary_for(engine: EngineUse, cast: Cast | None) -> tuple[str, ...]:
    """Names for an engine that listens for them; any other must not be run again because a name changed."""
    return tuple(vocabulary(cast)) if cast and engine.name in {"whisperx", "openai", "assemblyai"} else ()
