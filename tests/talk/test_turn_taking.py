"""Who holds the floor: cases by hand, and what must hold of any turns."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.speech.turns import Turn
from earwitness.talk.turn_taking import TurnTaking, take_turns

Said = tuple[str, float, float]


def counted(*said: Said) -> TurnTaking:
    return take_turns([Turn(speaker=who, start_ms=round(a * 1000), end_ms=round(b * 1000)) for who, a, b in said])


def numbers(taking: TurnTaking, speaker: str) -> tuple[int, int, int, int, int]:
    """(turns, backchannels, attempts, interruptions made, suffered)."""
    floor = taking.floors[speaker]
    return (
        floor.turns,
        floor.backchannels,
        floor.attempts,
        floor.interruptions_made,
        floor.interruptions_suffered,
    )


def test_two_who_take_turns_neatly() -> None:
    found = counted(("A", 0, 4), ("B", 4.2, 8), ("A", 8.5, 10), ("B", 10, 12))
    assert numbers(found, "A") == (2, 0, 0, 0, 0)
    assert numbers(found, "B") == (2, 0, 0, 0, 0)
    assert found.changes == 3
    assert found.floors["B"].gaps_ms == [200, 0]
    assert (found.speech_ms, found.overlap_ms) == (11_300, 0)


def test_pauses_of_one_speaker_start_no_new_turn() -> None:
    assert counted(("A", 0, 2), ("A", 2.1, 4), ("A", 6, 8)).floors["A"].turns == 1


def test_a_word_into_anothers_turn_is_not_the_end_of_the_own_one() -> None:
    """B begins in A's short pause; what A says then lies inside B's turn."""
    found = counted(("A", 0, 4), ("B", 4.1, 8), ("A", 4.2, 4.9))
    assert numbers(found, "A") == (1, 1, 0, 0, 0)
    assert numbers(found, "B") == (1, 0, 0, 0, 0)


def test_an_interruption_takes_the_floor() -> None:
    found = counted(("A", 0, 5), ("B", 4.2, 9))
    assert numbers(found, "B") == (1, 0, 0, 1, 0)
    assert numbers(found, "A") == (1, 0, 0, 0, 1)
    assert found.floors["B"].gaps_ms == [-800]


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("the overlap is that of any quick change of speaker", [("A", 0, 5), ("B", 4.8, 9)]),
        ("both began at once", [("A", 0, 2), ("B", 0.6, 5)]),
        ("the other one stops together with it", [("A", 0, 5), ("B", 4.2, 5.3)]),
        ("the first goes on at once", [("A", 0, 5), ("B", 4.2, 9), ("A", 5.4, 7)]),
        ("it lies inside", [("A", 0, 9), ("B", 3, 6)]),
        ("they don't overlap", [("A", 0, 5), ("B", 5, 9)]),
    ],
)
def test_what_is_no_interruption(why: str, said: Sequence[Said]) -> None:
    found = counted(*said)
    assert sum(floor.interruptions_made for floor in found.floors.values()) == 0, why


def test_a_turn_that_pauses_was_held_from_its_beginning() -> None:
    """A has spoken for three seconds, though since its last pause for half a second only."""
    found = counted(("A", 0, 3), ("A", 3.5, 4.6), ("B", 4.0, 8))
    assert found.floors["B"].interruptions_made == 1


def test_backchannels_and_attempts_never_hold_the_floor() -> None:
    found = counted(("A", 0, 20), ("B", 3, 3.6), ("C", 5, 8), ("B", 10, 10.9))
    assert numbers(found, "A") == (1, 0, 0, 0, 0)
    assert numbers(found, "B") == (0, 2, 0, 0, 0)
    assert numbers(found, "C") == (0, 0, 1, 0, 0)
    assert found.changes == 0
    assert found.floors["B"].monologue is None


def test_a_monologue_bears_small_interjections_but_no_answer() -> None:
    found = counted(("A", 0, 10), ("B", 4, 4.5), ("B", 10.2, 10.9), ("A", 11, 20), ("B", 20.5, 24), ("A", 24.5, 30))
    assert found.floors["A"].monologue == (0, 20_000)
    assert found.floors["B"].monologue == (20_500, 24_000)


def test_a_monologue_ends_with_a_long_silence() -> None:
    assert counted(("A", 0, 10), ("A", 12.9, 20), ("A", 23.1, 25)).floors["A"].monologue == (0, 20_000)


def test_a_listener_who_says_mhm_holds_no_monologue() -> None:
    said: list[Said] = [("A", 0, 60), *(("B", 2.0 * n, 2.0 * n + 0.5) for n in range(1, 25))]
    assert counted(*said).floors["B"].monologue is None


def test_three_at_once() -> None:
    found = counted(("A", 0, 4), ("B", 1, 5), ("C", 2, 6))
    assert found.speech_ms == 6_000
    assert found.overlap_ms == 4_000
    assert {label: floor.overlap_ms for label, floor in found.floors.items()} == {"A": 3_000, "B": 4_000, "C": 3_000}
    assert found.alone == {"A": [(0, 1_000)], "B": [], "C": [(5_000, 6_000)]}


def test_gaps_are_told_from_three_turns_on() -> None:
    assert counted(("A", 0, 1), ("B", 1.1, 2), ("A", 2, 3), ("B", 3, 4)).floors["B"].median_gap_ms is None
    many = counted(*(("AB"[n % 2], n, n + 0.9) for n in range(8)))
    assert many.floors["B"].median_gap_ms == pytest.approx(100)


def test_nobody_speaks() -> None:
    found = take_turns([])
    assert (found.floors, found.alone, found.speech_ms, found.overlap_ms, found.changes) == ({}, {}, 0, 0, 0)


@st.composite
def any_turns(draw: st.DrawFn) -> list[Turn]:
    """Of up to four speakers; they overlap others and themselves."""
    found = []
    for _ in range(draw(st.integers(0, 30))):
        start = draw(st.integers(0, 20_000))
        found.append(
            Turn(start_ms=start, end_ms=start + draw(st.integers(1, 6_000)), speaker=draw(st.sampled_from("ABCD")))
        )
    return found


def covered(turns: Sequence[Turn]) -> list[int]:
    """How many speak, for every millisecond."""
    active = {turn.speaker: np.zeros(26_001, dtype=int) for turn in turns}
    for turn in turns:
        active[turn.speaker][turn.start_ms : turn.end_ms] = 1
    many: list[int] = sum(active.values(), np.zeros(26_001, dtype=int)).tolist()
    return many


@given(any_turns())
def test_seconds_add_up(turns: list[Turn]) -> None:
    found, many = take_turns(turns), covered(turns)
    assert found.speech_ms == sum(n > 0 for n in many)
    assert found.overlap_ms == sum(n > 1 for n in many)
    assert sum(floor.speaking_ms for floor in found.floors.values()) == sum(many)
    for label, floor in found.floors.items():
        alone = sum(end - start for start, end in found.alone[label])
        assert alone + floor.overlap_ms == floor.speaking_ms
    assert sum(end - start for spans in found.alone.values() for start, end in spans) == sum(n == 1 for n in many)


@given(any_turns())
def test_counts_agree_with_each_other(turns: list[Turn]) -> None:
    found = take_turns(turns)
    floors = found.floors.values()
    total = sum(floor.turns for floor in floors)
    assert sum(floor.interruptions_made for floor in floors) == sum(f.interruptions_suffered for f in floors)
    assert found.changes == max(0, total - 1)
    assert sum(len(floor.gaps_ms) for floor in floors) == found.changes
    assert sum(floor.interruptions_made for floor in floors) <= found.changes
    for floor in floors:
        assert (floor.monologue is None) == (floor.turns == 0)
        if floor.monologue is not None:
            assert floor.monologue[1] - floor.monologue[0] >= 1
            assert floor.turns + floor.backchannels + floor.attempts >= 1
    if turns:
        assert total >= 1


@given(any_turns(), st.randoms(), st.integers(0, 10_000))
def test_order_of_the_turns_and_where_the_recording_starts_do_not_matter(
    turns: list[Turn], random: object, later: int
) -> None:
    shuffled = list(turns)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    moved = [t.model_copy(update={"start_ms": t.start_ms + later, "end_ms": t.end_ms + later}) for t in shuffled]
    first, second = take_turns(turns), take_turns(moved)
    assert (first.speech_ms, first.overlap_ms, first.changes) == (second.speech_ms, second.overlap_ms, second.changes)
    assert {k: (f.turns, f.gaps_ms, f.interruptions_made) for k, f in first.floors.items()} == {
        k: (f.turns, f.gaps_ms, f.interruptions_made) for k, f in second.floors.items()
    }


@given(any_turns())
def test_a_turn_cut_in_two_changes_nothing(turns: list[Turn]) -> None:
    cut = []
    for turn in turns:
        middle = (turn.start_ms + turn.end_ms) // 2
        parts = (
            [(turn.start_ms, middle), (middle, turn.end_ms)]
            if middle > turn.start_ms
            else [(turn.start_ms, turn.end_ms)]
        )
        cut += [Turn(start_ms=a, end_ms=b, speaker=turn.speaker) for a, b in parts]
    assert take_turns(cut) == take_turns(turns)
