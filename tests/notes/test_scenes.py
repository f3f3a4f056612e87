import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.notes.scenes import Scene, find_scenes

SHIP = "captain sail storm anchor deck harbour rope mast tide wave".split()
KITCHEN = "oven butter flour knife plate sugar bread spoon salt pepper".split()


def talk(words: list[str], utterances: int) -> list[list[str]]:
    return [[words[(n + k) % len(words)] for k in range(8)] for n in range(utterances)]


def test_a_change_of_subject_starts_a_scene() -> None:
    words = talk(SHIP, 120) + talk(KITCHEN, 130)
    assert find_scenes(words, [8] * 250, 2) == [Scene(0, 119), Scene(120, 249)]
    assert 120 in [scene.first for scene in find_scenes(words, [8] * 250, None)]


@given(
    lengths=st.lists(st.integers(0, 40), max_size=60),
    wanted=st.one_of(st.none(), st.integers(1, 100)),
)
def test_scenes_cover_everything_once_in_order(lengths: list[int], wanted: int | None) -> None:
    words = [[f"w{n % 7}" for n in range(length)] for length in lengths]
    scenes = find_scenes(words, lengths, wanted)
    covered = [n for scene in scenes for n in range(scene.first, scene.last + 1)]
    assert covered == list(range(len(lengths)))
    if wanted is not None:
        assert len(scenes) == min(wanted, len(lengths))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_the_number_of_chapters_is_obeyed_even_in_monotony(count: int) -> None:
    assert len(find_scenes([["same"]] * 20, [1] * 20, count)) == count
