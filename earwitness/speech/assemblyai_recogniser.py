"""Recognition by AssemblyAI, through its SDK: words with times and confidences, from a service that is paid for.

Reference: https://www.assemblyai.com/docs/api-reference/transcripts. Sound is uploaded, a transcript of it is ordered,
and the order is asked for until it is done. An upload may have 2.2 GB, a transcript 5 GB and 10 hours; pieces are cut
at silence well below that. Who speaks is not asked for: our own diarization hears that, and it would cost more.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from earwitness.engines.hub import Availability
from earwitness.errors import EarwitnessError, EngineFailed, EngineUnavailable, ServiceUnavailable
from earwitness.money.paying import Answer, Charge
from earwitness.money.prices import Usage
from earwitness.progress import Progress, no_progress
from earwitness.services.breaker import is_outage
from earwitness.services.calls import OrderGone, order_once
from earwitness.services.hosted import asked_to_wait, may_be_asked
from earwitness.settings import TranscribeSettings
from earwitness.spans import Span
from earwitness.speech.heard import Heard
from earwitness.speech.hosted import MOST_NAMES, alone, number_of, text_of, write_piece
from earwitness.speech.languages import LanguageSample, majority
from earwitness.speech.segments import RoughWord, Segment, SkippedSpan
from earwitness.speech.windows import listening_windows
from earwitness.storage.store import workspace

SERVICE = "AssemblyAI"
ADDRESS = "https://api.assemblyai.com"
KEY = "ASSEMBLYAI_API_KEY"
CLIENT_VERSION = "1"
"""Raise it when the same answers give other segments."""
PIECE_MS = 60 * 60_000
"""FLAC of so much speech has at most 115 MB; what fails is sent again, so pieces are no longer than they need be."""
_JOIN_MS = 60_000
_TIMEOUT_S = 600.0
_TRIES = 3
"""Of a single request; the stage's own retries come on top."""
_LONGEST_PAUSE_S = 60.0
_POLL_S = 3.0
_PATIENCE_S = 2 * 3600.0
_RECENT = 100
_MOST_WORDS = 6
"""In a name that is sent along; the service refuses longer ones."""
_SENTENCE_END = (".", "?", "!", "。", "？", "！")
_PAUSE_MS = 1_200
_LONGEST_SEGMENT_MS = 30_000
_NOBODY = re.compile(r"no spoken audio|does not (appear to )?contain (any )?speech", re.IGNORECASE)
_OURS_TO_REPEAT = re.compile(r"server error|internal|download error|timed? ?out|try again|temporar", re.IGNORECASE)
_NO_CREDIT = re.compile(r"balance|credit|top up|payment", re.IGNORECASE)

T = TypeVar("T")

_log = logging.getLogger(__name__)


def address_of(settings: TranscribeSettings) -> str:
    """Where the service is: the setting, else `$ASSEMBLYAI_BASE_URL`, else its servers in the United States."""
    return (settings.base_url or os.environ.get("ASSEMBLYAI_BASE_URL") or ADDRESS).rstrip("/")


def find_service(settings: TranscribeSettings) -> Availability:
    """Can the service be asked at all? Calls nobody."""
    if find_spec("assemblyai") is None:
        return Availability(ok=False, why="the package assemblyai is not installed")
    if not os.environ.get(KEY):
        return Availability(ok=False, why=f"{KEY} is not set")
    return may_be_asked(
        address_of(settings), setting="transcribe.base_url", makers={ADDRESS}, key=KEY, has_key=True, sent="the speech"
    )


