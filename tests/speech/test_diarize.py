"""Who speaks when, by the models that come in wheels."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.errors import EngineUnavailable, UsageError
from earwitness.evaluation.diarization import diarization_score, whole_file
from earwitness.settings import DiarizeSettings
from earwitness.speech.diarize import choose_diarizer, covered_ms, diarize
from earwitness.speech.rttm import read_rttm
from earwitness.speech.turns import Diarized, Turn

RATE = 16_000


def _bundled(path: Path, **settings: int) -> Diarized:
    chosen = DiarizeSettings(engine="bundled", **settings)
    return diarize(path, chosen, choose_diarizer(chosen))


def _labels(result: Diarized) -> list[str]:
    return list(dict.fromkeys(turn.speaker for turn in result.turns))


def _error_rate(path: Path, result: Diarized, duration_ms: int) -> float:
    score = diarization_score(read_rttm(path.with_suffix(".rttm")), result.turns, whole_file(duration_ms))
    assert score.error_rate is not None
    return score.error_rate


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture(scope="module")
def call_result(phone_call: Path, tmp_path_factory: pytest.TempPathFactory) -> Diarized:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARWITNESS_HOME", str(tmp_path_factory.mktemp("call")))
        return _bundled(phone_call)


def test_a_phone_call_has_two_speakers_and_few_errors(call_result: Diarized, phone_call: Path) -> None:
    assert call_result.count.count == 2
    assert not call_result.count.given
    assert _error_rate(phone_call, call_result, 30_000) < 0.10


def test_speakers_are_named_by_first_appearance(call_result: Diarized) -> None:
    assert _labels(call_result) == ["SPEAKER_00", "SPEAKER_01"]
    assert [turn.start_ms for turn in call_result.turns] == sorted(turn.start_ms for turn in call_result.turns)


def test_exclusive_turns_never_overlap_and_cover_the_same_speech(call_result: Diarized) -> None:
    pairs = zip(call_result.exclusive, call_result.exclusive[1:], strict=False)
    assert all(one.end_ms <= other.start_ms for one, other in pairs)
    assert covered_ms(call_result.exclusive) == covered_ms(call_result.turns) == call_result.speech_ms
    assert sum(turn.end_ms - turn.start_ms for turn in call_result.turns) > call_result.speech_ms, "overlap is kept"


def test_the_same_sound_gives_the_same_result_and_embeddings(
    phone_call: Path, tmp_path: Path, call_result: Diarized
) -> None:
    copy = tmp_path / "another name.flac"
    soundfile.write(copy, soundfile.read(phone_call, dtype="int16")[0], RATE)
    again = _bundled(copy)
    assert again.digest() == call_result.digest()
    vectors = np.load(again.embeddings.path)
    assert sorted(vectors.files) == ["SPEAKER_00", "SPEAKER_01"]
    for label in vectors.files:
        assert vectors[label].shape == (256,)
        assert np.linalg.norm(vectors[label]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"speakers": 1}, {1}),
        ({"speakers": 3}, {3}),
        ({"speakers": 5}, {5}),
        ({"min_speakers": 4}, {4}),
        ({"max_speakers": 1}, {1}),
        ({"min_speakers": 1, "max_speakers": 6}, {2}),
    ],
    ids=str,
)
def test_the_users_count_is_obeyed(settings: dict[str, int], allowed: set[int], phone_call: Path) -> None:
    result = _bundled(phone_call, **settings)
    assert len(_labels(result)) in allowed
    assert result.count.count == len(_labels(result))
    assert len({turn.speaker for turn in result.exclusive}) == result.count.count
    assert result.count.given == (settings.get("speakers", settings.get("max_speakers")) in {1, 3, 5})


def test_fewer_speakers_than_voices_is_said(phone_call: Path) -> None:
    (warning,) = _bundled(phone_call, speakers=1).warnings
    assert warning.startswith("2 voices were heard, but 1 speaker was asked for")
    assert _bundled(phone_call, speakers=2).warnings == []


def test_more_speakers_than_voices_is_said(phone_call: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, soundfile.read(phone_call, frames=4 * RATE, start=7 * RATE)[0], RATE)
    result = _bundled(path, speakers=20)
    assert 1 <= result.count.count < 20
    assert "20 speakers were asked for" in result.warnings[0]


@pytest.mark.parametrize("samples", [0, 1, 4_000, 7 * RATE])
def test_silence_of_any_length_has_no_turns_and_says_so(samples: int, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(samples, np.float32), RATE)
    result = _bundled(path)
    assert (result.turns, result.exclusive, result.count.count, result.speech_ms) == ([], [], 0, 0)
    assert "no speech" in result.warnings[0]
    assert np.load(result.embeddings.path).files == []


def test_turns_end_with_the_recording(phone_call: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, soundfile.read(phone_call, frames=int(12.345 * RATE))[0], RATE)
    assert max(turn.end_ms for turn in _bundled(path).turns) <= 12_345


def test_progress_rises_to_one(phone_call: Path) -> None:
    chosen = DiarizeSettings(engine="bundled")
    shares: list[float] = []
    diarize(phone_call, chosen, choose_diarizer(chosen), lambda share, note="": shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_estimate_names_its_alternatives(call_result: Diarized) -> None:
    alternatives = call_result.count.alternatives
    assert 2 not in alternatives
    assert 0 <= sum(alternatives.values()) < 0.7


def test_auto_falls_back_and_says_why() -> None:
    engine = choose_diarizer(DiarizeSettings(engine="auto", model="nobody/nothing"))
    assert (engine.name, engine.degraded) == ("bundled", True)
    assert "HF_HUB_OFFLINE" in engine.reason


def test_bundled_on_request_is_not_degraded() -> None:
    assert not choose_diarizer(DiarizeSettings(engine="bundled")).degraded


def test_pyannote_on_request_never_falls_back(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"nobody/nothing is not cached.*HF_TOKEN.*bundled"):
        choose_diarizer(DiarizeSettings(engine="pyannote", model="nobody/nothing"))
    with pytest.raises(EngineUnavailable, match=r"config\.yaml"):
        choose_diarizer(DiarizeSettings(engine="pyannote", model=str(tmp_path)))


@pytest.mark.parametrize(
    "settings", [{"speakers": 2, "max_speakers": 3}, {"min_speakers": 4, "max_speakers": 3}], ids=str
)
def test_counts_that_contradict_each_other_are_refused(settings: dict[str, int], phone_call: Path) -> None:
    with pytest.raises(UsageError, match="speakers"):
        _bundled(phone_call, **settings)


def test_choosing_loads_no_model_library() -> None:
    code = (
        "import sys; from earwitness.settings import DiarizeSettings; from earwitness.speech.diarize import "
        "choose_diarizer; choose_diarizer(DiarizeSettings(engine='auto')); "
        "print(sorted({'torch', 'pyannote.audio', 'whisperx', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_covered_time_counts_overlap_once() -> None:
    spans = [(0, 1000), (200, 400), (900, 1500), (2000, 2100)]
    assert covered_ms([Turn(start_ms=a, end_ms=b, speaker="SPEAKER_00") for a, b in spans]) == 1600


@pytest.mark.slow
def test_conversations_keep_their_accuracy(shared_data: Path) -> None:
    """A clean constructed conversation: the right count, and few errors beside the readers' own pauses."""
    path = shared_data / "conversations" / "constructed_4spk.flac"
    result = _bundled(path)
    assert result.count.count == 4
    assert _error_rate(path, result, 293_400) < 0.15
