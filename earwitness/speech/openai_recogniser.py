"""Recognition by a hosted service that speaks OpenAI's transcription protocol: OpenAI itself, or a server of yours.

Reference: https://platform.openai.com/docs/api-reference/audio/createTranscription. An upload may have 25 MB, and the
gpt-4o models stop at 25 minutes and give no times; pieces are cut at silence well below both.
"""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earwitness.engines.hub import Availability
from earwitness.engines.peek import literal
from earwitness.errors import EarwitnessError, EngineFailed, EngineUnavailable, ServiceUnavailable
from earwitness.money.paying import Answer, Charge
from earwitness.money.prices import Usage
from earwitness.progress import Progress, no_progress
from earwitness.services.calls import call_once
from earwitness.services.hosted import asked_to_wait, may_be_asked
from earwitness.settings import TranscribeSettings
from earwitness.spans import Span
from earwitness.speech.heard import Heard
from earwitness.speech.hosted import MOST_NAMES, alone, number_of, text_of, write_piece
from earwitness.speech.languages import LanguageSample, majority, spread
from earwitness.speech.segments import Segment, SkippedSpan
from earwitness.speech.windows import listening_windows

SERVICE = "OpenAI transcription"
ADDRESS = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"
CLIENT_VERSION = "2"
"""Raise it when the same answers give other segments."""
PIECE_MS = 10 * 60_000
"""FLAC of so much speech has at most 19.2 MB, even where it is noise."""
PIECE_WITHOUT_TIMES_MS = 30_000
"""The aligner then knows to half a minute where words are."""
_JOIN_MS = 15_000
_TIMEOUT_S = 600.0
_RETRIES = 2
"""Of a single call, each out of the budget; the stage's own retries come on top."""
_SAMPLES = 3
_NO_TIMES = ("gpt-4o", "gpt-audio")


def address_of(settings: TranscribeSettings) -> str:
    """Where the service is: the setting, else `$OPENAI_BASE_URL`, else OpenAI."""
    return (settings.base_url or os.environ.get("OPENAI_BASE_URL") or ADDRESS).rstrip("/")


def find_service(settings: TranscribeSettings) -> Availability:
    """Can the service be asked at all? Calls nobody: a try would be paid for."""
    return may_be_asked(
        address_of(settings),
        setting="transcribe.base_url",
        makers={ADDRESS},
        key=KEY,
        has_key=bool(os.environ.get(KEY)),
        sent="the speech",
    )


