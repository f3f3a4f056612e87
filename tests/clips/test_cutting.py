"""Where clips are cut, and what is left of them when they are shortened."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earwitness.clips.cutting import RATE_HZ, Cut, Piece, joined, room_around, shortened
from earwitness.clips.sound import sound_of
from earwitness.clips.units import Unit, units_of
from earwitness.words.transcript import Utterance, Word


def said(*words: tuple[int, int, str], speaker: str = "A", key: str = "u0001") -> Utterance:
    found = tuple(Word(text, start, end, 1.0, speaker, key) for start, end, text in words)
    return Utterance(key, speaker, found[0].start_ms, found[-1].end_ms, " ".join(w[2] for w in words), found)


TALK = said((1_000, 1_400, "I"), (1_400, 1_900, "um,"), (1_900, 2_400, "think"), (4_400, 5_000, "so."))


def test_fillers_go_and_long_pauses_get_short() -> None:
    cut = shortened(900, 5_100, units_of([TALK]), 0)
    assert cut.spans == ((900, 1_400), (1_900, 2_625), (4_175, 5_100))
    (unit,) = cut.on_its_clock(units_of([TALK]))
    assert [(word.text, word.start_ms, word.end_ms) for word in unit.words] == [
        ("I", 100, 500),
        ("think", 500, 1_000),
        ("so.", 1_450, 2_050),
    ]


def test_nothing_is_taken_out_under_the_least_length_over_others_or_over_laughter() -> None:
    whole = ((900, 5_100),)
    assert shortened(900, 5_100, units_of([TALK]), 4_200).spans == whole
    other = said((1_300, 4_500, "Mmmhm-yes"), speaker="B", key="u0002")
    assert shortened(900, 5_100, units_of([TALK, other]), 0).spans == whole
    untimed = Unit(900, 5_100, "I think so.", "A", "u0001", (), True)
    assert shortened(900, 5_100, [untimed], 0).spans == whole
    levels = np.full(60, 100, np.float32)
    levels[26:42] = 500
    words = [(word.start_ms, word.end_ms) for word in TALK.words]
    assert shortened(900, 5_100, units_of([TALK]), 0, sound_of(levels, words)).spans == ((900, 1_400), (1_900, 5_100))


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000), st.integers(60, 900), st.sampled_from(["um", "uh,", "yes", "no."])),
        min_size=1,
        max_size=25,
    ),
    st.integers(0, 20_000),
)
def test_shortening_cuts_no_word_and_keeps_the_order_and_the_least_length(
    words: list[tuple[int, int, str]], least: int
) -> None:
    at, timed = 1_000, []
    for gap, length, text in words:
        timed.append((at + gap, at + gap + length, text))
        at += gap + length
    units = units_of([said(*timed)])
    cut = shortened(timed[0][0], at, units, least)
    assert (cut.start_ms, cut.end_ms) == (timed[0][0], at)
    assert all(start < end for start, end in cut.spans)
    assert all(a[1] < b[0] for a, b in pairwise(cut.spans))
    assert cut.length_ms >= min(least, at - timed[0][0])
    for begin, end, text in timed:
        if text in {"yes", "no."}:
            assert any(start <= begin and end <= stop for start, stop in cut.spans)
    starts = [word.start_ms for unit in cut.on_its_clock(units) for word in unit.words]
    assert starts == sorted(starts)


def test_the_sound_is_as_long_as_the_cut_says_and_has_no_clicks(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    tone = 0.4 * np.sin(2 * np.pi * 220 * np.arange(4 * RATE_HZ) / RATE_HZ)
    soundfile.write(path, np.stack([tone, tone], axis=1).astype(np.float32), RATE_HZ)
    cut = Cut(((600, 1_503), (2_011, 3_000), (3_107, 3_900)))
    piece = joined(Piece(path, 500, 4_000), cut, tmp_path / "out.wav")
    made, rate = soundfile.read(piece.path)
    assert len(made) / rate * 1000 == pytest.approx(cut.length_ms, abs=0.1)
    assert np.abs(np.diff(made[:, 0])).max() < 0.05


def test_there_is_room_up_to_the_words_around() -> None:
    units = units_of(
        [
            said((0, 900, "Before.")),
            said((1_000, 2_000, "Here."), key="u0002"),
            said((2_300, 2_900, "After."), key="u0003"),
        ]
    )
    room = room_around(1_000, 2_000, units)
    assert (room.earliest_ms, room.latest_ms) == (900, 2_300)
