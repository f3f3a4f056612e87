"""Who is named by voice, who is not, and what the doubt ledger says of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.speech.voice_encoder import Vectors, unit
from earwitness.voices.identify import DOUBTFUL, MARGIN, SURE, VoiceDoubt, name_by_voice
from earwitness.voices.voiceprint import VoicePrint, packed, trace_of
from earwitness.words.cast import Cast, CastMember, Speaker
from tests.voices.test_enrolment import written

LONG = 60_000
A, B = np.eye(256, dtype=np.float32)[:2]


def voice(likeness_to_a: float, likeness_to_b: float = 0.0, direction: int = 5) -> Vectors:
    """A unit vector with these cosines to A and B."""
    vector = likeness_to_a * A + likeness_to_b * B
    vector[direction] = np.sqrt(max(0.0, 1 - likeness_to_a**2 - likeness_to_b**2))
    return unit(vector)


def of(name: str, vector: Vectors) -> VoicePrint:
    return written(name, embedding=packed(vector))


ANN, BO = of("Ann", A), of("Bo", B)


def named(
    voices: dict[str, Vectors],
    prints: list[VoicePrint] | None = None,
    *,
    cast: Cast | None = None,
    known: dict[str, Any] | None = None,
    talk_ms: int = LONG,
) -> tuple[dict[str, str], list[VoiceDoubt], list[Speaker]]:
    speakers = [Speaker(label=label, name=label) for label in sorted(voices)]
    speakers = [item.model_copy(update=(known or {}).get(item.label, {})) for item in speakers]
    talk = dict.fromkeys(voices, talk_ms)
    result, doubts = name_by_voice(speakers, voices, prints or [ANN, BO], cast, talk)
    assert [item.label for item in result] == sorted(voices)
    return {item.label: item.name for item in result}, doubts, result


def test_a_voice_that_is_surely_known_is_named_with_its_score() -> None:
    names, doubts, speakers = named({"S0": voice(0.9), "S1": voice(0.1, 0.92), "S2": voice(0.5, 0.5)})
    assert names == {"S0": "Ann", "S1": "Bo", "S2": "S2"}
    assert doubts == []
    assert speakers[0].named_by == "voice"
    assert speakers[0].score == pytest.approx(0.9, abs=0.001)
    assert (speakers[2].named_by, speakers[2].score) == ("nobody", None)


def test_near_the_threshold_there_is_a_doubt_and_no_name() -> None:
    names, (doubt,), _ = named({"S0": voice((SURE + DOUBTFUL) / 2)})
    assert names == {"S0": "S0"}
    assert doubt.kind == "voice-unsure"
    assert "Ann (0.76)" in doubt.message
    assert doubt.traces == [trace_of("ann")]


def test_between_two_people_there_is_a_doubt_with_both() -> None:
    twin = of("Cy", voice(0.999))
    names, (doubt,), _ = named({"S0": voice(0.9)}, [ANN, twin])
    assert names == {"S0": "S0"}
    assert "Ann" in doubt.message
    assert "Cy" in doubt.message


def test_a_strange_voice_is_not_spoken_of() -> None:
    assert named({"S0": voice(DOUBTFUL - 0.01)})[:2] == ({"S0": "S0"}, [])


def test_so_short_a_voice_is_not_named() -> None:
    names, (doubt,), _ = named({"S0": voice(0.95)}, talk_ms=1_500)
    assert names == {"S0": "S0"}
    assert "too little" in doubt.message


def test_one_person_has_one_voice_and_the_other_is_to_be_looked_at() -> None:
    names, (doubt,), _ = named({"S0": voice(0.82, direction=7), "S1": voice(0.88)})
    assert names == {"S0": "S0", "S1": "Ann"}
    assert (doubt.kind, doubt.label) == ("voice-merge", "S0")
    assert "--merge S0=S1" in doubt.message


def test_one_person_has_two_voices_where_they_are_surely_one() -> None:
    names, (doubt,), _ = named({"S0": voice(0.95), "S1": voice(0.93)})
    assert names == {"S0": "Ann", "S1": "Ann"}
    assert (doubt.kind, doubt.label) == ("voice-merge", "S1")


@pytest.mark.parametrize("by", ["transcript", "cast", "correction"])
def test_names_that_are_known_win_and_are_given_once(by: str) -> None:
    known = {"S0": {"name": "Ann", "named_by": by}}
    names, doubts, speakers = named({"S0": voice(0.5), "S1": voice(0.9)}, known=known)
    assert names == {"S0": "Ann", "S1": "S1"}
    assert speakers[0].named_by == by
    assert [doubt.kind for doubt in doubts] == ["voice-merge"]


def test_a_name_that_the_voice_surely_contradicts_is_kept_and_doubted() -> None:
    known = {"S0": {"name": "Bo", "named_by": "transcript"}}
    names, (doubt,), _ = named({"S0": voice(0.9)}, known=known)
    assert names == {"S0": "Bo"}
    assert doubt.kind == "voice-contradicts"
    corrected = {"S0": {"name": "Bo", "named_by": "correction"}}
    assert named({"S0": voice(0.9)}, known=corrected)[:2] == ({"S0": "Bo"}, [])


def test_the_cast_gives_character_and_role_and_says_who_may_be_there() -> None:
    member = CastMember(person="Ann Lee", aliases=["ann"], character="Sella", role="player")
    voices = {"S0": voice(0.9), "S1": voice(0.0, 0.9)}
    names, doubts, speakers = named(voices, cast=Cast(members=[member]))
    assert names == {"S0": "Ann Lee", "S1": "S1"}
    assert doubts == []
    assert (speakers[0].character, speakers[0].role) == ("Sella", "player")
    assert named(voices, cast=Cast(members=[member], complete=False))[0] == {"S0": "Ann Lee", "S1": "Bo"}


@given(
    st.lists(st.tuples(st.floats(0, 0.7), st.floats(0, 0.7)), max_size=6),
    st.lists(st.floats(SURE + MARGIN, 0.99), max_size=4),
)
def test_whatever_is_heard_names_are_of_people_who_are_alike_enough(
    strangers: list[tuple[float, float]], known: list[float]
) -> None:
    voices = {f"N{at}": voice(*pair) for at, pair in enumerate(strangers)}
    voices |= {f"S{at}": voice(likeness) for at, likeness in enumerate(known)}
    names, doubts, speakers = named(voices) if voices else ({}, [], [])
    assert all(name == label for label, name in names.items() if label.startswith("N"))
    assert not known or "Ann" in names.values()
    assert all(item.score is None or item.score >= SURE for item in speakers)
    assert {doubt.label for doubt in doubts} <= set(voices)
