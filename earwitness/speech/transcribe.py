"""Finding the words of a recording: in a transcript beside it, or by recognising them."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from earwitness.engines.engine import EngineUse
from earwitness.engines.weights import weights_id
from earwitness.errors import EngineUnavailable
from earwitness.options import TranscribeSettings
from earwitness.progress import Progress, no_progress, part_of
from earwitness.speech.doubts import find_doubts
from earwitness.speech.segments import Segment, Transcribed
from earwitness.storage.store import sha256_file

READER_VERSION = "1"
"""Of the transcript reader: raise it when the same file gives other segments."""

_COMMON = {
    "en": "the and to of a in that it is you was for on we i have but not they with this are what so",
    "de": "der die und das ist nicht ich zu wir ein es auch in mit den auf so sie dass eine war haben wie",
    "fr": "le la les et de des est un une que je pas pour vous dans nous qui ce il sur avec mais on ne",
    "es": "el la los y de que en es un una no por con para se lo como pero las del yo me más muy",
    "it": "il la di che è un una non per sono con come ma lo si gli le della anche questo più mi ho",
    "nl": "de het een en van ik is dat niet je in wat we zijn op te met voor maar er aan ook nog als",
    "pt": "o a os e de que não um uma em para com é por mas como se na no do da eu você isso",
}


def choose_recogniser(settings: TranscribeSettings, sidecar: Path | None) -> EngineUse:
    """The engine to use, without loading anything heavy.

    Args:
        settings: `auto` takes the transcript if there is one, then whisperX, then the bundled recogniser; `whisperx`
            never falls back.
        sidecar: the transcript that was given or found beside the recording.

    Raises:
        EngineUnavailable: the engine that was asked for can't run here; lists what was tried.
    """
    from earwitness.speech.whisper_recogniser import find_model, whisperx_version

    if settings.engine == "sidecar" and sidecar is None:
        raise EngineUnavailable(
            "transcribe.engine is sidecar, but no transcript was given and none lies beside the recording.",
            "Give one with --transcript, or put it beside the recording with the same name (.srt, .vtt, .stm, .json, "
            ".jsonl, .txt).",
        )
    if sidecar is not None and settings.engine in {"auto", "sidecar"}:
        try:
            digest = sha256_file(sidecar)
        except OSError as error:
            raise EngineUnavailable(
                f"The transcript {sidecar} can't be read ({error.strerror or error}).",
                "Check the path and its permissions.",
            ) from error
        return EngineUse(name="sidecar", version=READER_VERSION, model=digest, reason=f"transcript {sidecar.name}")
    if settings.engine == "bundled":
        return _bundled(reason="asked for")
    if settings.engine == "openai":
        return _hosted(settings)
    found = find_model(settings.model)
    if found.ok:
        return EngineUse(
            name="whisperx", version=whisperx_version(), model=weights_id(settings.model), reason=found.why
        )
    if settings.engine == "whisperx":
        raise EngineUnavailable(
            f"whisperX can't run here. Tried: {found.why}.",
            "Fetch the model once while online, set transcribe.model to a folder with a CTranslate2 model, "
            "give a transcript, or set transcribe.engine=auto.",
            tried=found.why,
        )
    return _bundled(reason=found.why, degraded=True)


def _hosted(settings: TranscribeSettings) -> EngineUse:
    from earwitness.speech.openai_recogniser import CLIENT_VERSION, address_of, find_service

    found = find_service(settings)
    if not found.ok:
        raise EngineUnavailable(
            f"The openai engine can't be used: {found.why}.",
            "Set OPENAI_API_KEY and, for a server of your own, transcribe.base_url; or choose another "
            "transcribe.engine.",
        )
    return EngineUse(
        name="openai",
        version=CLIENT_VERSION,
        model=f"{settings.hosted_model} at {address_of(settings)}",
        reason=found.why,
    )


def _bundled(*, reason: str, degraded: bool = False) -> EngineUse:
    from earwitness.engines.sphinx import model_id, version

    return EngineUse(name="bundled", version=version(), model=model_id(), degraded=degraded, reason=reason)


def transcribe(
    speech: Path,
    settings: TranscribeSettings,
    engine: EngineUse,
    sidecar: Path | None = None,
    vocabulary: Sequence[str] = (),
    progress: Progress = no_progress,
    slice_ms: tuple[int, int] | None = None,
) -> Transcribed:
    """The segments of a recording, with voice activity and doubts.

    Args:
        speech: 16 kHz mono file.
        settings: of this stage.
        engine: from `choose_recogniser`.
        sidecar: the transcript, where the engine is one.
        vocabulary: names and rare words, for engines that can use them.
        progress: told as the work goes on.
        slice_ms: the part of the recording that `speech` holds, while the transcript is of the whole.

    Raises:
        BadTranscript: the transcript can't be read.
        EngineUnavailable: the model can't be loaded, or a service refuses.
        ServiceUnavailable: a service is down or overrun.
    """
    from earwitness.speech.voice_activity import speech_spans

    if engine.name == "sidecar":
        from earwitness.speech.sidecar import read_transcript_file, within_slice

        if sidecar is None:
            raise EngineUnavailable("The engine is sidecar, but there is no transcript.", "Give one with --transcript.")
        file = read_transcript_file(sidecar)
        segments, warnings = file.segments, list(file.repairs)
        if slice_ms is not None:
            segments = within_slice(segments, slice_ms)
            if any(segment.start_ms is None for segment in segments):
                warnings.append(
                    "The transcript has no times, so all of it was looked for in the part that was asked for."
                )
        spans = speech_spans(speech, progress)
        return Transcribed(
            engine=engine,
            language=settings.language or file.language or guess_language(file.segments),
            segments=segments,
            speech_spans=spans,
            doubts=find_doubts(segments, spans, recognised=False),
            warnings=warnings,
        )
    spans = speech_spans(speech, part_of(progress, 0, 0.1))
    warnings = []
    if engine.name == "whisperx":
        from earwitness.speech import whisper_recogniser

        segments, skipped, language = whisper_recogniser.recognise(
            speech, spans, settings, vocabulary, part_of(progress, 0.1, 1)
        )
    elif engine.name == "openai":
        from earwitness.speech import openai_recogniser

        segments, skipped, found = openai_recogniser.recognise(
            speech, spans, settings, vocabulary, part_of(progress, 0.1, 1)
        )
        language = found if found != "und" else guess_language(segments)
    else:
        from earwitness.speech import bundled_recogniser

        segments, skipped = bundled_recogniser.recognise(speech, spans, part_of(progress, 0.1, 1))
        language = "en"
        warnings.append(bundled_recogniser.UNRELIABLE)
        if settings.language not in {None, "en"}:
            warnings.append(f"The bundled recogniser knows only English, and the language is {settings.language!r}.")
    return Transcribed(
        engine=engine,
        language=language,
        segments=segments,
        speech_spans=spans,
        skipped=skipped,
        doubts=find_doubts(segments, spans, recognised=True),
        warnings=warnings,
    )


def guess_language(segments: Sequence[Segment]) -> str:
    """ISO 639-1 by the commonest words of a text; "und" for short or other ones."""
    counts: Counter[str] = Counter()
    total = 0
    for segment in segments[:2000]:
        for word in re.findall(r"[^\W\d_]+", segment.text.lower()):
            total += 1
            counts.update(language for language, common in _SETS.items() if word in common)
    if not counts:
        return "und"
    (best, hits), *others = counts.most_common()
    second = others[0][1] if others else 0
    return best if hits >= 3 and hits >= 0.12 * total and hits > second else "und"


_SETS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
