"""A short form of `make fuzz`: files damaged at random are read or refused, soon, in little memory."""

from collections import Counter
from pathlib import Path

import pytest

from tests.hostile.child import Child
from tests.hostile.doors import knock
from tests.hostile.fuzz import make_case, run_cases, seeds_in, table
from tests.hostile.seeds import TEXTS

CASES = 60
SEED = 1


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return seeds_in(tmp_path_factory.mktemp("seeds"), shared=False)


def test_damaged_files_are_read_or_refused(recordings: list[Path], tmp_path: Path) -> None:
    results = run_cases(range(CASES), SEED, recordings, tmp_path, jobs=2)
    assert len(results) == CASES
    assert [result for result in results if result.fault] == [], table(results, SEED)
    doors = Counter(result.case.door for result in results)
    assert doors["recording"] > CASES // 2
    assert len(doors) >= 4, "what else users hand in is among the cases"


def test_a_case_is_the_same_every_time(recordings: list[Path]) -> None:
    assert make_case(SEED, 7, recordings) == make_case(SEED, 7, recordings)
    different: set[bytes] = {make_case(SEED, number, recordings).content for number in range(50)}
    assert len(different) > 45


@pytest.mark.parametrize("name", TEXTS)
def test_undamaged_texts_are_read(name: str, tmp_path: Path) -> None:
    door, content = TEXTS[name]
    path = tmp_path / name
    path.write_bytes(content)
    assert knock(door, path).outcome == "read"


def test_a_crash_and_a_hang_would_be_seen(tmp_path: Path, recordings: list[Path]) -> None:
    stuck = ("sh", "-c", "sleep 600")
    with Child(tmp_path / "home", stuck, limit_s=1.0) as child:
        assert child.ask("recording", recordings[0]).fault == "hangs"
    with Child(tmp_path / "home", ("sh", "-c", "kill -SEGV $$")) as child:
        assert child.ask("recording", recordings[0]).fault == "died"


FOUND: dict[str, tuple[str, bytes]] = {
    "a caption without text": (
        "a.srt",
        b"1\n00:00:01,000 --> 00:00:02,000\n\n00:00:03,000 --> 00:00:04,000\nHi\n",
    ),
    "a caption that speaks of times": (
        "a.vtt",
        b"WEBVTT\n\n00:01.000 --> 00:02.000\nFrom 00:01:00.000 to 00:02:00.000,\nsay --> 00:01:00.000 00:02:00.000\n",
    ),
}
"""What the fuzzer found, kept for good."""


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_stays_mended(what: str, tmp_path: Path) -> None:
    name, content = FOUND[what]
    path = tmp_path / name
    path.write_bytes(content)
    answer = knock("transcript", path)
    assert (answer.fault, answer.message) == ("", "")
