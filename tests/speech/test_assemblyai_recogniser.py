"""Recognition by AssemblyAI through its SDK, against a server on loopback that speaks its protocol."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.errors import EarwitnessError, EngineFailed, EngineUnavailable, ServiceUnavailable
from earwitness.home import home
from earwitness.settings import TranscribeSettings
from earwitness.speech import assemblyai_recogniser
from earwitness.speech.assemblyai_recogniser import recognise
from earwitness.speech.transcribe import choose_recogniser
from tests.assemblyai_server import WORDS, Fault, Service, assemblyai_server

pytest.importorskip("assemblyai")

RATE = 16_000
SPANS = [(1_000, 13_000), (90_000, 102_000)]
ONE = SPANS[:1]
LIMIT = '{"error": "Too many requests"}'


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "aai-secret")
    monkeypatch.delenv("ASSEMBLYAI_BASE_URL", raising=False)
    monkeypatch.setattr(assemblyai_recogniser, "_TRIES", 1)
    monkeypatch.setattr(assemblyai_recogniser, "_POLL_S", 0.01)
    with assemblyai_server() as running:
        yield running


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    noise = np.random.default_rng(3).normal(0, 0.1, 110 * RATE).clip(-1, 1)
    soundfile.write(tmp_path / "speech.flac", noise, RATE, subtype="PCM_16")
    return tmp_path / "speech.flac"


def settings(service: Service, **given: object) -> TranscribeSettings:
    return TranscribeSettings.model_validate({"engine": "assemblyai", "base_url": service.address, **given})


def test_sentences_come_back_with_words_times_and_confidences(service: Service, speech: Path) -> None:
    heard = recognise(speech, SPANS, settings(service), ["Ysolde", "The Brotherhood of the Seven Silver Swords"])
    assert [round(order.seconds) for order in service.orders.values()] == [12, 12], "a long silence is not paid for"
    assert [s.text for s in heard.segments[:3]] == [
        "So this is what I wanted to tell you about.",
        "Did you see the river this morning?",
        "I did not know that.",
    ]
    assert [s.start_ms for s in heard.segments if s.text.startswith("So")] == [1_000, 90_000]
    assert all(s.confidence == 0.9 and len(s.words) == len(s.text.split()) for s in heard.segments)
    assert all((a.end_ms or 0) <= (b.start_ms or 0) for a, b in pairwise(w for s in heard.segments for w in s.words))
    assert heard.language == "en"
    assert [(sample.language, sample.certainty) for sample in heard.samples] == [("en", 0.93)] * 2
    first = next(iter(service.orders.values())).config
    assert first["keyterms_prompt"] == ["Ysolde"], "names of more than six words are refused there"
    assert first["speech_models"] == ["universal-3-5-pro", "universal-2"]
    assert "speaker_labels" not in first
    assert service.keys == {"aai-secret"}


def test_a_language_that_is_given_is_not_detected(service: Service, speech: Path) -> None:
    assert recognise(speech, ONE, settings(service, language="de")).language == "de"
    (order,) = service.orders.values()
    assert order.config["language_code"] == "de"
    assert "language_detection" not in order.config


def test_a_transcript_is_paid_for_once(service: Service, speech: Path) -> None:
    first = recognise(speech, SPANS, settings(service))
    assert recognise(speech, SPANS, settings(service)) == first
    assert len(service.orders) == 2
    assert list((home() / "calls").glob("??/*.order.json")) == []
    recognise(speech, ONE, settings(service, assemblyai_models=["universal-2"]))
    assert len(service.orders) == 3, "another model is another question"


def test_a_run_that_is_killed_while_it_waits_orders_nothing_anew(service: Service, speech: Path) -> None:
    service.polls = 10_000
    code = (
        "import sys; from pathlib import Path; from earwitness.settings import TranscribeSettings as S\n"
        "from earwitness.speech.assemblyai_recogniser import recognise\n"
        f"recognise(Path(sys.argv[1]), {ONE}, S(engine='assemblyai', base_url=sys.argv[2]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(speech), service.address])
    deadline = time.monotonic() + 60
    while service.asked["poll"] == 0:
        assert child.poll() is None, "it ended before it waited"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.kill()
    child.wait()
    service.polls = 0
    assert recognise(speech, ONE, settings(service)).segments
    assert list(service.orders) == ["order-0"]


@pytest.mark.parametrize("fault", [Fault("poll", 500), Fault("poll", 429, LIMIT), Fault("poll", 200, "{", cut=True)])
def test_a_failure_while_waiting_costs_nothing(service: Service, speech: Path, fault: Fault) -> None:
    service.faults = [fault]
    with pytest.raises(ServiceUnavailable):
        recognise(speech, ONE, settings(service))
    recognise(speech, ONE, settings(service))
    assert list(service.orders) == ["order-0"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("order", 504, taken=True),
        Fault("order", 200, '{"id": "ord', taken=True),
        Fault("order", 200, '{"id": "order-0", "status": "queued"}', cut=True, taken=True),
    ],
)
def test_an_order_whose_answer_was_lost_is_found_again(service: Service, speech: Path, fault: Fault) -> None:
    service.faults = [fault]
    assert recognise(speech, ONE, settings(service)).segments
    assert list(service.orders) == ["order-0"]


def test_an_order_that_the_service_forgot_is_placed_anew(service: Service, speech: Path) -> None:
    service.faults = [Fault("poll", 500)]
    with pytest.raises(ServiceUnavailable):
        recognise(speech, ONE, settings(service))
    service.orders["order-0"].deleted = True
    assert recognise(speech, ONE, settings(service)).segments
    assert list(service.orders) == ["order-0", "order-1"]


def test_a_request_is_repeated_after_the_pause_that_the_service_asks_for(
    service: Service, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemblyai_recogniser, "_TRIES", 3)
    now = {"Retry-After": "0"}
    service.faults = [Fault("upload", 503, headers=now), Fault("order", 429, LIMIT, now), Fault("poll", 500, "x", now)]
    assert recognise(speech, ONE, settings(service)).segments
    assert [service.asked[kind] for kind in ("upload", "order")] == [2, 2]
    assert len(service.orders) == 1


BALANCE = '{"error": "Your current account balance is negative. Please top up to continue using the API."}'


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault("upload", 401, '{"error": "Authentication error"}'), EngineUnavailable, "ASSEMBLYAI_API_KEY"),
        (Fault("order", 400, BALANCE), EngineUnavailable, "no credit"),
        (Fault("order", 400, '{"error": "speech_models is wrong"}'), EngineFailed, "speech_models is wrong"),
        (Fault("upload", 413, '{"error": "too large"}'), EngineFailed, "413"),
        (Fault("order", 429, LIMIT, {"Retry-After": "7"}), ServiceUnavailable, "Run again later"),
        (Fault("upload", 500, "<html>oh</html>"), ServiceUnavailable, "Run again later"),
        (Fault("upload", 200, "<html>a proxy</html>"), ServiceUnavailable, "base_url"),
        (Fault("upload", 200, '{"upload_url": "x", "more": "' + "x" * 999, cut=True), ServiceUnavailable, ""),
        (Fault("upload", 200, '{"answer": 42}'), ServiceUnavailable, "base_url"),
        (Fault("poll", 200, '{"status": "completed", "words": 7}'), ServiceUnavailable, "no transcript"),
    ],
)
def test_what_goes_wrong_is_told_and_nothing_of_it_kept(
    service: Service, speech: Path, fault: Fault, kind: type[EarwitnessError], says: str
) -> None:
    service.faults = [fault]
    with pytest.raises(kind) as caught:
        recognise(speech, ONE, settings(service))
    told = f"{caught.value.message} {caught.value.remedy}"
    assert says in told
    assert "aai-secret" not in repr(caught.value) + told
    if "Retry-After" in fault.headers:
        assert isinstance(caught.value, ServiceUnavailable)
        assert caught.value.retry_after_s == 7
    assert len(recognise(speech, ONE, settings(service)).segments) == 3
    assert len(service.orders) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("File does not appear to contain audio.", EngineFailed),
        ("Internal server error, please try again", ServiceUnavailable),
    ],
)
def test_a_transcript_that_failed_there_is_ordered_anew_next_time(
    service: Service, speech: Path, error: str, kind: type[EarwitnessError]
) -> None:
    service.error = error
    with pytest.raises(kind, match=error.split(",")[0]):
        recognise(speech, ONE, settings(service))
    service.error = None
    assert recognise(speech, ONE, settings(service)).segments
    assert len(service.orders) == 2


def test_sound_in_which_nobody_speaks_is_no_failure(service: Service, speech: Path) -> None:
    service.error = "language_detection cannot be performed on files with no spoken audio."
    heard = recognise(speech, ONE, settings(service))
    assert heard.segments == []
    assert [(span.start_ms, span.end_ms) for span in heard.skipped] == ONE


def test_a_transcript_that_never_ends(service: Service, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemblyai_recogniser, "_PATIENCE_S", 0.05)
    service.polls = 10_000
    with pytest.raises(ServiceUnavailable, match="has been working"):
        recognise(speech, ONE, settings(service))
    service.polls = 0
    assert recognise(speech, ONE, settings(service)).segments
    assert list(service.orders) == ["order-0"]


def test_a_service_that_does_not_answer(service: Service, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = settings(service).model_copy(update={"base_url": "http://127.0.0.1:9"})
    with pytest.raises(ServiceUnavailable, match="can't be used now"):
        recognise(speech, ONE, gone)


def test_long_recordings_go_in_pieces(service: Service, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemblyai_recogniser, "PIECE_MS", 30_000)
    heard = recognise(speech, [(0, 100_000)], settings(service))
    assert len(service.orders) >= 4
    assert all(order.seconds <= 30 for order in service.orders.values())
    assert sum(order.seconds for order in service.orders.values()) == pytest.approx(100)
    starts = [segment.start_ms or 0 for segment in heard.segments]
    assert starts == sorted(starts)


def test_nothing_is_deleted_unless_asked(service: Service, speech: Path) -> None:
    recognise(speech, ONE, settings(service))
    assert service.asked["delete"] == 0
    heard = recognise(speech, SPANS[1:], settings(service, delete_hosted=True))
    assert [order.deleted for order in service.orders.values()] == [False, True]
    assert heard.warnings == []


def test_a_deletion_that_fails_loses_no_words(service: Service, speech: Path) -> None:
    service.faults = [Fault("delete", 500)]
    heard = recognise(speech, ONE, settings(service, delete_hosted=True))
    assert heard.segments
    assert len(heard.warnings) == 1


def test_silence_is_not_sent(service: Service, speech: Path) -> None:
    assert recognise(speech, [], settings(service)).segments == []
    assert service.asked.total() == 0


@pytest.mark.parametrize(
    ("address", "key", "why"),
    [
        (None, "", "ASSEMBLYAI_API_KEY is not set"),
        ("http://example.org", "aai-secret", "use https"),
        ("https://me:pass@example.org", "aai-secret", "name or password"),
    ],
)
def test_it_is_refused_before_anything_is_computed(
    address: str | None, key: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", key)
    with pytest.raises(EngineUnavailable, match=why):
        choose_recogniser(TranscribeSettings(engine="assemblyai", base_url=address), None)


def test_its_results_are_known_by_models_and_address(service: Service) -> None:
    one, other = (
        choose_recogniser(settings(service, assemblyai_models=models), None)
        for models in (["universal-2"], ["universal-3-5-pro"])
    )
    assert one.name == "assemblyai"
    assert one.key() != other.key()
    assert "aai-secret" not in repr(one)


def test_every_word_is_there(service: Service, speech: Path) -> None:
    heard = recognise(speech, ONE, settings(service))
    assert " ".join(segment.text for segment in heard.segments).split() == WORDS