def recognise(
    speech: Path,
    spans: Sequence[Span],
    settings: TranscribeSettings,
    vocabulary: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Heard:
    """Words as the service hears them. Each piece is paid for once, also if the run is killed in between.

    Args:
        speech: 16 kHz mono file.
        spans: voice activity in ms; longer silences are not sent.
        settings: model, language, address.
        vocabulary: names and rare words, given as the prompt.
        progress: told after every piece.

    Returns:
        segments, pieces of speech without words, and the language: that of most of three pieces, from the first to
        the last, which are asked for their own; all others are heard in it.

    Raises:
        EngineUnavailable: the service refuses: key, credit, model.
        EngineFailed: it can't take this recording.
        ServiceUnavailable: it is down or overrun.
    """
    timed = not settings.hosted_model.startswith(_NO_TIMES)
    windows = listening_windows(speech, spans, PIECE_MS if timed else PIECE_WITHOUT_TIMES_MS, join_ms=_JOIN_MS)
    client = _client(settings)
    answers: dict[int, Answer] = {}
    samples: list[LanguageSample] = []

    def ask(number: int, language: str | None) -> None:
        answers[number] = _ask(client, speech, windows[number], settings, timed, language, vocabulary)
        progress(len(answers) / len(windows), f"{SERVICE}: {len(answers)} of {len(windows)}")

    if not settings.language and timed:
        # a recording may begin with music, or with a word in another language
        for number in spread(len(windows), _SAMPLES):
            ask(number, None)
            if _segments(answers[number], *windows[number]) and (code := _code(answers[number].get("language"))):
                samples.append(LanguageSample(*windows[number], code))
    language = settings.language or (majority(samples)[0] if samples else None)
    for number in range(len(windows)):
        if number not in answers:
            ask(number, language)
    segments: list[Segment] = []
    skipped: list[SkippedSpan] = []
    for number, (start, end) in enumerate(windows):
        found = _segments(answers[number], start, end)
        segments += found
        if not found:
            skipped.append(SkippedSpan(start_ms=start, end_ms=end, reason="no words recognised in this speech"))
    return Heard(segments, skipped, language or "und", samples, [])


def hear_again(
    speech: Path, stretches: Sequence[Span], _spans: Sequence[Span], settings: TranscribeSettings, language: str
) -> list[Segment]:
    """What the service hears in stretches that it is sent by themselves, without names to expect. Paid for.

    Args:
        speech: 16 kHz mono file.
        stretches: in ms.
        settings: as for `recognise`.
        language: of the recording; "und" where nobody knows.

    Raises:
        EarwitnessError: as `recognise`.
    """
    timed = not settings.hosted_model.startswith(_NO_TIMES)
    known = language if language != "und" else None
    client = _client(settings)
    return [
        segment
        for window in alone(speech, stretches)
        for segment in _segments(_ask(client, speech, window, settings, timed, known, ()), *window)
    ]


def _client(settings: TranscribeSettings) -> Any:
    from openai import OpenAI

    # a server of one's own often needs no key, the SDK always does
    key = os.environ.get(KEY) or "none"
    return OpenAI(api_key=key, base_url=address_of(settings), max_retries=0, timeout=_TIMEOUT_S)


def _ask(
    client: Any,
    speech: Path,
    window: Span,
    settings: TranscribeSettings,
    timed: bool,
    language: str | None,
    vocabulary: Sequence[str],
) -> Answer:
    import httpx
    import openai

    sound = io.BytesIO()
    digest = write_piece(speech, window, sound)
    parameters: dict[str, Any] = {
        "model": settings.hosted_model,
        "response_format": "verbose_json" if timed else "json",
        "temperature": 0,
    }
    if language:
        parameters["language"] = language
    if vocabulary:
        parameters["prompt"] = ", ".join(vocabulary[:MOST_NAMES])
    request = {"address": address_of(settings), **parameters, "audio": digest}

    def ask() -> Answer:
        try:
            file = ("speech.flac", sound.getvalue())
            return _usable(client.audio.transcriptions.create(file=file, **parameters), timed)
        # what the SDK lets through: an answer that is cut off or is no JSON, and what _usable finds
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServiceUnavailable(
                f"The answer of {SERVICE} is no transcript ({type(error).__name__}: {error}).",
                "Try again; if it happens again, check transcribe.base_url.",
                service=SERVICE,
            ) from error

    try:
        return call_once(SERVICE, request, ask, _charge(settings, window), tries=1 + _RETRIES)
    except openai.OpenAIError as error:
        raise _explained(error, settings) from error


def _charge(settings: TranscribeSettings, window: Span) -> Charge:
    def metered(answer: Answer) -> Usage | None:
        seconds = answer.get("metered_s")
        return Usage(audio_ms=round(seconds * 1000)) if seconds else None

    sent = Usage(audio_ms=window[1] - window[0] + 1000)  # in case it rounds up
    return Charge(SERVICE, address_of(settings), (settings.hosted_model,), sent, metered)


def _metered_s(found: dict[str, Any]) -> float | None:
    """Seconds of sound that are charged for, where the answer says so."""
    usage = found.get("usage")
    told = usage.get("seconds") if isinstance(usage, dict) else None
    told = found.get("duration") if told is None else told
    return number_of(told) if isinstance(told, int | float) else None


def _usable(answer: Any, timed: bool) -> Answer:
    """The parts that are read, checked: the SDK believes whatever comes."""
    found = answer.model_dump()
    rows = found.get("segments") if timed else None
    return {
        "text": text_of(found["text"]),
        "language": found.get("language"),
        "metered_s": _metered_s(found),
        "segments": [
            {
                "start": number_of(row["start"]),
                "end": number_of(row["end"]),
                "text": text_of(row["text"]),
                "avg_logprob": number_of(row.get("avg_logprob", 0.0)),
            }
            for row in rows or []
        ],
    }


def _segments(answer: Answer, start: int, end: int) -> list[Segment]:
    segments = []
    for row in answer["segments"]:
        first, last = start + round(row["start"] * 1000), start + round(row["end"] * 1000)
        first, last = min(max(first, start), end), min(max(last, start), end)
        if row["text"] and first < last:
            confidence = round(math.exp(min(0.0, row["avg_logprob"])), 3)
            segments.append(Segment(text=row["text"], start_ms=first, end_ms=last, confidence=confidence))
    if not segments and answer["text"]:
        segments.append(Segment(text=answer["text"], start_ms=start, end_ms=end))
    return segments


def _code(language: Any) -> str | None:
    """ISO 639-1; the service says "english"."""
    if not isinstance(language, str) or not language:
        return None
    names = literal("whisperx", "utils.py", "LANGUAGES") or {}
    said = language.lower()
    return said if said in names else next((code for code, name in names.items() if name == said), None)


def _explained(error: Exception, settings: TranscribeSettings) -> EarwitnessError:
    import openai

    said = getattr(error, "message", None) or str(error)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return EngineUnavailable(
            f"{SERVICE} refuses the key ({said}).", "Check OPENAI_API_KEY, or choose another transcribe.engine."
        )
    if isinstance(error, openai.NotFoundError):
        return EngineUnavailable(
            f"{SERVICE} knows no model {settings.hosted_model!r} ({said}).",
            "Set transcribe.hosted_model to one that the service has, e.g. whisper-1.",
        )
    if isinstance(error, openai.RateLimitError) and getattr(error, "code", None) == "insufficient_quota":
        return EngineUnavailable(
            f"The account at {SERVICE} has no credit left ({said}).",
            "Top it up, then run again: what was paid for is kept. Or choose another transcribe.engine.",
        )
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status < 500 and status not in {408, 409, 429}:
        return EngineFailed(f"{SERVICE} can't take this ({status}: {said}).", "Choose another transcribe.engine.")
    return ServiceUnavailable(
        f"{SERVICE} can't be used now ({type(error).__name__}: {said}).",
        "Run again later: what was paid for is kept.",
        service=SERVICE,
        **asked_to_wait(getattr(error, "response", None)),
    )
