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
from earwitness.progress import Progress, no_progress, part_of
from earwitness.settings import TranscribeSettings
from earwitness.spans import Span
from earwitness.speech.heard import Heard
from earwitness.speech.languages import LanguageSample, majority
from earwitness.speech.segments import Segment, SkippedSpan
from earwitness.speech.windows import listening_windows

WINDOW_MS = 30 * 60 * 1000
"""Held in memory at once: 115 MB of float32."""
CHUNK_S = 30
_MOST_HOTWORDS = 60
_SAMPLES = 5
AGAIN_MS = 10_000
"""Windows of a second hearing: a third of the first, cut elsewhere, so that what led the model astray is not there."""
_WIDER_BEAM = 10
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
) -> Heard:
    """Words of a recording of any length, by Whisper.

    Args:
        speech: 16 kHz mono file.
        spans: voice activity in ms; nothing else is listened to.
        settings: model, language, device, arithmetic, batch size.
        vocabulary: names and rare words that may be said.
        progress: told after every chunk.

    Returns:
        segments, chunks of speech without words, and the language: detected once for the whole recording (a language
        detected anew for every chunk jumps about), by several samples of it (the first half minute is often music).

    Raises:
        EngineUnavailable: the model can't be loaded.
    """
    segments: list[Segment] = []
    skipped: list[SkippedSpan] = []
    if not spans:
        return Heard(segments, skipped, settings.language or "und", [], [])
    vad = _known_speech()
    pipeline = _pipeline(settings, vocabulary, vad)
    samples = [] if settings.language else _sample_languages(pipeline.model, speech, spans)
    language = settings.language or majority(samples)[0]
    windows = _windows(listening_windows(speech, spans, CHUNK_S * 1000 - 500, join_ms=0))
    for number, window in enumerate(windows):
        start, end = window[0][0], window[-1][1]
        sound = read_speech(speech, start, end)
        vad.spans = [((a - start) / 1000, (b - start) / 1000) for a, b in window]
        report = part_of(progress, number / len(windows), (number + 1) / len(windows))
        with contextlib.redirect_stdout(sys.stderr):
            result = pipeline.transcribe(
                sound,
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
    return Heard(segments, skipped, language, samples, [])


def hear_again(
    speech: Path, stretches: Sequence[Span], spans: Sequence[Span], settings: TranscribeSettings, language: str
) -> list[Segment]:
    """What Whisper hears in stretches when it listens otherwise: shorter windows, a wider beam, no names to expect.

    Never by chance: at a temperature above 0 the same recording would give another transcript each time.

    Args:
        speech: 16 kHz mono file.
        stretches: to hear, in ms.
        spans: voice activity in ms: outside of it there is nothing to hear.
        settings: model, device, arithmetic.
        language: of the recording.
    """
    return hear_otherwise(_load(settings.model, *_device(settings)), speech, stretches, spans, language)


def hear_otherwise(
    model: Any, speech: Path, stretches: Sequence[Span], spans: Sequence[Span], language: str
) -> list[Segment]:
    """As `hear_again`, by a model of faster-whisper that is loaded already."""
    segments = []
    for stretch in stretches:
        inside = [(max(a, stretch[0]), min(b, stretch[1])) for a, b in spans if a < stretch[1] and b > stretch[0]]
        for start, end in listening_windows(speech, inside, AGAIN_MS, join_ms=0):
            rows, _ = model.transcribe(
                read_speech(speech, start, end),
                language=language,
                beam_size=_WIDER_BEAM,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
            )
            heard = [row for row in rows if row.text.strip()]
            if heard:
                confidence = min(math.exp(min(0.0, row.avg_logprob)) for row in heard)
                text = " ".join(" ".join(row.text for row in heard).split())
                segments.append(Segment(text=text, start_ms=start, end_ms=end, confidence=round(confidence, 3)))
    return segments


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
    device, compute = _device(settings)
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


def _device(settings: TranscribeSettings) -> tuple[str, str]:
    import torch

    cuda = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
    compute = settings.compute_type if settings.compute_type != "auto" else "float16" if cuda else "int8"
    return "cuda" if cuda else "cpu", compute


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


def _sample_languages(model: Any, speech: Path, spans: Sequence[Span]) -> list[LanguageSample]:
    """The language of half a minute of speech at a time, from the beginning to the end of the recording."""
    if not model.model.is_multilingual:
        return [LanguageSample(spans[0][0], spans[-1][1], "en")]
    total, length = sum(end - start for start, end in spans), CHUNK_S * 1000
    count = min(_SAMPLES, max(1, total // length))
    samples = []
    for number in range(count):
        pieces = _speech_from(spans, (total - length) * number // max(1, count - 1), length)
        sound = np.concatenate([read_speech(speech, start, end) for start, end in pieces])
        language, certainty, _ = model.detect_language(audio=sound)
        samples.append(LanguageSample(pieces[0][0], pieces[-1][1], str(language), round(float(certainty), 3)))
    return samples


def _speech_from(spans: Sequence[Span], skip_ms: int, length_ms: int) -> list[Span]:
    """Parts of spans that hold `length_ms` of speech (less at the end), after `skip_ms` of it."""
    pieces = []
    skip, missing = max(0, skip_ms), length_ms
    for start, end in spans:
        if skip >= end - start:
            skip -= end - start
            continue
        until = min(end, start + skip + missing)
        pieces.append((start + skip, until))
        missing -= until - start - skip
        skip = 0
        if missing <= 0:
            break
    return pieces
