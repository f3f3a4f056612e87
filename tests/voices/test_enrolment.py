"""Enrolling voices, from the command line and from Python."""

import json
import stat
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from earwitness.cli.voices import voices
from earwitness.errors import BadRecording, EarwitnessError, UnknownValue, UsageError
from earwitness.home import voices_path
from earwitness.voices.enrolled import add_voice, enrolled_voices, remove_print, today, usable_voices
from earwitness.voices.forget import forget_voice
from earwitness.voices.voiceprint import VoicePrint, packed
from tests.voices.conftest import OREN, SCENE


def called(*arguments: object) -> Any:
    return CliRunner().invoke(voices, [str(item) for item in arguments], catch_exceptions=False, standalone_mode=False)


def test_a_voice_is_enrolled_listed_replaced_and_erased(diane: Path) -> None:
    done = called(
        "add", "  Diane\n Miller ", diane, "--consent", "by mail", "--scope", "The Mill", "--expires", "2999-12-31"
    )
    assert "Diane Miller: enrolled from" in done.stdout
    (path,) = voices_path().iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(voices_path().stat().st_mode) == 0o700
    listed = json.loads(called("list", "--json").stdout)
    assert listed["speech_s"] == pytest.approx(4.3, abs=1)
    assert {key: listed[key] for key in ("name", "scope", "expires", "consent", "samples", "expired")} == {
        "name": "Diane Miller",
        "scope": "The Mill",
        "expires": "2999-12-31",
        "consent": "by mail",
        "samples": 1,
        "expired": False,
    }
    assert "embedding" not in listed
    assert "Diane Miller" in called("list").stdout

    called("add", "diane miller", diane)
    assert [item.name for item in enrolled_voices()[0]] == ["diane miller"]
    assert "erased the voice print" in called("forget", "DIANE MILLER").stdout
    assert list(voices_path().iterdir()) == []


def test_a_print_is_never_shown(diane: Path) -> None:
    made = add_voice("Diane", [diane])
    assert np.linalg.norm(made.vector) == pytest.approx(1, abs=1e-4)
    assert made.embedding not in f"{made!r} {made}"
    for command in (["list"], ["list", "--json"], ["forget", "Diane", "--json"]):
        assert made.embedding[:20] not in called(*command).output


def test_a_part_of_a_long_recording_is_enough_and_gives_the_same_print_again() -> None:
    first = add_voice("Oren", [SCENE], span_ms=OREN)
    assert add_voice("Oren", [SCENE], span_ms=OREN) == first
    assert first.speech_s == pytest.approx(7.5, abs=1)
    later = add_voice("Oren later", [SCENE], span_ms=(24_300, 35_700))
    other = add_voice("Priya", [SCENE], span_ms=(13_750, 18_650))
    assert float(first.vector @ later.vector) > 0.85 > 0.75 > float(first.vector @ other.vector)


