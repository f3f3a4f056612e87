"""Guards around real engines: a tiny Whisper, and services on loopback."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earwitness.audio.pcm import Samples
from earwitness.settings import TranscribeSettings
from earwitness.speech import whisper_recogniser
from earwitness.speech.languages import majority
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


class ByLoudness:
    """Takes loud sound for German; stands in for a Whisper that knows languages, which no tiny one does."""

    model = SimpleNamespace(is_multilingual=True)

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def detect_language(self, audio: Samples) -> tuple[str, float, list[tuple[str, float]]]:
        self.seconds.append(audio.size / 16_000)
        return ("de" if np.abs(audio).mean() > 0.05 else "en"), 0.8, []


def test_the_language_is_sampled_from_the_beginning_to_the_end(tmp_path: Path) -> None:
    # half a minute of loud music, as it were, then five minutes that are quieter
    noise = np.random.default_rng(5).normal(0, 0.02, 330 * 16_000)
    noise[: 30 * 16_000] *= 10
    soundfile.write(tmp_path / "long.flac", noise.clip(-1, 1), 16_000)
    spans = [(start, start + 9_000) for start in range(0, 330_000, 10_000)]
    model = ByLoudness()
    samples = whisper_recogniser._sample_languages(model, tmp_path / "long.flac", spans)
    assert [sample.language for sample in samples] == ["de", "en", "en", "en", "en"]
    assert majority(samples) == ("en", 0.8)
    assert model.seconds == pytest.approx([30] * 5)
    assert (samples[0].start_ms, samples[-1].end_ms) == (0, 329_000)
    assert len(whisper_recogniser._sample_languages(ByLoudness(), tmp_path / "long.flac", spans[:2])) == 1


@given(st.lists(st.tuples(st.integers(1, 9_000), st.integers(0, 500)), min_size=1, max_size=9), st.integers(0, 50_000))
def test_samples_hold_as_much_speech_as_there_is(lengths: list[tuple[int, int]], skip: int) -> None:
    at, spans = 0, []
    for length, pause in lengths:
        spans.append((at, at + length))
        at += length + pause
    total = sum(length for length, _ in lengths)
    pieces = whisper_recogniser._speech_from(spans, skip, 10_000)
    assert sum(end - start for start, end in pieces) == min(10_000, max(0, total - skip))
    assert all(any(a <= start < end <= b for a, b in spans) for start, end in pieces)


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
