"""How people talk, measured on sound that is known and on the telephone call."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.speech.rttm import read_rttm
from earwitness.speech.turns import Turn
from earwitness.talk.talk import Talk, analyse_talk
from earwitness.words.transcript import Word

RATE = 16_000
VOICES = {"A": (110.0, 0.3), "B": (210.0, 0.15)}


def sing(folder: Path, turns: list[Turn], seconds: float) -> Path:
    """Everybody hums at their own pitch and level, over faint noise."""
    sound = np.random.default_rng(1).normal(0, 1e-4, round(seconds * RATE))
    for turn in turns:
        first, last = turn.start_ms * 16, turn.end_ms * 16
        time_s = np.arange(first, last) / RATE
        hz, loud = VOICES[turn.speaker]
        sound[first:last] += loud * sum(np.sin(2 * np.pi * hz * n * time_s) / n for n in range(1, 6)) / 3
    soundfile.write(folder / "hum.flac", sound.astype(np.float32), RATE)
    return folder / "hum.flac"


def turn(speaker: str, start_s: float, end_s: float) -> Turn:
    return Turn(speaker=speaker, start_ms=round(start_s * 1000), end_ms=round(end_s * 1000))


def words(speaker: str | None, count: int) -> list[Word]:
    return [Word("word", 100 * n, 100 * n + 90, 0.9, speaker, "u0001") for n in range(count)]


@pytest.fixture(scope="module")
def hummed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Turn]]:
    turns = [turn("A", 1, 21), turn("B", 19, 31), turn("A", 35, 60), turn("B", 40, 40.6)]
    return sing(tmp_path_factory.mktemp("hum"), turns, 62), turns


@pytest.fixture(scope="module")
def talk(hummed: tuple[Path, list[Turn]]) -> Talk:
    path, turns = hummed
    return analyse_talk(path, turns, [*words("A", 90), *words("B", 21), *words(None, 5)])


def test_each_voice_is_measured_where_it_is_alone(talk: Talk) -> None:
    for label, (hz, _) in VOICES.items():
        pitch = talk.speakers[label].pitch
        assert pitch is not None
        assert pitch.low_hz == pytest.approx(hz, rel=0.01)
        assert pitch.high_hz == pytest.approx(hz, rel=0.01)
        assert pitch.range_semitones < 0.2
    a, b = talk.speakers["A"], talk.speakers["B"]
    assert a.level is not None
    assert b.level is not None
    assert a.level.median_dbfs - b.level.median_dbfs == pytest.approx(6.0, abs=0.3)
    assert a.level.against_others_db == pytest.approx(6.0, abs=0.3)
    assert a.voiced_s == pytest.approx(a.speaking_s - a.overlap_s, abs=0.5)


def test_time_and_words_are_counted(talk: Talk) -> None:
    a, b = talk.speakers["A"], talk.speakers["B"]
    assert (a.speaking_s, b.speaking_s) == (45.0, 12.6)
    assert a.share + b.share == pytest.approx(1, abs=1e-3)
    assert (a.words, b.words) == (90, 21)
    assert a.words_per_minute == 120
    assert b.words_per_minute == 100
    assert a.overlap_s == b.overlap_s == 2.6
    assert (b.interruptions_made, a.interruptions_suffered, b.backchannels) == (1, 1, 1)
    assert a.longest_monologue is not None
    assert (a.longest_monologue.start_s, a.longest_monologue.end_s) == (35.0, 60.0)
    assert talk.conversation.overlap_share == pytest.approx(2.6 / 55, abs=1e-4)
    assert talk.conversation.silence_share == pytest.approx(7 / 62, abs=1e-4)
    assert talk.conversation.speaker_changes == 2
    assert talk.conversation.dominant == "A"


def test_nobody_dominates_a_talk_of_equals_or_alone(tmp_path: Path) -> None:
    equals = [turn("A", 0, 20), turn("B", 20, 38)]
    path = sing(tmp_path, equals, 40)
    assert analyse_talk(path, equals, None).conversation.dominant is None
    assert analyse_talk(path, equals[:1], None).conversation.dominant is None
    short = [turn("A", 0, 20), turn("B", 20, 22)]
    assert analyse_talk(path, short, None).conversation.dominant is None, "22 s of speech are not enough to say so"


def test_what_can_not_be_measured_is_absent_and_never_nought(tmp_path: Path) -> None:
    turns = [turn("A", 0, 1.5), turn("B", 2, 8)]
    path = sing(tmp_path, [turns[0]], 10)  # B is said to speak where there is only noise
    found = analyse_talk(path, turns, None)
    a, b = found.speakers["A"], found.speakers["B"]
    assert a.words is None
    assert a.words_per_minute is None
    assert a.pitch is None, "1.5 s of voice are too little"
    assert a.level is not None
    assert a.level.against_others_db is None
    assert b.pitch is None
    assert b.level is None
    assert b.median_gap_s is None
    told = analyse_talk(path, turns, words("A", 3)).speakers["A"]
    assert told.words == 3
    assert told.words_per_minute is None


def test_a_recording_without_turns_or_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE)
    soundfile.write(tmp_path / "quiet.flac", np.zeros(RATE, np.float32), RATE)
    assert analyse_talk(tmp_path / "empty.wav", [], []).conversation.silence_share is None
    quiet = analyse_talk(tmp_path / "quiet.flac", [], [])
    assert quiet.speakers == {}
    assert quiet.conversation.silence_share == 1
    assert quiet.conversation.overlap_share is None
    beyond = analyse_talk(tmp_path / "quiet.flac", [turn("A", 0, 30)], None)
    assert beyond.speakers["A"].pitch is None


def test_the_same_turns_give_the_same_bytes_in_any_order(hummed: tuple[Path, list[Turn]], talk: Talk) -> None:
    path, turns = hummed
    again = analyse_talk(path, turns[::-1], [*words("B", 21), *words("A", 90)])
    assert again.digest() == talk.digest()
    assert again.model_dump_json() == talk.model_dump_json()


def test_windows_leave_no_seams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [turn("A", 0.3, 9.7)]
    path = sing(tmp_path, turns, 10)
    whole = analyse_talk(path, turns, None)
    monkeypatch.setattr("earwitness.talk.voice.WINDOW_FRAMES", 37)
    assert analyse_talk(path, turns, None) == whole


def test_the_telephone_call(phone_call: Path) -> None:
    found = analyse_talk(phone_call, read_rttm(phone_call.with_suffix(".rttm")), None)
    assert found.conversation.speaker_changes == 8
    for person in found.speakers.values():
        assert person.pitch is not None
        assert 170 < person.pitch.median_hz < 220, "two women"
        assert 5 < person.pitch.range_semitones < 15
        assert person.level is not None
    diane, sheila = found.speakers["speaker90"], found.speakers["speaker91"]
    # at 27.85 s Diane begins, 0.65 s before Sheila has done; at 18.15 s Sheila says something into Diane's turn
    assert (diane.interruptions_made, sheila.interruptions_suffered) == (1, 1)
    assert (sheila.interruptions_made, diane.interruptions_suffered) == (0, 0)
    assert (diane.backchannels, sheila.backchannels) == (0, 1)


@pytest.mark.slow
def test_an_hour_takes_bounded_memory_and_little_time(tmp_path: Path) -> None:
    hour = np.random.default_rng(5).normal(0, 300, 600 * RATE).astype(np.int16)
    with soundfile.SoundFile(tmp_path / "hour.wav", "w", RATE, 1, "PCM_16") as file:
        for _ in range(6):
            file.write(hour)
    del hour
    turns = [turn("AB"[n % 2], 5 * n, 5 * n + 5.5) for n in range(720)]
    tracemalloc.start()
    started = time.perf_counter()
    try:
        analyse_talk(tmp_path / "hour.wav", turns, None)
        took_s, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took_s < 0.05 * 3600, "machines are shared: the aim is 0.02"
    assert peak < 80_000_000, "the samples alone would be 230 MB"
