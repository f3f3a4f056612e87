"""Recognition by a hosted service, against a server on loopback that speaks its protocol."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.errors import EarwitnessError, EngineFailed, EngineUnavailable, ServiceUnavailable
from earwitness.settings import TranscribeSettings
from earwitness.speech import openai_recogniser
from earwitness.speech.openai_recogniser import recognise
from earwitness.speech.transcribe import choose_recogniser
from tests.openai_server import Fault, Service, openai_server

RATE = 16_000
SPANS = [(1_000, 13_000), (40_000, 52_000)]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(openai_recogniser, "_RETRIES", 0)
    with openai_server() as running:
        yield running


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    noise = np.random.default_rng(3).normal(0, 0.1, 60 * RATE).clip(-1, 1)
    soundfile.write(tmp_path / "speech.flac", noise, RATE, subtype="PCM_16")
    return tmp_path / "speech.flac"


def settings(service: Service, **given: object) -> TranscribeSettings:
    return TranscribeSettings.model_validate({"engine": "openai", "base_url": service.address, **given})


def test_pieces_of_speech_are_sent_and_come_back_with_times(service: Service, speech: Path) -> None:
    heard = recognise(speech, SPANS, settings(service), ["Ysolde", "Brannoch"])
    assert heard.language == "en"
    assert heard.skipped == []
    assert [round(asked.seconds) for asked in service.asked] == [12, 12], "silence of half a minute is not paid for"
    assert [(s.start_ms, s.end_ms) for s in heard.segments] == [
        (start + n * 4_000, start + (n + 1) * 4_000) for start, _ in SPANS for n in range(3)
    ]
    first = service.asked[0].fields
    assert first["prompt"] == "Ysolde, Brannoch"
    assert "language" not in first
    assert first["model"] == "whisper-1"


def test_the_language_is_that_of_most_of_three_pieces(
    service: Service, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_recogniser, "PIECE_MS", 10_000)
    service.languages = ["german", "english", "english"]
    heard = recognise(speech, [(0, 60_000)], settings(service))
    assert heard.language == "en"
    assert [sample.language for sample in heard.samples] == ["de", "en", "en"]
    assert heard.samples[0].start_ms == 0
    assert heard.samples[-1].end_ms == 60_000
    given = [asked.fields.get("language") for asked in service.asked]
    assert given[:3] == [None] * 3
    assert set(given[3:]) == {"en"}
    starts = [segment.start_ms or 0 for segment in heard.segments]
    assert starts == sorted(starts)


def test_a_call_is_paid_for_once(service: Service, speech: Path) -> None:
    first = recognise(speech, SPANS, settings(service))
    assert recognise(speech, SPANS, settings(service)) == first
    assert set(service.answered.values()) == {1}
    recognise(speech, SPANS, settings(service, hosted_model="another"))
    assert len(service.asked) == 4, "another model is another question"


def test_what_was_paid_for_before_a_failure_is_kept(service: Service, speech: Path) -> None:
    recognise(speech, SPANS[:1], settings(service))
    service.faults = [Fault(503)]
    with pytest.raises(ServiceUnavailable):
        recognise(speech, SPANS, settings(service, language=None))
    recognise(speech, SPANS, settings(service))
    assert sorted(service.answered.values()) == [1, 1]


def test_an_altered_answer_is_not_believed(service: Service, speech: Path, tmp_path: Path) -> None:
    from earwitness.home import home

    expected = recognise(speech, SPANS[:1], settings(service))
    (kept,) = (home() / "calls").glob("??/*.json")
    kept.write_text(kept.read_text().replace("river", "rover"))
    assert recognise(speech, SPANS[:1], settings(service)) == expected
    assert sum(service.answered.values()) == 2


def test_models_without_times_get_short_pieces(service: Service, speech: Path) -> None:
    segments = recognise(speech, [(0, 60_000)], settings(service, hosted_model="gpt-4o-transcribe")).segments
    assert all(asked.seconds <= 30 for asked in service.asked)
    assert [asked.fields["response_format"] for asked in service.asked] == ["json"] * len(segments)
    assert segments[0].start_ms == 0
    assert segments[-1].end_ms == 60_000


QUOTA = '{"error": {"message": "no credit", "code": "insufficient_quota"}}'


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault(401), EngineUnavailable, "OPENAI_API_KEY"),
        (Fault(404), EngineUnavailable, "transcribe.hosted_model"),
        (Fault(429, QUOTA), EngineUnavailable, "credit"),
        (Fault(429, headers={"Retry-After": "7"}), ServiceUnavailable, "Run again later"),
        (Fault(400), EngineFailed, "400"),
        (Fault(413), EngineFailed, "413"),
        (Fault(500), ServiceUnavailable, "Run again later"),
        (Fault(200, '{"text": "cut of'), ServiceUnavailable, ""),
        (Fault(200, '{"text": "all of it", "segments": []}', cut=True), ServiceUnavailable, ""),
        (Fault(200, "<html>a proxy</html>"), ServiceUnavailable, ""),
        (Fault(200, '{"answer": 42}'), ServiceUnavailable, "base_url"),
        (Fault(200, '{"text": "a", "segments": [{"start": "x", "end": 1, "text": "a"}]}'), ServiceUnavailable, ""),
    ],
)
def test_what_goes_wrong_is_told_and_nothing_of_it_kept(
    service: Service, speech: Path, fault: Fault, kind: type[EarwitnessError], says: str
) -> None:
    service.faults = [fault]
    with pytest.raises(kind) as caught:
        recognise(speech, SPANS[:1], settings(service))
    assert says in f"{caught.value.message} {caught.value.remedy}"
    assert "sk-secret" not in repr(caught.value)
    if "Retry-After" in fault.headers:
        assert isinstance(caught.value, ServiceUnavailable)
        assert caught.value.retry_after_s == 7
    assert len(recognise(speech, SPANS[:1], settings(service))[0]) == 3


def test_a_service_that_nobody_answers_for(service: Service, speech: Path) -> None:
    gone = settings(service).model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(ServiceUnavailable, match="can't be used now"):
        recognise(speech, SPANS[:1], gone)


def test_silence_is_not_sent(service: Service, speech: Path) -> None:
    assert recognise(speech, [], settings(service)) == ([], [], "und", [], [])
    assert service.asked == []


def test_it_is_never_taken_unasked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert choose_recogniser(TranscribeSettings(), None).name != "openai"


@pytest.mark.parametrize(
    ("address", "key", "why"),
    [
        (None, "", "OPENAI_API_KEY is not set"),
        ("http://example.org/v1", "sk-secret", "use https"),
        ("ftp://example.org", "sk-secret", "no http"),
    ],
)
def test_it_is_refused_before_anything_is_computed(
    address: str | None, key: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(EngineUnavailable, match=why):
        choose_recogniser(TranscribeSettings(engine="openai", base_url=address), None)


def test_the_key_of_its_results_names_model_and_address(service: Service) -> None:
    one, other = (
        choose_recogniser(settings(service, hosted_model=model), None) for model in ("whisper-1", "whisper-2")
    )
    assert one.name == "openai"
    assert one.key() != other.key()
    assert "sk-secret" not in repr(one)
