"""Finding the words of a recording: in a transcript beside it, or by recognising them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from earwitness.audio.pcm import speech_duration_ms
from earwitness.engines.engine import EngineUse
from earwitness.engines.hub import Availability
from earwitness.engines.weights import weights_id
from earwitness.errors import EngineUnavailable
from earwitness.progress import Progress, no_progress, part_of
from earwitness.settings import TranscribeSettings
from earwitness.spans import Span
from earwitness.speech.doubts import find_doubts, in_order
from earwitness.speech.heard import Heard
from earwitness.speech.languages import guess_language, mixed_languages
from earwitness.speech.second_hearing import VERSION as GUARDS_VERSION
from earwitness.speech.second_hearing import check_again
from earwitness.speech.segments import Segment, Transcribed
from earwitness.storage.store import sha256_file

READER_VERSION = "1"
"""Of the transcript reader: raise it when the same file gives other segments."""


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
        return _openai(settings)
    if settings.engine == "assemblyai":
        return _assemblyai(settings)
    found = find_model(settings.model)
    if found.ok:
        return EngineUse(
            name="whisperx",
            version=_guarded(whisperx_version()),
            model=weights_id(settings.model),
            reason=found.why,
        )
    if settings.engine == "whisperx":
        raise EngineUnavailable(
            f"whisperX can't run here. Tried: {found.why}.",
            "Fetch the model once while online, set transcribe.model to a folder with a CTranslate2 model, "
            "give a transcript, or set transcribe.engine=auto.",
            tried=found.why,
        )
    return _bundled(reason=found.why, degraded=True)


def _openai(settings: TranscribeSettings) -> EngineUse:
    from earwitness.speech.openai_recogniser import CLIENT_VERSION, KEY, address_of, find_service

    model = f"{settings.hosted_model} at {address_of(settings)}"
    return _service("openai", find_service(settings), KEY, CLIENT_VERSION, model)


def _assemblyai(settings: TranscribeSettings) -> EngineUse:
    from earwitness.speech.assemblyai_recogniser import CLIENT_VERSION, KEY, address_of, find_service

    model = f"{', '.join(settings.assemblyai_models)} at {address_of(settings)}"
    return _service("assemblyai", find_service(settings), KEY, CLIENT_VERSION, model)


def _service(name: str, found: Availability, key: str, version: str, model: str) -> EngineUse:
    if not found.ok:
        raise EngineUnavailable(
            f"The {name} engine can't be used: {found.why}.",
            f"Set {key} and, for a server of your own, transcribe.base_url; or choose another transcribe.engine.",
        )
    return EngineUse(name=name, version=_guarded(version), model=model, reason=found.why)


def _guarded(version: str) -> str:
    """The version of an engine whose text gets a second look: other guards may leave other text."""
    return f"{version}+guards.{GUARDS_VERSION}"


def _bundled(*, reason: str, degraded: bool = False) -> EngineUse:
    from earwitness.speech.bundled_recogniser import model_id, version

    return EngineUse(name="bundled", version=_guarded(version()), model=model_id(), degraded=degraded, reason=reason)


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
    report = part_of(progress, 0.1, 1)
    return _guarded_words(speech, spans, settings, engine, vocabulary, report)


def _guarded_words(
    speech: Path,
    spans: list[Span],
    settings: TranscribeSettings,
    engine: EngineUse,
    vocabulary: Sequence[str],
    progress: Progress,
) -> Transcribed:
    """Of the engines that invent text now and then: what looks invented is heard again."""
    recognise, hear = _ears(engine.name)
    heard = recognise(speech, spans, settings, vocabulary, part_of(progress, 0, 0.9))
    language = heard.language if heard.language != "und" else guess_language(heard.segments)
    paid = engine.name in {"openai", "assemblyai"}
    allowed = settings.hear_again == "always" or (settings.hear_again == "auto" and not paid)
    checked = check_again(
        heard.segments,
        spans,
        speech_duration_ms(speech),
        language=language,
        names=vocabulary,
        hear=(lambda stretches: hear(speech, stretches, spans, settings, language)) if allowed else None,
    )
    progress(1.0, "listening again")
    return Transcribed(
        engine=engine,
        language=language,
        segments=checked.segments,
        speech_spans=spans,
        skipped=heard.skipped,
        doubts=sorted([*checked.doubts, *mixed_languages(heard.samples, language)], key=in_order),
        warnings=[*heard.warnings, *checked.warnings],
    )


def _ears(engine: str) -> tuple[Callable[..., Heard], Callable[..., list[Segment]]]:
    """How an engine listens the first and the second time."""
    if engine == "bundled":
        from earwitness.speech import bundled_recogniser

        return bundled_recogniser.recognise, bundled_recogniser.hear_again
    if engine == "whisperx":
        from earwitness.speech import whisper_recogniser

        return whisper_recogniser.recognise, whisper_recogniser.hear_again
    if engine == "openai":
        from earwitness.speech import openai_recogniser

        return openai_recogniser.recognise, openai_recogniser.hear_again
    from earwitness.speech import assemblyai_recogniser

    return assemblyai_recogniser.recognise, assemblyai_recogniser.hear_again
