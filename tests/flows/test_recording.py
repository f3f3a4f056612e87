"""One recording through the whole recipe, on a real Prefect server, with real engines and real speech."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from earwitness.errors import EngineFailed
from earwitness.result import Outcome, RunResult
from earwitness.storage.store import sha256_file
from flows import run_flow
from tests.bundle_files import EVERY_BUNDLE

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

STAGES = [
    "validate", "preprocess", "listen", "diarize", "transcribe", "align", "speakers", "summarize", "clip", "show",
    "publish",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for the whole module: later tests go on from what the first one computed."""
    return tmp_path_factory.mktemp("module-home")


@pytest.fixture(autouse=True)
def shared_home(own_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_HOME", str(home))


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory, phone_call: Path) -> Path:
    """The telephone call in a folder of its own, its transcript beside it."""
    folder = tmp_path_factory.mktemp("call")
    shutil.copy(phone_call, folder / "call.wav")
    shutil.copy(phone_call.with_suffix(".stm"), folder / "call.stm")
    return folder / "call.wav"


@pytest.fixture(scope="module")
def first(
    call: Path, home: Path, tmp_path_factory: pytest.TempPathFactory, prefect_server: None
) -> Iterator[RunResult]:
    """The first run of the call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARWITNESS_HOME", str(home))
        yield run_flow(call, profile="podcast", out=tmp_path_factory.mktemp("out"))


def digests(bundle: Path) -> dict[str, str]:
    return {str(path.relative_to(bundle)): sha256_file(path) for path in bundle.rglob("*") if path.is_file()}


def test_first_run_is_done_and_complete(first: RunResult) -> None:
    assert first.error is None
    assert first.outcome is Outcome.DONE
    assert list(first.stages)
    assert set(first.stages) == set(STAGES)
    assert {run.state for run in first.stages.values()} == {"computed"}
    assert first.bundle is not None
    assert set(digests(first.bundle)) >= EVERY_BUNDLE | {"show/episode.mp3", "show/episode.m4a", "show/notes.html"}
    assert not list(first.bundle.parent.glob(".*"))
    assert first.speakers == 2
    assert sorted(first.names) == ["Diane", "Sheila"]
    assert first.engines["transcribe"] == "sidecar"


def test_every_word_of_the_transcript_has_its_time_and_speaker(first: RunResult, call: Path) -> None:
    assert first.bundle is not None
    words = pd.read_parquet(first.bundle / "words.parquet")
    spoken: dict[str, list[str]] = {}
    for line in call.with_suffix(".stm").read_text().splitlines():
        _, _, name, _, _, *text = line.split()
        spoken.setdefault(name, []).extend(word for word in text if not word.startswith("<"))
    for name, group in words.groupby("speaker"):
        assert sorted(group["word"]) == sorted(spoken[str(name)])
    assert (words["start_s"] < words["end_s"]).all()
    assert words["start_s"].is_monotonic_increasing
    assert words["end_s"].max() <= 30.01


def test_second_run_computes_nothing_and_changes_nothing(first: RunResult, call: Path) -> None:
    assert first.bundle is not None
    before = digests(first.bundle)
    second = run_flow(call, profile="podcast", out=first.bundle.parent)
    assert second.outcome is Outcome.DONE
    assert {run.state for run in second.stages.values()} == {"cached"}
    assert digests(first.bundle) == before


def test_the_same_recording_under_another_name_hits(first: RunResult, call: Path, tmp_path: Path) -> None:
    shutil.copy(call, tmp_path / "renamed.wav")
    shutil.copy(call.with_suffix(".stm"), tmp_path / "renamed.stm")
    again = run_flow(tmp_path / "renamed.wav", profile="podcast", out=tmp_path / "out")
    assert {stage for stage, run in again.stages.items() if run.state == "computed"} == {"publish"}
    assert again.recording_id is not None
    assert again.recording_id.startswith("renamed-")


def test_a_changed_clip_setting_recomputes_only_clip_and_publish(first: RunResult, call: Path, tmp_path: Path) -> None:
    again = run_flow(call, profile="podcast", out=tmp_path, clip={"max_s": 25, "video": False})
    assert {stage for stage, run in again.stages.items() if run.state == "computed"} == {"clip", "publish"}


def test_a_new_name_recomputes_no_audio_stage(first: RunResult, call: Path, tmp_path: Path) -> None:
    cast = tmp_path / "cast.yaml"
    cast.write_text("members:\n  - {person: Diane}\n  - {person: Sheila}\n")
    run_flow(call, profile="podcast", out=tmp_path, cast=cast, clip={"video": False})
    cast.write_text("members:\n  - {person: Diane Miller, aliases: [Diane], role: host}\n  - {person: Sheila}\n")
    again = run_flow(call, profile="podcast", out=tmp_path, cast=cast, clip={"video": False})
    assert "Diane Miller" in again.names
    computed = {stage for stage, run in again.stages.items() if run.state == "computed"}
    assert computed == {"summarize", "clip", "show", "publish"}


def test_a_deleted_bundle_comes_back_from_the_checkpoints(first: RunResult, call: Path, tmp_path: Path) -> None:
    made = run_flow(call, profile="podcast", out=tmp_path)
    assert made.bundle is not None
    before = digests(made.bundle)
    shutil.rmtree(made.bundle)
    again = run_flow(call, profile="podcast", out=tmp_path)
    assert digests(made.bundle) == before
    assert {stage for stage, run in again.stages.items() if run.state == "computed"} == {"publish"}


def test_a_failing_stage_never_costs_an_earlier_one(
    first: RunResult, call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise EngineFailed("The diarizer refuses this recording.", "Use another.")

    monkeypatch.setattr("tasks.diarize.find_speakers", refuse)
    monkeypatch.setenv("EARWITNESS_SUPERVISE", "0")
    result = run_flow(call, profile="podcast", out=tmp_path, diarize={"min_speakers": 1}, clip={"count": 0})
    assert result.outcome is Outcome.PARTIAL
    assert result.exit_code == 7
    assert result.stages["diarize"].state == "failed"
    assert result.bundle is not None
    assert "diarize" in {
        part["stage"] for part in json.loads((result.bundle / "recording.json").read_text())["missing"]
    }
    assert (result.bundle / "transcript.srt").is_file()
    assert not (result.bundle / "turns.rttm").exists()


def test_dry_run_estimates_and_makes_nothing(call: Path, tmp_path: Path) -> None:
    result = run_flow(call, out=tmp_path / "out", dry_run=True)
    assert result.outcome is Outcome.SKIPPED
    assert result.estimate is not None
    assert result.estimate.seconds > 0
    assert result.estimate.storage_bytes > 0
    assert not (tmp_path / "out").exists()


def test_one_bad_file_never_stops_the_others(first: RunResult, call: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    results = run_flow(
        [tmp_path / "empty.wav", tmp_path / "missing.wav", call], profile="podcast", out=tmp_path / "out"
    )
    assert [result.outcome.value for result in results] == ["failed", "failed", "done"]
    assert [int(result.exit_code) for result in results] == [3, 3, 0]
    assert all(result.error and result.error.remedy for result in results[:2])
    assert [path.name for path in (tmp_path / "out").iterdir()] == [results[2].recording_id]


def test_a_slice_keeps_to_itself(call: Path, tmp_path: Path) -> None:
    result = run_flow(call, profile="podcast", out=tmp_path, slice="5-20", clip={"count": 0})
    assert result.outcome is Outcome.DONE
    assert result.duration_s == pytest.approx(15, abs=0.1)
    assert result.bundle is not None
    words = pd.read_parquet(result.bundle / "words.parquet")
    assert words["end_s"].max() <= 15.01
    assert list(words["word"].iloc[:2]) == ["Hello?", "Hello?"]
    assert "Yankee" not in list(words["word"])
