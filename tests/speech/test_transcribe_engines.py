"""Choosing a recogniser and recognising."""

from pathlib import Path

import pytest

from earwitness.audio.pcm import read_speech
from earwitness.engines.engine import EngineUse
from earwitness.errors import EngineUnavailable
from earwitness.options import TranscribeSettings
from earwitness.speech.doubts import find_doubts
from earwitness.speech.languages import guess_language
from earwitness.speech.segments import Segment
from earwitness.speech.transcribe import choose_recogniser, transcribe
from tests.tiny_models import whisper_folder

CALL = "1\n00:00:06,700 --> 00:00:07,200\nDiane: Hello?\n\n2\n00:00:07,600 --> 00:00:08,200\nSheila: Hello?\n"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper_folder(tmp_path_factory.mktemp("tiny"))


def test_a_transcript_comes_first_and_its_content_is_the_key(tmp_path: Path) -> None:
    one, two = tmp_path / "a.srt", tmp_path / "b.srt"
    one.write_text(CALL)
    two.write_text(CALL)
    keys = [choose_recogniser(TranscribeSettings(), path).key() for path in (one, two)]
    assert keys[0] == keys[1]
    two.write_text(CALL.replace("Hello", "Hallo"))
    assert choose_recogniser(TranscribeSettings(), two).key() != keys[0]


def test_without_anything_the_bundled_recogniser_is_taken_and_says_why() -> None:
    engine = choose_recogniser(TranscribeSettings(), None)
    assert (engine.name, engine.degraded) == ("bundled", True)
    assert "Systran/faster-whisper-small" in engine.reason


@pytest.mark.parametrize("settings", [TranscribeSettings(engine="whisperx"), TranscribeSettings(engine="sidecar")])
def test_an_engine_asked_for_never_falls_back(settings: TranscribeSettings) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        choose_recogniser(settings, None)
    assert caught.value.remedy


def test_a_whisper_folder_is_known_by_what_it_holds(tiny_whisper: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "elsewhere" / tiny_whisper.name
    shutil.copytree(tiny_whisper, copy)
    engines = [choose_recogniser(TranscribeSettings(model=str(folder)), None) for folder in (tiny_whisper, copy)]
    assert engines[0].name == "whisperx"
    assert engines[0].key() == engines[1].key()
    (copy / "model.bin").write_bytes(b"other weights")
    assert choose_recogniser(TranscribeSettings(model=str(copy)), None).key() != engines[0].key()


def test_sidecar_text_is_kept_with_the_voice_activity(phone_call: Path, tmp_path: Path) -> None:
    sidecar = tmp_path / "call.srt"
    sidecar.write_text(CALL + "\n3\n00:00:01,000 --> 00:00:04,000\nthanks for nothing\n")
    settings = TranscribeSettings()
    found = transcribe(phone_call, settings, choose_recogniser(settings, sidecar), sidecar)
    assert [(s.speaker, s.text) for s in found.segments] == [
        (None, "thanks for nothing"),
        ("Diane", "Hello?"),
        ("Sheila", "Hello?"),
    ]
    assert found.speech_spans
    assert [(d.kind, d.start_ms) for d in found.doubts] == [("over-silence", 1000)]


def test_bundled_recogniser_hears_part_of_the_call(phone_call: Path, tmp_path: Path) -> None:
    import soundfile

    samples, rate = soundfile.read(phone_call)
    piece = tmp_path / "piece.wav"
    soundfile.write(piece, samples[17 * rate : 24 * rate], rate)
    settings = TranscribeSettings(engine="bundled")
    found = transcribe(piece, settings, choose_recogniser(settings, None))
    text = " ".join(segment.text for segment in found.segments)
    # "Oh, I'm originally from Chicago also. I'm in New Jersey now though. Well, there isn't that much difference."
    assert {"chicago", "jersey", "much"} <= set(text.split())
    assert found.warnings
    words = [word for segment in found.segments for word in segment.words]
    assert all(w.start_ms is not None and w.end_ms is not None and w.end_ms > w.start_ms for w in words)
    assert any((w.score or 0) < 0.5 for w in words)
    assert [d.kind for d in found.doubts] == ["low-confidence"]
    covered = [(s.start_ms, s.end_ms) for s in found.segments] + [(s.start_ms, s.end_ms) for s in found.skipped]
    heard = sum((b or 0) - (a or 0) for a, b in covered)
    assert heard >= sum(b - a for a, b in found.speech_spans)


def test_a_window_is_heard_the_same_whatever_came_before(phone_call: Path) -> None:
    from earwitness.engines.sphinx import Sphinx

    fresh, used = Sphinx(listen=True), Sphinx(listen=True)
    used.recognise(read_speech(phone_call, 7600, 9000))
    window = read_speech(phone_call, 17_800, 20_200)
    assert used.recognise(window) == fresh.recognise(window)


def test_whisperx_runs_from_a_folder_without_network(
    phone_call: Path, tiny_whisper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = TranscribeSettings(engine="whisperx", model=str(tiny_whisper), compute_type="float32")
    engine = choose_recogniser(settings, None)
    found = transcribe(phone_call, settings, engine, vocabulary=["Strahd", "Barovia"])
    assert found.language in {"en", "de", "fr"}
    assert found.segments or found.skipped
    assert all(segment.confidence is not None for segment in found.segments)
    assert all(6000 < (segment.start_ms or 0) < (segment.end_ms or 0) <= 30_000 for segment in found.segments)
    assert transcribe(phone_call, settings, engine, vocabulary=["Strahd", "Barovia"]).digest() == found.digest()
    assert capsys.readouterr().out == ""


def test_long_recordings_are_heard_in_windows(
    phone_call: Path, tiny_whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TranscribeSettings(
        engine="whisperx", model=str(tiny_whisper), language="en", compute_type="float32", hear_again="never"
    )
    lengths: list[int] = []
    from earwitness.speech import whisper_recogniser

    def counted(path: Path, start: int, end: int) -> object:
        lengths.append(end - start)
        return read_speech(path, start, end)

    monkeypatch.setattr(whisper_recogniser, "read_speech", counted)
    monkeypatch.setattr(whisper_recogniser, "WINDOW_MS", 8000)
    monkeypatch.setattr(whisper_recogniser, "CHUNK_S", 4)
    found = transcribe(phone_call, settings, EngineUse(name="whisperx", version="0"))
    assert len(lengths) > 2
    assert max(lengths) <= 8000
    starts = [s.start_ms or 0 for s in found.segments] + [s.start_ms for s in found.skipped]
    assert max(starts) > 20_000


def test_doubts_name_loops_speed_and_stock_phrases() -> None:
    def said(text: str, start: int, end: int) -> Segment:
        return Segment(text=text, start_ms=start, end_ms=end)

    segments = [
        said("and then we and then we and then we and then we go", 0, 5000),
        said("this is far too many words to be said in half of one second", 5000, 5500),
        said("Thanks for watching!", 6000, 8000),
        said("no, no, no, no, I said so", 8000, 11_000),
    ]
    kinds = [(d.kind, d.start_ms) for d in find_doubts(segments, [(0, 11_000)], recognised=True)]
    assert kinds == [("loop", 0), ("impossible-rate", 5000), ("stock-phrase", 6000)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the cat and the dog are in the house", "en"),
        ("der Hund und die Katze sind nicht in dem Haus", "de"),
        ("hm", "und"),
    ],
)
def test_language_of_a_transcript(text: str, language: str) -> None:
    assert guess_language([Segment(text=text)]) == language
