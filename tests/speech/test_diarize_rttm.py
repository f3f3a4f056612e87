"""RTTM in and out."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.errors import BadTranscript
from earwitness.speech.rttm import read_rttm, write_rttm
from earwitness.speech.turns import Turn

_TURNS = st.lists(
    st.builds(
        lambda start, length, who: Turn(start_ms=start, end_ms=start + length, speaker=f"SPEAKER_{who:02d}"),
        st.integers(0, 50_000_000),
        st.integers(1, 600_000),
        st.integers(0, 9),
    ),
    max_size=20,
    unique=True,
)


@settings(deadline=None)  # the first example imports pyannote
@given(_TURNS)
def test_turns_survive_the_round_trip(tmp_path_factory: pytest.TempPathFactory, turns: list[Turn]) -> None:
    path = tmp_path_factory.mktemp("rttm") / "turns.rttm"
    path.write_text(write_rttm(turns, "a recording"))
    assert read_rttm(path) == sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker))


def test_names_lose_their_spaces() -> None:
    text = write_rttm([Turn(start_ms=500, end_ms=1250, speaker="Ada\tof  Lovelace")], "my talk")
    assert text.split()[:5] == ["SPEAKER", "my_talk", "1", "0.500", "0.750"]
    assert "Ada_of_Lovelace" in text


def test_references_of_others_are_read(phone_call: Path) -> None:
    turns = read_rttm(phone_call.with_suffix(".rttm"))
    assert len(turns) == 10
    assert {turn.speaker for turn in turns} == {"speaker90", "speaker91"}


@pytest.mark.parametrize("line", ["SPEAKER x 1 0.0", "SPEAKER x 1 zero 1.0 <NA> <NA> a <NA> <NA>"])
def test_a_broken_line_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.rttm"
    path.write_text(";; comment\n" + line + "\n")
    with pytest.raises(BadTranscript, match="Line 2"):
        read_rttm(path)