def recognise(
    speech: Path,
    spans: Sequence[Span],
    settings: TranscribeSettings,
    vocabulary: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Heard:
    """Words as the service hears them. Each piece is paid for once, also if the run is killed while it waits.

    Args:
        speech: 16 kHz mono file.
        spans: voice activity in ms; silences of more than a minute are not sent.
        settings: models, language, address.
        vocabulary: names that may be said.
        progress: told after every piece.

    Returns:
        sentences with their words, pieces of speech without words, and the language that most pieces are in: every
        piece is asked for its own.

    Raises:
        EngineUnavailable: the service refuses: key, credit.
        EngineFailed: it can't take this recording.
        ServiceUnavailable: it is down, overrun, or takes too long.
    """
    segments: list[Segment] = []
    skipped: list[SkippedSpan] = []
    samples: list[LanguageSample] = []
    warnings: list[str] = []
    client = _client(settings)
    windows = listening_windows(speech, spans, PIECE_MS, join_ms=_JOIN_MS)
    for number, window in enumerate(windows, 1):
        answer = _ask(client, speech, window, settings, settings.language, _terms(vocabulary))
        found = _segments(answer, window)
        segments += found
        if not found:
            skipped.append(
                SkippedSpan(start_ms=window[0], end_ms=window[1], reason="no words recognised in this speech")
            )
        elif not settings.language and answer["language"]:
            samples.append(LanguageSample(*window, answer["language"], answer["language_confidence"]))
        if settings.delete_hosted:
            warnings += _delete(client, answer["order"])
        progress(number / len(windows), f"{SERVICE}: {number} of {len(windows)}")
    return Heard(segments, skipped, settings.language or majority(samples)[0], samples, warnings)


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
    client = _client(settings)
    known = language if language != "und" else None
    segments = []
    for window in alone(speech, stretches):
        answer = _ask(client, speech, window, settings, known, [])
        segments += _segments(answer, window)
        if settings.delete_hosted:
            _delete(client, answer["order"])
    return segments


def _client(settings: TranscribeSettings) -> Any:
    import assemblyai

    # every setting is given: the SDK would read others from the environment
    known = assemblyai.Settings(
        api_key=os.environ.get(KEY) or "none", base_url=address_of(settings), http_timeout=_TIMEOUT_S
    )
    return assemblyai.Client(settings=known)


def _terms(vocabulary: Sequence[str]) -> list[str]:
    names = dict.fromkeys(" ".join(name.split()) for name in vocabulary)
    return [name for name in names if name and len(name.split()) <= _MOST_WORDS][:MOST_NAMES]


def _ask(
    client: Any, speech: Path, window: Span, settings: TranscribeSettings, language: str | None, terms: list[str]
) -> Answer:
    import assemblyai
    import httpx

    wanted: dict[str, Any] = {"speech_models": list(settings.assemblyai_models)}
    wanted |= {"language_code": language} if language else {"language_detection": True}
    if terms:
        wanted["keyterms_prompt"] = terms
    with workspace("assemblyai") as folder:
        piece = Path(folder) / "speech.flac"
        request = {"address": address_of(settings), **wanted, "audio": write_piece(speech, window, piece)}
        try:
            return order_once(
                SERVICE,
                request,
                lambda: _order(client, piece, assemblyai.TranscriptionConfig(**wanted)),
                lambda number: _collect(client, number),
                _charge(settings, window),
            )
        except OrderGone as gone:
            raise _given_up(str(gone)) from gone
        except (assemblyai.types.AssemblyAIError, httpx.HTTPError) as error:
            raise _explained(error, client) from error
        # what the SDK lets through: an answer that is cut off, is no JSON, or lacks what it should have
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServiceUnavailable(
                f"The answer of {SERVICE} is no transcript ({type(error).__name__}).",
                "Try again; if it happens again, check transcribe.base_url.",
                service=SERVICE,
            ) from error


def _charge(settings: TranscribeSettings, window: Span) -> Charge:
    def metered(answer: Answer) -> Usage | None:
        seconds = answer.get("metered_s")
        return None if seconds is None else Usage(audio_ms=round(seconds * 1000))

    sent = Usage(audio_ms=window[1] - window[0] + 1000)  # in case it rounds up
    return Charge(SERVICE, address_of(settings), settings.assemblyai_models, sent, metered)


def _order(client: Any, piece: Path, config: Any) -> str:
    """Upload a piece and order its transcript; the order's number."""
    import assemblyai
    import httpx

    transcriber = assemblyai.Transcriber(client=client, config=config)
    address = _patiently(client, lambda: text_of(transcriber.upload_file(str(piece))))

    def refused(error: Exception) -> bool:
        return isinstance(error, httpx.ConnectError) or getattr(error, "status_code", None) in {429, 503}

    try:
        # only what was surely not ordered is ordered once more
        return _patiently(client, lambda: text_of(transcriber.submit(address).id), refused)
    except (assemblyai.types.AssemblyAIError, httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        unreadable = not isinstance(error, assemblyai.types.AssemblyAIError | httpx.HTTPError)
        lost = unreadable or (is_outage(error) and not refused(error))
        if lost and (number := _number_of(transcriber, address)):
            _log.warning("the answer to an order was lost (%s), but %s has it", type(error).__name__, SERVICE)
            return number
        raise


def _number_of(transcriber: Any, address: str) -> str | None:
    """The order for an upload, if the service took one: its answer may have been lost on the way."""
    import assemblyai
    import httpx

    try:
        recent = transcriber.list_transcripts(assemblyai.types.ListTranscriptParameters(limit=_RECENT))
    except (assemblyai.types.AssemblyAIError, httpx.HTTPError, ValueError, KeyError, TypeError):
        return None  # the first failure is the one to tell
    return next((str(item.id) for item in recent.transcripts if item.audio_url == address), None)


def _collect(client: Any, number: str) -> Answer:
    """Wait for a transcript.

    Raises:
        OrderGone: it failed, which costs nothing, or nobody knows it.
    """
    import assemblyai
    from assemblyai import api

    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            found = _patiently(client, lambda: api.get_transcript(client.http_client, number))
        except assemblyai.types.TranscriptError as error:
            if error.status_code == 404 or (error.status_code == 400 and "not found" in str(error)):
                raise OrderGone(_said(error)) from error
            raise
        if found.status == assemblyai.types.TranscriptStatus.completed:
            return _usable(found, number)
        if found.status == assemblyai.types.TranscriptStatus.error:
            if _NOBODY.search(found.error or ""):
                nothing: Answer = {"text": "", "language": None, "language_confidence": 0.0, "words": []}
                return {"order": number, "metered_s": 0.0, **nothing}  # what fails is not charged
            raise OrderGone(found.error or "no reason given")
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"{SERVICE} has been working on a transcript for {_PATIENCE_S / 3600:.0f} hours.",
                "Run again later: the same order is asked for, nothing is ordered anew.",
                service=SERVICE,
            )
        time.sleep(_POLL_S)


def _usable(found: Any, number: str) -> Answer:
    """The parts that are read, checked."""
    said = getattr(found.language_code, "value", found.language_code)
    return {
        "order": number,
        "metered_s": number_of(found.audio_duration) if found.audio_duration else None,
        "text": text_of(found.text or ""),
        "language": re.split(r"[_-]", said)[0].lower() if isinstance(said, str) and said else None,
        "language_confidence": number_of(found.language_confidence if found.language_confidence is not None else 1.0),
        "words": [
            [text_of(word.text), number_of(word.start), number_of(word.end), number_of(word.confidence)]
            for word in found.words or []
        ],
    }


def _patiently(client: Any, call: Callable[[], T], again: Callable[[Exception], bool] = is_outage) -> T:
    """Call, and call again after a pause where that may help: as long as the service asks for, within reason."""
    import stamina

    def pause(error: Exception) -> bool | float:
        if not again(error):
            return False
        wait_s = asked_to_wait(client.last_response).get("retry_after_s") if hasattr(error, "status_code") else None
        return True if wait_s is None else wait_s if wait_s <= _LONGEST_PAUSE_S else False

    return stamina.RetryingCaller(attempts=_TRIES, timeout=None, wait_initial=1.0, wait_max=20.0).on(pause)(call)


def _segments(answer: Answer, window: Span) -> list[Segment]:
    """Sentences, cut at long pauses as well; times are those of the recording."""
    start, end = window
    words = []
    at = start
    for text, first, last, confidence in answer["words"]:
        if text:
            at = min(max(at, start + round(first)), end - 1)  # never before the word that was said first
            until = min(max(at + 1, start + round(last)), end)
            words.append(RoughWord(text=text, start_ms=at, end_ms=until, score=min(1.0, max(0.0, confidence))))
    if not words:
        return [Segment(text=answer["text"], start_ms=start, end_ms=end)] if answer["text"] else []
    segments: list[Segment] = []
    sentence: list[RoughWord] = []
    for number, word in enumerate(words):
        sentence.append(word)
        after = words[number + 1] if number + 1 < len(words) else None
        if after is None or _ends(sentence, after):
            segments.append(_sentence(sentence))
            sentence = []
    return segments


def _ends(sentence: list[RoughWord], after: RoughWord) -> bool:
    first, last, following = sentence[0].start_ms or 0, sentence[-1].end_ms or 0, after
    return (
        sentence[-1].text.endswith(_SENTENCE_END)
        or (following.start_ms or 0) - last > _PAUSE_MS
        or (following.end_ms or 0) - first > _LONGEST_SEGMENT_MS
    )


def _sentence(words: list[RoughWord]) -> Segment:
    return Segment(
        text=" ".join(word.text for word in words),
        start_ms=words[0].start_ms,
        end_ms=max(word.end_ms or 0 for word in words),
        confidence=round(sum(word.score or 0.0 for word in words) / len(words), 3),
        words=words,
    )


def _delete(client: Any, number: str) -> list[str]:
    """Have a transcript and its sound deleted; what fails is told, never a reason to lose the words."""
    import assemblyai
    import httpx
    from assemblyai import api

    try:
        _patiently(client, lambda: api.delete_transcript(client.http_client, number))
    except (assemblyai.types.AssemblyAIError, httpx.HTTPError, ValueError) as error:
        return [f"{SERVICE} could not be made to delete a transcript ({_said(error)}): see its dashboard."]
    return []


def _said(error: Exception) -> str:
    """What the service said, without the address of the upload that the SDK puts before it."""
    return str(error).split(": ", 1)[-1].strip() or type(error).__name__


def _given_up(said: str) -> EarwitnessError:
    if _OURS_TO_REPEAT.search(said):
        return ServiceUnavailable(
            f"{SERVICE} failed to make a transcript ({said}).",
            "Run again later: what failed is not charged.",
            service=SERVICE,
        )
    return EngineFailed(f"{SERVICE} can't transcribe this ({said}).", "Choose another transcribe.engine.")


def _explained(error: Exception, client: Any) -> EarwitnessError:
    said, status = _said(error), getattr(error, "status_code", None)
    if status in {401, 403}:
        return EngineUnavailable(
            f"{SERVICE} refuses the key ({said}).", f"Check {KEY}, or choose another transcribe.engine."
        )
    if status == 402 or (status == 400 and _NO_CREDIT.search(said)):
        return EngineUnavailable(
            f"The account at {SERVICE} has no credit left ({said}).",
            "Top it up, then run again: what was paid for is kept. Or choose another transcribe.engine.",
        )
    if isinstance(status, int) and status < 500 and not is_outage(error):
        return EngineFailed(
            f"{SERVICE} can't take this ({status}: {said}).",
            "Check transcribe.assemblyai_models and transcribe.language, or choose another transcribe.engine.",
        )
    return ServiceUnavailable(
        f"{SERVICE} can't be used now ({type(error).__name__}: {said}).",
        "Run again later: what was paid for is kept.",
        service=SERVICE,
        **(asked_to_wait(client.last_response) if status else {}),
    )
