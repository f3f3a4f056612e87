"""Stars and numbers are kept, move the weights a little with each, and can be dropped."""

import json
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from earwitness.archive.reading import Bundle, read_bundle
from earwitness.cli.clips import clips as command
from earwitness.clips.choose import score_of, weights_of
from earwitness.clips.clip import Clip, ClipList
from earwitness.clips.learning import MOST, learn, learned_for
from earwitness.clips.performance import import_performance
from earwitness.clips.ratings import STARS, Rating, forget_ratings, rate, ratings
from earwitness.errors import StorageError, UsageError
from earwitness.home import home
from earwitness.options import Profile
from earwitness.speech.turns import Turn
from earwitness.words.transcript import Word
from tests.bundles import placed_bundle

FUNNY = {"salience": 0.2, "hook": 0.2, "laughter": 1.0, "emotion": 0.9, "standalone": 0.7}
TELLING = {"salience": 0.5, "hook": 0.3, "laughter": 0.0, "emotion": 0.1, "standalone": 0.7}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    words = [Word(f"w{n}.", n * 500, n * 500 + 400, 1.0, "SPEAKER_00", "u0001") for n in range(100)]
    turns = [Turn(start_ms=0, end_ms=50_000, speaker="SPEAKER_00")]
    made = placed_bundle(tmp_path / "out", words, turns, {"SPEAKER_00": "Sam"})
    listed = [
        Clip(
            id=f"clip-{n}",
            start_s=n * 10.0,
            end_s=n * 10.0 + 8,
            score=0.5,
            reason="",
            title=f"Clip {n}",
            preset="audio",
            path=f"clips/clip-{n}.m4a",
            captions=None,
            features=FUNNY if n % 2 else TELLING,
        )
        for n in range(1, 5)
    ]
    (made.folder / "clips.json").write_text(ClipList(clips=listed).model_dump_json())
    return read_bundle(made.folder)


def opinion(number: int, value: float, features: dict[str, float], source: str = STARS) -> Rating:
    return Rating(f"{number:064d}", 0, 30_000, source, "podcast", "clip-1", "", value, "", {}, features)


def order(opinions: list[Rating]) -> list[str]:
    """The funny and the telling clip, best first."""
    weights = weights_of(Profile.PODCAST, "audio", learn(opinions))
    scores = {"funny": score_of(FUNNY, weights), "telling": score_of(TELLING, weights)}
    return sorted(scores, key=lambda name: -scores[name])


def test_one_rating_changes_no_order_and_many_that_agree_do() -> None:
    agreeing = [opinion(n, 1.0, FUNNY) if n % 2 else opinion(n, -1.0, TELLING) for n in range(1, 31)]
    assert order([]) == order(agreeing[:1]) == ["telling", "funny"]
    assert order(agreeing) == ["funny", "telling"]


def test_weights_move_steadily_with_evidence() -> None:
    agreeing = [opinion(n, 1.0, FUNNY) if n % 2 else opinion(n, -1.0, TELLING) for n in range(1, 41)]
    factors = [learn(agreeing[:count]).factors["laughter"] for count in (1, 2, 4, 8, 16, 32)]
    assert all(a < b for a, b in pairwise([1.0, *factors]))
    assert factors[0] < 1.1
    assert factors[-1] <= MOST


def test_opinions_that_contradict_one_another_teach_nothing() -> None:
    both = [opinion(n, 1.0 if n % 2 else -1.0, FUNNY) for n in range(40)]
    assert all(factor == pytest.approx(1.0, abs=0.02) for factor in learn(both).factors.values())


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.dictionaries(st.sampled_from(sorted(FUNNY)), st.floats(0, 1), max_size=5)),
        max_size=60,
    )
)
def test_weights_stay_within_bounds_and_do_not_depend_on_the_order(found: list[tuple[float, dict[str, float]]]) -> None:
    opinions = [opinion(n, value, features) for n, (value, features) in enumerate(found)]
    learned = learn(opinions)
    assert all(1 / MOST - 0.001 <= factor <= MOST for factor in learned.factors.values())
    assert learn(opinions[::-1]) == learned


def test_a_rating_is_kept_for_its_profile_and_said_again_replaces_it(bundle: Bundle) -> None:
    assert learned_for(bundle.recording.profile) is None
    rate(bundle, "clip-1", 5, "made me laugh")
    rate(bundle, "1", 2)
    (kept,) = ratings(bundle.recording.profile)
    assert (kept.clip, kept.value, kept.figures, kept.features) == ("clip-1", -0.5, {"stars": 2}, FUNNY)
    learned = learned_for(bundle.recording.profile)
    assert learned is not None
    assert learned.ratings == 1
    others = [item.value for item in Profile if item.value != bundle.recording.profile]
    assert [learned_for(other) for other in others] == [None] * len(others)


