"""Disks that are full, read-only, or lose what was written to them."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from earwitness.result import Outcome
from tests.faults.conftest import QUICK_ARGUMENTS, MakeMachine, computed, fill, make_read_only
from tests.plugins.stage_faults import main_with_a_full_disk
from tests.runs import STAGES, bundle_digests, leftovers

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("stage", STAGES)
def test_disk_full_in_a_stage(
    machine: MakeMachine, expected: dict[str, str], small_disk: Path, tmp_path: Path, stage: str
) -> None:
    here = machine(stage, folder=small_disk)
    filler = fill(small_disk)
    result = here.run(out=tmp_path / "out")
    if result.outcome is not Outcome.DONE:
        assert result.error is not None
        assert result.error.code == "storage", result.error
        assert result.error.remedy
    assert leftovers(tmp_path / "out") == []

    filler.unlink()
    again = here.run(out=tmp_path / "out")
    assert again.outcome is Outcome.DONE, again.error
    assert computed(again) <= {stage, "publish"}
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected
    assert not list((here.place.home / "store").rglob("*.part"))
    assert not list((here.place.home / "store" / "tmp").iterdir())


def test_disk_full_while_everything_is_new(
    machine: MakeMachine, expected: dict[str, str], small_disk: Path, tmp_path: Path
) -> None:
    here = machine(*STAGES, folder=small_disk)
    for file in here.files():
        file.unlink()
    filler = fill(small_disk, leave=1000)
    result = here.run(out=tmp_path / "out")
    assert result.outcome is Outcome.FAILED
    assert result.exit_code == 6
    assert result.error is not None
    assert "Free some space" in result.error.remedy

    filler.unlink()
    again = here.run(out=tmp_path / "out")
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected


def test_disk_full_where_the_bundle_goes(machine: MakeMachine, expected: dict[str, str], small_disk: Path) -> None:
    here = machine()
    filler = fill(small_disk)
    result = here.run(out=small_disk / "out")
    assert result.exit_code == 6
    assert result.error is not None
    assert "--out" in result.error.remedy
    filler.unlink()
    assert leftovers(small_disk / "out") == []

    again = here.run(out=small_disk / "out")
    assert computed(again) == {"publish"}
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected


def test_disk_full_for_the_programs_own_files(machine: MakeMachine, expected: dict[str, str], tmp_path: Path) -> None:
    """Where no disk can be mounted: Python's openings for writing fail below the store."""
    here = machine("summarize", "publish")
    store = here.place.home / "store"
    child = here.place.run(here.recording, *QUICK_ARGUMENTS, main=main_with_a_full_disk(store))
    assert child.process.returncode == 6, child.stderr
    assert child.result["error"]["code"] == "storage"
    assert "Free some space" in child.result["error"]["remedy"]
    assert "Traceback" not in child.stderr, child.stderr

    again = here.run()
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected


def test_output_folder_that_is_read_only(machine: MakeMachine, expected: dict[str, str], small_disk: Path) -> None:
    here = machine("publish")
    make_read_only(small_disk)
    result = here.run(out=small_disk / "out")
    assert result.exit_code == 6
    assert result.error is not None
    assert "read-only" in result.error.message
    assert "--out" in result.error.remedy

    again = here.run()
    assert computed(again) == {"publish"}
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_folder_that_may_not_be_written(machine: MakeMachine, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    result = machine().run(out=closed / "out")
    assert result.exit_code == 6


def test_store_that_is_read_only(machine: MakeMachine, small_disk: Path, tmp_path: Path) -> None:
    here = machine("diarize", folder=small_disk)
    make_read_only(small_disk)
    result = here.run(out=tmp_path / "out")
    assert result.exit_code == 6
    assert result.error is not None
    assert "EARWITNESS_HOME" in result.error.remedy


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _as_an_older_version_wrote_it(path: Path) -> None:
    record = json.loads(path.read_text())
    result = json.loads(record["result"]) if isinstance(record["result"], str) else record["result"]
    data = result.get("data", result)
    data["a_field_of_long_ago"] = 1
    record["result"] = json.dumps(result) if isinstance(record["result"], str) else result
    path.write_text(json.dumps(record))


_DAMAGES: list[Callable[[Path], None]] = [_truncate, _as_an_older_version_wrote_it, _flip_a_bit, Path.unlink, _empty]


@pytest.mark.parametrize("first", [0, 3])
def test_checkpoints_that_are_all_damaged(machine: MakeMachine, expected: dict[str, str], first: int) -> None:
    here = machine()
    for number, checkpoint in enumerate(here.checkpoints(), start=first):  # each in another way
        _DAMAGES[number % len(_DAMAGES)](checkpoint)
    result = here.run()
    assert result.outcome is Outcome.DONE, result.error
    assert computed(result) == set(STAGES)
    assert result.bundle is not None
    assert bundle_digests(result.bundle) == expected


@pytest.mark.parametrize("first", [0, 1])
def test_stored_files_that_are_all_damaged(machine: MakeMachine, expected: dict[str, str], first: int) -> None:
    here = machine()
    for number, file in enumerate(here.files(), start=first):
        (_truncate, _flip_a_bit, Path.unlink)[number % 3](file)
    result = here.run()
    assert result.outcome is Outcome.DONE, result.error
    assert result.stages["transcribe"].state == "cached", "it has no files, so nothing of it was lost"
    assert result.bundle is not None
    assert bundle_digests(result.bundle) == expected
