"""Guards around real engines: a tiny Whisper, and services on loopback."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.options import TranscribeSettings
from earwitness.speech import whisper_recogniser
from earwitness.speech.segments import Transcribed
from earwitness.speech.transcribe import choose_recogniser, transcribe
from earwitness.speech.voice_activity import speech_spans
from tests.assemblyai_server import assemblyai_server
from tests.openai_server import Service, openai_server
from tests.tiny_models import whisper_folder

LOOP = "and then we and then we and then we and then we"
REAL = "so this is what I wanted to tell you about."
LINES = (REAL, LOOP, "did you see the river?", "I did not know that.", "we all go there now.", "no, not now.", "why?")


@pytest.fixture(scope="module")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper_folder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def whisper(tiny_whisper: Path, monkeypatch: pytest.MonkeyPatch) -> TranscribeSettings:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return TranscribeSettings(engine="whisperx", model=str(tiny_whisper), compute_type="float32")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with openai_server() as running:
        yield running


def hosted(service: Service, speech: Path, **given: object) -> Transcribed:
    settings = TranscribeSettings.model_validate({"engine": "openai", "base_url": service.address, **given})
    return transcribe(speech, settings, choose_recogniser(settings, None), vocabulary=["Ysolde"])


def test_whisper_hears_again_only_where_somebody_speaks_and_the_same_each_time(
    phone_call: Path, whisper: TranscribeSettings
) -> None:
    spans = speech_spans(phone_call)
    first = spans[0][0]
    assert whisper_recogniser.hear_again(phone_call, [(0, first - 500)], spans, whisper, "en") == []
    stretches = [(first, 29_000)]
    heard = whisper_recogniser.hear_again(phone_call, stretches, spans, whisper, "en")
    assert heard
    assert all(first <= (s.start_ms or 0) < (s.end_ms or 0) <= 29_000 for s in heard)
    assert all((s.end_ms or 0) - (s.start_ms or 0) <= whisper_recogniser.AGAIN_MS for s in heard)
    assert whisper_recogniser.hear_again(phone_call, stretches, spans, whisper, "en") == heard


def test_doubtful_text_of_whisper_gets_a_verdict(phone_call: Path, whisper: TranscribeSettings) -> None:
    engine = choose_recogniser(whisper, None)
    never = transcribe(phone_call, whisper.model_copy(update={"hear_again": "never"}), engine)
    # a model of random weights babbles far faster than anybody speaks, or in one letter
    suspected = [doubt for doubt in never.doubts if doubt.kind in {"impossible-rate", "loop"}]
    assert suspected
    assert {doubt.verdict for doubt in never.doubts} == {None}
    found = transcribe(phone_call, whisper, engine)
    judged = {(doubt.start_ms, doubt.kind): doubt for doubt in found.doubts if doubt.verdict}
    assert {(doubt.start_ms, doubt.kind) for doubt in suspected} <= set(judged)
    assert transcribe(phone_call, whisper, engine).digest() == found.digest()


def test_the_language_is_sampled_from_the_beginning_to_the_end(
    phone_call: Path, whisper: TranscribeSettings, tmp_path: Path
) -> None:
    whisper = whisper.model_copy(update={"model": str(whisper_folder(tmp_path, multilingual=True))})
    samples, rate = soundfile.read(phone_call, dtype="int16")
    long = tmp_path / "long.flac"
    soundfile.write(long, np.tile(samples, 5), rate)
    spans = speech_spans(long)
    heard = whisper_recogniser.recognise(long, spans, whisper)
    assert len(heard.samples) == sum(b - a for a, b in spans) // 30_000
    assert heard.samples[0].start_ms == spans[0][0]
    assert heard.samples[-1].end_ms == spans[-1][1]
    assert [s.start_ms for s in heard.samples] == sorted(s.start_ms for s in heard.samples)
    assert heard.language in {sample.language for sample in heard.samples}
    given = whisper_recogniser.recognise(long, spans[:1], whisper.model_copy(update={"language": "de"}))
    assert (given.language, given.samples) == ("de", [])


def test_a_hosted_service_is_not_asked_twice_unless_that_is_allowed(service: Service, phone_call: Path) -> None:
    service.lines = LINES
    found = hosted(service, phone_call)
    assert len(service.asked) == 1
    assert LOOP in [segment.text for segment in found.segments]
    assert {(doubt.kind, doubt.verdict) for doubt in found.doubts} == {("loop", None)}


def test_where_it_is_allowed_the_stretch_is_sent_alone_and_paid_for_once(service: Service, phone_call: Path) -> None:
    service.lines = LINES
    found = hosted(service, phone_call, hear_again="always")
    alone = service.asked[1:]
    assert all(4 < asked.seconds < 5 and "prompt" not in asked.fields for asked in alone)
    assert all(asked.fields["language"] == "en" for asked in alone)
    assert "prompt" in service.asked[0].fields
    # by itself each stretch is the first line
    assert [segment.text for segment in found.segments][:3] == [REAL, REAL, LINES[2]]
    assert {(doubt.kind, doubt.text, doubt.verdict) for doubt in found.doubts} == {("loop", LOOP, "replaced")}
    assert hosted(service, phone_call, hear_again="always").digest() == found.digest()
    assert set(service.answered.values()) == {1}


def test_pieces_in_another_language_are_doubted(
    service: Service, phone_call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earwitness.speech.openai_recogniser.PIECE_MS", 8_000)
    service.languages = ["english", "german", "english"]
    found = hosted(service, phone_call)
    assert found.language == "en"
    (mixed,) = [doubt for doubt in found.doubts if doubt.kind == "mixed-language"]
    assert "2 of 3" in mixed.message


def test_names_that_assemblyai_was_unsure_of_are_doubted(phone_call: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("assemblyai")
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "aai-secret")
    monkeypatch.setattr("earwitness.speech.assemblyai_recogniser._POLL_S", 0.01)
    with assemblyai_server() as service:
        service.words = "Then Ysolde came in with the others.".split()
        service.confidence = 0.4
        settings = TranscribeSettings(engine="assemblyai", base_url=service.address)
        engine = choose_recogniser(settings, None)
        found = transcribe(phone_call, settings, engine, vocabulary=["Ysolde"])
        assert transcribe(phone_call, settings, engine).digest() != found.digest()
    assert found.language == "en"
    assert [doubt.kind for doubt in found.doubts] == ["vocabulary"]
    assert "'Ysolde'" in found.doubts[0].message