def test_ratings_are_dropped_and_the_weights_are_as_shipped(bundle: Bundle) -> None:
    rate(bundle, "clip-1", 5)
    assert forget_ratings("no such profile") == 0
    assert forget_ratings(bundle.recording.profile) == 1
    assert learned_for(bundle.recording.profile) is None


def _rate_in_a_process(folder: str, clip: str) -> None:
    rate(read_bundle(Path(folder)), clip, 4)


def test_several_processes_rate_at_once(bundle: Bundle) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(_rate_in_a_process, str(bundle.folder), f"clip-{n}") for n in range(1, 5)]
        for each in done:
            each.result()
    assert {rating.clip for rating in ratings()} == {"clip-1", "clip-2", "clip-3", "clip-4"}


def test_numbers_count_beside_those_of_the_same_platform(bundle: Bundle, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(
        "Clip,Platform,Views,Likes,Watch_Share\n"
        "clip-1,tiktok,1000,100,62%\nclip-2,tiktok,100,1,0.2\nclip-3,tiktok,500,20,\nclip-1,reels,9,,\n"
    )
    found = {(made.clip, made.source): made for made in import_performance(bundle, numbers)}
    assert found["clip-1", "tiktok"].value == 1.0
    assert found["clip-2", "tiktok"].value == -1.0
    assert found["clip-3", "tiktok"].value == 0.0
    assert found["clip-1", "reels"].value == 0.0, "one clip alone says nothing"
    assert found["clip-1", "tiktok"].figures["watch_share"] == 0.62
    import_performance(bundle, numbers)
    assert len(ratings()) == 4
    learned = learned_for(bundle.recording.profile)
    assert learned is not None
    assert (learned.ratings, learned.imported) == (0, 4)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("id,views\nclip-1,3\n", "columns id, views"),
        ("clip,title\nclip-1,x\n", "columns clip, title"),
        ("clip,views\nclip-9,3\n", "line 2: there is no clip 'clip-9'"),
        ("clip,views\nclip-1,3\nclip-2,many\n", "line 3: views is 'many'"),
        ("clip,watch_share\nclip-1,62\n", "line 2: watch_share is '62'"),
        ("clip,views\nclip-1,nan\n", "line 2: views is 'nan'"),
        ("clip,views\nclip-1,3\nclip-1,4\n", "line 3: clip-1 is there twice"),
        ("clip,views,platform\nclip-1,3,Stars\n", "no platform is called stars"),
        ("", "columns (none)"),
    ],
)
def test_a_file_of_numbers_that_cant_be_used_keeps_nothing(
    bundle: Bundle, tmp_path: Path, text: str, named: str
) -> None:
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(text)
    with pytest.raises(UsageError) as refused:
        import_performance(bundle, numbers)
    assert named in refused.value.message
    assert ratings() == []


def test_a_damaged_file_of_ratings_is_said(bundle: Bundle) -> None:
    home().mkdir(parents=True, exist_ok=True)
    (home() / "ratings.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match=r"ratings\.sqlite3"):
        rate(bundle, "clip-1", 3)


def test_the_command_line_rates_imports_shows_and_resets(bundle: Bundle, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("clip,views\nclip-1,10\nclip-2,20\n")
    profile = bundle.recording.profile

    def run(*arguments: str) -> str:
        return CliRunner().invoke(command, [*arguments], catch_exceptions=False, standalone_mode=False).stdout

    assert "clip-3" in run("list", str(bundle.folder))
    assert "1 ratings" in run("rate", str(bundle.folder), "clip-1", "--stars", "5")
    assert "clip-2 on performance: +1.00" in run("import", str(bundle.folder), str(numbers))
    shown = json.loads(run("weights", "--profile", profile, "--json"))[profile]
    assert (shown["ratings"], shown["imported"]) == (1, 2)
    assert shown["weights"]["laughter"]["shipped"] != shown["weights"]["laughter"]["now"]
    assert "laughter" in run("weights")
    assert "3 ratings dropped" in run("reset")
    shown = json.loads(run("weights", "--profile", profile, "--json"))[profile]
    assert all(weight["shipped"] == weight["now"] for weight in shown["weights"].values())
