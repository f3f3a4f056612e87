"""Recognition with whisperX (faster-whisper models), in bounded windows of the recording."""

import contextlib
import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio.pcm import read_speech
from earwitness.engines.hub import Availability, fetching, model_available
from earwitness.engines.peek import literal
from earwitness.engines.quiet import import_speech_library
from earwitness.errors import EngineUnavailable
from earwitness.options import TranscribeSettings
from earwitness.progress import Progress, no_progress, part_of
from earwitness.speech.segments import Segment, SkippedSpan
from earwitness.speech.windows import listening_windows

Span = tuple[int, int]

WINDOW_MS = 30 * 60 * 1000
"""Held in memory at once: 115 MB of float32."""
CHUNK_S = 30
_MOST_HOTWORDS = 60
_PROBE = "model.bin"


def whisperx_version() -> str:
    """Of the installed package, without importing it."""
    from importlib.metadata import version

    return version("whisperx")


def find_model(model: str) -> Availability:
    """Can this Whisper model be had: a folder, in the hub's cache, or from the hub?"""
    return model_available(_hub_id(model), probe_file=_PROBE)


def _hub_id(model: str) -> str:
    names = literal("faster_whisper", "utils.py", "_MODELS") or {}
    return str(names.get(model, model))


def recognise(
    speech: Path,
    spans: Sequence[Span],
    settings: TranscribeSettings,
    vocabulary: Sequence[str] = (),
    progress: Progress = no_progress,
) -> tuple[list[Segment], list[SkippedSpan], str]:
    """Words of a recording of any length, by Whisper.

    Args:
        speech: 16 kHz mono file.
        spans: voice activity in ms; nothing else is listened to.
        settings: model, language, device, arithmetic, batch size.
        vocabulary: names and rare words that may be said.
        progress: told after every chunk.

    Returns:
        segments, chunks of speech without words, and the language (detected once for the whole recording: a language
        detected anew for every chunk jumps about).

    Raises:
        EngineUnavailable: the model can't be loaded.
    """
    segments: list[Segment] = []
    skipped: list[SkippedSpan] = []
    if not spans:
        return segments, skipped, settings.language or "und"
    vad = _known_speech()
    pipeline = _pipeline(settings, vocabulary, vad)
    language = settings.language or _detect(pipeline, speech, spans)
    windows = _windows(listening_windows(speech, spans, CHUNK_S * 1000 - 500, join_ms=0))
    for number, window in enumerate(windows):
        start, end = window[0][0], window[-1][1]
        samples = read_speech(speech, start, end)
        vad.spans = [((a - start) / 1000, (b - start) / 1000) for a, b in window]
        report = part_of(progress, number / len(windows), (number + 1) / len(windows))
        with contextlib.redirect_stdout(sys.stderr):
            result = pipeline.transcribe(
                samples,
                batch_size=settings.batch_size,
                language=language,
                task="transcribe",
                chunk_size=CHUNK_S,
                progress_callback=lambda percent, report=report: report(percent / 100, "recognising"),
            )
        for row in result["segments"]:
            first, last = start + round(row["start"] * 1000), start + round(row["end"] * 1000)
            text = " ".join(row["text"].split())
            if text:
                confidence = round(math.exp(min(0.0, row["avg_logprob"])), 3)
                segments.append(Segment(text=text, start_ms=first, end_ms=last, confidence=confidence))
            else:
                skipped.append(SkippedSpan(start_ms=first, end_ms=last, reason="no words recognised in this speech"))
    return segments, skipped, language


def _windows(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans in groups that last at most `WINDOW_MS`."""
    windows: list[list[Span]] = []
    for span in spans:
        if windows and span[1] - windows[-1][0][0] <= WINDOW_MS:
            windows[-1].append(span)
        else:
            windows.append([span])
    return windows


def _known_speech() -> Any:
    """A voice activity "model" for whisperX that says what ours found; its own would fetch code from the network."""
    vads = import_speech_library("whisperx.vads")
    segment = import_speech_library("whisperx.diarize").Segment

    class KnownSpeech(vads.Vad):  # type: ignore[name-defined,misc] # the library has no types
        def __init__(self) -> None:
            super().__init__(0.5)
            self.spans: list[tuple[float, float]] = []

        def __call__(self, audio: Any, **_: Any) -> list[Any]:
            return [segment(start, end, "UNKNOWN") for start, end in self.spans]

        @staticmethod
        def preprocess_audio(audio: Any) -> Any:
            return audio

    return KnownSpeech()


def _pipeline(settings: TranscribeSettings, vocabulary: Sequence[str], vad: Any) -> Any:
    import torch

    cuda = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
    device = "cuda" if cuda else "cpu"
    compute = settings.compute_type if settings.compute_type != "auto" else "float16" if cuda else "int8"
    asr = import_speech_library("whisperx.asr")
    model = _load(settings.model, device, compute)
    with contextlib.redirect_stdout(sys.stderr):
        return asr.load_model(
            settings.model,
            device,
            compute_type=compute,
            language=settings.language,
            model=model,
            vad_model=vad,
            asr_options={"hotwords": ", ".join(list(dict.fromkeys(vocabulary))[:_MOST_HOTWORDS]) or None},
        )


@lru_cache(maxsize=1)
def _load(model: str, device: str, compute_type: str) -> Any:
    asr = import_speech_library("whisperx.asr")
    import torch

    threads = torch.get_num_threads()  # this process's share; the machine's number of cores knows no containers
    try:
        with fetching(_hub_id(model), probe_file=_PROBE):
            return asr.WhisperModel(model, device=device, compute_type=compute_type, cpu_threads=threads)
    except (ValueError, OSError, RuntimeError) as error:
        raise EngineUnavailable(
            f"The Whisper model {model} can't be loaded ({type(error).__name__}: {error}).",
            "Fetch it once while online, set transcribe.model to a folder with a CTranslate2 model, "
            "give a transcript, or set transcribe.engine=bundled.",
        ) from error


def _detect(pipeline: Any, speech: Path, spans: Sequence[Span]) -> str:
    """The language of the first half minute of speech."""
    if not pipeline.model.model.is_multilingual:
        return "en"
    pieces, missing = [], CHUNK_S * 1000
    for start, end in spans:
        pieces.append(read_speech(speech, start, min(end, start + missing)))
        missing -= min(end - start, missing)
        if missing <= 0:
            break
    return str(pipeline.detect_language(np.concatenate(pieces)))
