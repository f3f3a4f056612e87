"""A stage that fails for good costs what it makes and nothing else; the next run makes it good."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from earwitness.errors import EngineFailed
from earwitness.home import store_path
from earwitness.interrupt import Interruption, current_interruption
from earwitness.result import Outcome, RunResult
from flows import run_flow
from tests.flows.conftest import QUICK, digests, forget, stages

pytestmark = [pytest.mark.server, pytest.mark.slow]

FAULTS = {
    "the listening copy can't be made": ("listen", "tasks.listen.make_listening_copy"),
    "the diarizer refuses": ("diarize", "tasks.diarize.find_speakers"),
    "the recogniser refuses": ("transcribe", "tasks.transcribe.find_words"),
    "the aligner refuses": ("align", "tasks.align.time_words"),
    "the notes can't be written": ("summarize", "tasks.summarize.write_notes"),
    "the clips can't be rendered": ("clip", "tasks.clip.make_clips"),
    "the report can't be written": ("publish", "earwitness.report.page.build_report"),
}
LOST = {
    "listen": {"listen.m4a", "clips.json", "clips/clip-1.m4a", "clips/clip-1.srt"},
    "diarize": {"turns.parquet", "turns.rttm"},
    "transcribe": {
        "words.parquet", "transcript.json", "transcript.srt", "transcript.vtt", "transcript.txt", "notes.json",
        "notes.md", "clips/clip-1.srt",
    },
    "align": set(),
    "summarize": {"notes.json", "notes.md"},
    "clip": {"clips.json", "clips/clip-1.m4a", "clips/clip-1.srt"},
    "publish": {"report.html"},
}  # fmt: skip


def refuse(*args: object, **kwargs: object) -> None:
    raise EngineFailed("The engine refuses this recording.", "Use another.")


def of(bundle: Path | None, name: str) -> Any:
    assert bundle is not None
    return json.loads((bundle / name).read_text("utf-8"))


@pytest.mark.parametrize("fault", FAULTS)
def test_it_costs_only_what_it_makes_and_the_next_run_makes_it_good(
    fault: str, finished_call: tuple[Path, Path, RunResult], short_call: Path, tmp_path: Path
) -> None:
    never_failed = finished_call[2].bundle
    assert never_failed is not None
    stage, place = FAULTS[fault]
    forget(stage)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, refuse)
        hurt = run_flow(short_call, out=tmp_path, **QUICK)

    assert hurt.outcome is Outcome.PARTIAL
    assert hurt.exit_code == 7
    assert hurt.bundle is not None
    assert any(stage in warning for warning in hurt.warnings)
    assert stage in {part["stage"] for part in of(hurt.bundle, "recording.json")["missing"]}
    assert set(digests(never_failed)) - set(digests(hurt.bundle)) == LOST[stage]
    check_what_is_left(stage, hurt.bundle)

    healed = run_flow(short_call, out=tmp_path, **QUICK)
    assert healed.outcome is Outcome.DONE
    assert healed.bundle is not None
    assert digests(healed.bundle) == digests(never_failed)
    assert stages(healed) == {stage, "publish"}


def check_what_is_left(stage: str, bundle: Path) -> None:
    recording = of(bundle, "recording.json")
    if stage == "transcribe":
        assert recording["language"] is None
        assert len(pd.read_parquet(bundle / "turns.parquet")) > 1
        clips = of(bundle, "clips.json")
        assert "no words" in clips["reason"]
        assert [clip["captions"] for clip in clips["clips"]] == [None]
        return
    words = pd.read_parquet(bundle / "words.parquet")
    assert len(words) > 10
    assert of(bundle, "transcript.json")["segments"]
    if stage == "diarize":
        assert words["speaker"].isna().all()
        assert recording["speakers"] == []
    if stage == "align":
        assert words["estimated"].all()
        assert words["speaker"].notna().mean() > 0.8
        assert recording["engines"]["align"]["name"] == "estimated"
        assert recording["engines"]["align"]["degraded"]
        assert of(bundle, "notes.json")["claims"]
        assert of(bundle, "clips.json")["clips"]


def test_a_bundle_that_can_not_be_written_at_all_leaves_nothing_half_done(
    finished_call: tuple[Path, Path, RunResult], short_call: Path, tmp_path: Path
) -> None:
    forget("publish")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.publish.compose_bundle", refuse)
        failed = run_flow(short_call, out=tmp_path / "out", **QUICK)
    assert failed.outcome is Outcome.FAILED
    assert failed.error is not None
    assert failed.error.code == "engine-failed"
    assert not (tmp_path / "out").exists()
    healed = run_flow(short_call, out=tmp_path / "out", **QUICK)
    assert healed.outcome is Outcome.DONE
    assert stages(healed) == {"publish"}
    assert healed.bundle is not None
    assert finished_call[2].bundle is not None
    assert digests(healed.bundle) == digests(finished_call[2].bundle)


def test_a_broken_contract_stops_the_recording_and_leaves_nothing_half_done(
    short_call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earwitness.speech.diarize import diarize

    def backwards(*args: Any, **kwargs: Any) -> Any:
        found = diarize(*args, **kwargs)
        return found.model_copy(update={"turns": found.turns[::-1], "exclusive": found.exclusive[::-1]})

    forget("diarize")
    monkeypatch.setattr("tasks.diarize.find_speakers", backwards)
    result = run_flow(short_call, out=tmp_path / "out", **QUICK)
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert result.error.code == "contract-broken"
    assert "turns out of order" in result.error.message
    assert not (tmp_path / "out").exists()
    assert list((store_path() / "tmp").iterdir()) == []


def test_what_was_interrupted_is_not_published_without_its_parts(
    short_call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.progress import StageEvent, listening

    monkeypatch.delenv("EARWITNESS_SUPERVISE")
    forget("diarize")
    batch = Interruption()

    def interrupt(event: StageEvent) -> None:
        if (event.stage, event.kind) == ("diarize", "started"):
            batch.happen()

    token = current_interruption.set(batch)
    try:
        with listening(interrupt):
            result = run_flow(short_call, out=tmp_path, **QUICK)
    finally:
        current_interruption.reset(token)
    assert result.outcome is Outcome.FAILED
    assert result.error
    assert result.error.code == "interrupted"
    assert list(tmp_path.iterdir()) == []
