import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from earwitness.notes.choosing import choose


@given(
    sentences=st.lists(st.tuples(st.floats(0.001, 10), st.integers(1, 25)), min_size=1, max_size=80),
    budget=st.integers(1, 600),
)
def test_never_more_words_than_asked_for_and_everything_if_it_fits(
    sentences: list[tuple[float, int]], budget: int
) -> None:
    scores, lengths = [s for s, _ in sentences], [n for _, n in sentences]
    chosen = choose(scores, lengths, [[str(n)] for n in range(len(sentences))], [0] * len(sentences), budget)
    assert chosen == sorted(set(chosen))
    total = sum(lengths[i] for i in chosen)
    assert total <= max(budget * 1.05, min(lengths))
    if sum(lengths) <= budget:
        assert len(chosen) == len(sentences)


def test_the_length_is_met_within_five_percent() -> None:
    rng = np.random.default_rng(1)
    lengths = [int(n) for n in rng.integers(4, 40, 400)]
    scores = [float(s) for s in rng.random(400)]
    for budget in (40, 97, 500, 3000):
        chosen = choose(scores, lengths, [[str(n)] for n in range(400)], [n // 40 for n in range(400)], budget)
        assert abs(sum(lengths[i] for i in chosen) - budget) <= 0.05 * budget


def test_a_repetition_gives_way_to_something_new() -> None:
    contents = [["dragon", "gold"], ["dragon", "gold"], ["harbour", "ship"]]
    assert choose([1.0, 0.99, 0.9], [10, 10, 10], contents, [0, 0, 0], 20) == [0, 2]


def test_all_scenes_have_their_say() -> None:
    scores = [1.0 + n / 1000 for n in range(100)] + [0.8] * 100
    chosen = choose(scores, [10] * 200, [[str(n)] for n in range(200)], [n // 100 for n in range(200)], 400)
    assert 10 <= sum(n >= 100 for n in chosen) <= 30


def test_long_notes_of_long_recordings_take_seconds() -> None:
    rng = np.random.default_rng(2)
    contents = [[f"w{n}" for n in rng.zipf(1.4, 10) % 5000] for _ in range(8_000)]
    started = time.perf_counter()
    choose([float(s) for s in rng.random(8_000)], [12] * 8_000, contents, [n // 400 for n in range(8_000)], 1_500)
    assert time.perf_counter() - started < 10
