"""Dropped files and batches on a real server; the stages of the good recording are in the store already."""

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from earwitness.batch.choose import BatchOptions
from earwitness.drops.arrivals import Patience
from earwitness.drops.folder import Drop, DropFolder
from earwitness.drops.watch import Watcher
from earwitness.options import read_options
from earwitness.result import Outcome, RunResult
from tests.flows.conftest import QUICK

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


class Here:
    """Processes in this process."""

    def __init__(self) -> None:
        self.state: Any = None

    def hand_over(self, folder: DropFolder, drops: Sequence[Drop]) -> None:
        from flows.drop import process_drop

        tickets = [drop.ticket for drop in drops]
        self.state = process_drop(folder.root, tickets, drops[0].name, return_state=True)
        again: Any = process_drop(folder.root, tickets, drops[0].name, return_state=True)
        assert again.name == "Skipped"  # an event that comes twice does nothing

    def runs(self, folder: DropFolder) -> dict[str, Any]:
        return {}


@pytest.fixture
def dropped(short_call: Path, tmp_path: Path) -> DropFolder:
    folder = DropFolder(tmp_path / "drops")
    folder.make()
    for suffix in (".wav", ".srt"):
        shutil.copy(short_call.with_suffix(suffix), folder.incoming)
    shutil.copy(short_call, folder.incoming / "zz the same.wav")
    (folder.incoming / "broken.mp3").write_text("no sound at all")
    (folder.incoming / ".DS_Store").write_text("junk")
    return folder


def test_each_dropped_file_ends_in_its_place(dropped: DropFolder) -> None:
    office = Here()
    watcher = Watcher(dropped, office, QUICK, patience=Patience(0, 0))
    watcher.look()
    assert office.state.is_completed()  # one bad recording among good ones is no failure of the run
    assert office.state.message.startswith("1 Done, 1 Failed; broken.mp3: failed. broken.mp3 is only 15 bytes long")
    lies = {
        path.relative_to(dropped.root).as_posix()
        for place in ("done", "rejected", "processing", "incoming")
        for path in (dropped.root / place).rglob("*")
    }
    assert lies == {
        "done/call.wav", "done/call.srt", "incoming/.DS_Store", "rejected/broken.mp3",
        "rejected/broken.mp3.reason.txt", "rejected/zz the same.wav", "rejected/zz the same.wav.reason.txt",
    }  # fmt: skip
    (bundle,) = (dropped.root / "bundles").iterdir()
    assert (bundle / "report.html").is_file()
    assert "same content as call.wav" in (dropped.root / "rejected" / "zz the same.wav.reason.txt").read_text()
    assert {entry.name: entry.outcome.value for entry in dropped.journal.entries()} == {
        "call.wav": "done", "broken.mp3": "failed", "zz the same.wav": "duplicate",
    }  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 3])
def test_one_failure_never_stops_the_rest_and_what_is_finished_is_passed_over(
    short_call: Path, tmp_path: Path, at_once: int
) -> None:
    from flows.batch import process_batch

    (tmp_path / "broken.mp3").write_text("no sound at all")
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["path", "profile", "priority"],
                [tmp_path / "broken.mp3", "", "3"],
                [tmp_path / "odd.wav", "opera", "2"],
                [tmp_path / "gone.wav", "", "1"],
                [short_call, "", ""],
            ]
        )
    options = read_options({**QUICK, "out": tmp_path / "out"})
    want = BatchOptions(manifest=tmp_path / "list.csv", at_once=at_once, skip_finished=True)
    results: list[RunResult] = process_batch([], options, want)
    assert [Path(result.source).name for result in results] == ["broken.mp3", "odd.wav", "gone.wav", "call.wav"]
    assert [result.outcome for result in results] == [Outcome.FAILED] * 3 + [Outcome.DONE]
    assert all(result.error and result.error.remedy for result in results[:3])
    again: list[RunResult] = process_batch([], options, want)
    assert [result.outcome for result in again] == [Outcome.FAILED] * 3 + [Outcome.SKIPPED]
    assert again[3].bundle == results[3].bundle