def test_short_samples_add_up(tmp_path: Path, diane: Path) -> None:
    samples, rate = soundfile.read(diane, dtype="int16")
    for name, piece in (("a.wav", samples[: 5 * rate // 2]), ("b.wav", samples[5 * rate // 2 :])):
        soundfile.write(tmp_path / name, piece, rate)
    with pytest.raises(BadRecording, match=r"at least 3 s") as caught:
        add_voice("Diane", [tmp_path / "a.wav"])
    assert "5 to 10 s" in caught.value.remedy
    assert add_voice("Diane", [tmp_path / "a.wav", tmp_path / "b.wav"]).samples == 2


def test_two_people_in_a_sample_are_refused(phone_call: Path, diane: Path) -> None:
    with pytest.raises(BadRecording, match="more than one person") as caught:
        add_voice("Diane", [phone_call])
    assert "--from" in caught.value.remedy
    with pytest.raises(BadRecording, match="sound like two people"):
        add_voice("Diane", [diane, _cut(SCENE, diane.with_name("oren.wav"), 0.5, 8.0)])
    assert enrolled_voices() == ([], [])


def test_one_person_in_pieces_is_one_person(phone_call: Path, tmp_path: Path) -> None:
    """The half second of the other person in the middle is too little to be somebody, and makes the pieces differ."""
    samples, rate = soundfile.read(phone_call, dtype="int16")
    parts = [samples[round(start * rate) : round(end * rate)] for start, end in ((18.65, 21.45), (27.9, 30.0))]
    soundfile.write(tmp_path / "pieces.wav", np.concatenate(parts), rate)
    assert add_voice("Diane", [tmp_path / "pieces.wav"]).samples == 1


def _cut(path: Path, target: Path, start_s: float, end_s: float) -> Path:
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(target, samples[round(start_s * rate) : round(end_s * rate)], rate)
    return target


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", "Ann", "/nowhere/ann.wav"], 3, "no recording at /nowhere/ann.wav"),
        (["add", "Ann", __file__], 3, "test_enrolment.py is"),
        (["add", " \n", SCENE], 2, "is no name"),
        (["add", "Ann", SCENE, SCENE, "--from", "0:10"], 2, "with one FILE"),
        (["add", "Ann", SCENE, "--from", "0:10", "--to", "0:10"], 2, "not after"),
        (["add", "Ann", SCENE, "--from", "59:00"], 2, "behind the end"),
        (["add", "Ann", SCENE, "--expires", "2001-01-01"], 2, "2001-01-01 is over"),
        (["forget", "Ann"], 2, "nobody is enrolled"),
    ],
)
def test_what_can_not_be_enrolled_is_said(arguments: list[object], code: int, said: str) -> None:
    with pytest.raises(EarwitnessError) as caught:
        called(*arguments)
    assert said in str(caught.value)
    assert caught.value.exit_code == code
    assert not voices_path().exists()


@pytest.mark.parametrize("option", [("--from", "soon"), ("--expires", "tomorrow")])
def test_moments_and_days_have_a_form(option: tuple[str, str]) -> None:
    with pytest.raises(Exception, match="Give one such as"):
        called("add", "Ann", SCENE, *option)


def test_silence_is_no_sample(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "nothing.wav", np.zeros(16_000 * 6, np.int16), 16_000)
    with pytest.raises(BadRecording, match=r"No speech was found in nothing\.wav"):
        add_voice("Ann", [tmp_path / "nothing.wav"])


def written(name: str, **fields: Any) -> VoicePrint:
    vector = np.zeros(256, np.float32)
    vector[0] = 1
    given: dict[str, Any] = {"encoder": "other", "embedding": packed(vector), "speech_s": 5, "samples": 1}
    return VoicePrint(**{"name": name, "added": date(2026, 1, 1), **given, **fields})


def test_expired_voices_and_those_of_other_scopes_and_encoders_are_not_used() -> None:
    from earwitness.voices.sample import encoder_id

    encoder, yesterday = encoder_id(), today() - timedelta(days=1)
    prints = [
        written("anywhere", encoder=encoder, expires=today()),
        written("here", encoder=encoder, scope="The Mill"),
        written("there", encoder=encoder, scope="Greywater"),
        written("expired", encoder=encoder, expires=yesterday),
        written("of another encoder"),
    ]
    assert [item.name for item in usable_voices(prints, "the mill")] == ["anywhere", "here"]
    assert [item.name for item in usable_voices(prints, None)] == ["anywhere"]


def test_an_expired_voice_is_listed_as_such() -> None:
    _put(written("Ann", expires=date(2020, 1, 1)))
    assert "EXPIRED, not used since 2020-01-01" in called("list").stdout
    assert json.loads(called("list", "--json").stdout)["expired"] is True


def _put(item: VoicePrint) -> Path:
    from earwitness.voices.voiceprint import file_of

    voices_path().mkdir(parents=True, exist_ok=True)
    path = voices_path() / file_of(item.name)
    path.write_text(item.model_dump_json())
    return path


def test_an_unknown_name_lists_those_there_are() -> None:
    _put(written("Ann"))
    _put(written("Bo"))
    with pytest.raises(UnknownValue, match=r"'Cy'.* Ann, Bo"):
        forget_voice("Cy")


@pytest.mark.parametrize("content", ["", "{}", '{"name": 3', "\x00"])
def test_a_damaged_print_is_named_and_spares_the_others(content: str) -> None:
    _put(written("Ann")).write_text(content)
    _put(written("Bo"))
    prints, (problem,) = enrolled_voices()
    assert [item.name for item in prints] == ["Bo"]
    assert "can't be read" in problem
    done = called("list")
    assert done.return_value == 6
    assert remove_print("Ann")
    assert enrolled_voices()[1] == []


def test_a_print_of_a_later_version_is_left_alone() -> None:
    _put(written("Ann", schema_version="2.0"))
    assert enrolled_voices()[0] == []
    assert "another version" in enrolled_voices()[1][0]


def test_a_span_of_several_files_is_refused_in_python_too() -> None:
    with pytest.raises(UsageError, match="not one recording"):
        add_voice("Ann", [SCENE, SCENE], span_ms=(0, 1000))
