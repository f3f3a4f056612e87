"""How people talk, through the whole recipe: kept, recomputed, skipped and shown."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from earwitness.errors import EngineFailed
from earwitness.result import Outcome, RunResult
from flows import run_flow
from tests.flows.conftest import QUICK, digests, forget, stages

pytestmark = [pytest.mark.server, pytest.mark.slow]


def refuse(*args: object, **kwargs: object) -> None:
    raise EngineFailed("It refuses this recording.", "Use another.")


def recorded(result: RunResult) -> dict[str, Any]:
    assert result.bundle is not None
    return json.loads((result.bundle / "recording.json").read_text("utf-8"))  # type: ignore[no-any-return]


def test_figures_stand_in_the_bundle(finished_call: tuple[Path, Path, RunResult]) -> None:
    recording = recorded(finished_call[2])
    talks = [speaker["talk"] for speaker in recording["speakers"]]
    assert sum(talk["share"] for talk in talks) == pytest.approx(1, abs=1e-3)
    for speaker in recording["speakers"]:
        assert speaker["talk"]["speaking_s"] == pytest.approx(speaker["speech_s"], abs=0.01)
        assert speaker["talk"]["words"] == speaker["words"]
        assert speaker["role"] is None, "fifteen seconds are not enough to say"
    assert recording["conversation"]["speaker_changes"] >= 3
    assert recording["timings"]["speakers"]["seconds"] >= 0


def test_it_is_kept_and_only_what_it_rests_on_computes_it_anew(short_call: Path, tmp_path: Path) -> None:
    again = run_flow(short_call, out=tmp_path, **QUICK)
    assert stages(again, "cached") >= {"speakers"}
    forget("speakers")
    lost = run_flow(short_call, out=tmp_path, **QUICK)
    assert stages(lost) == {"speakers"}, "the same figures: nothing after it is made anew"
    merged = run_flow(lost.bundle or tmp_path, corrections={"merged": {"SPEAKER_01": "SPEAKER_00"}})
    assert "speakers" in stages(merged)
    (only,) = recorded(merged)["speakers"]
    assert only["talk"]["share"] == 1
    assert recorded(merged)["conversation"]["speaker_changes"] == 0


def test_a_failure_costs_the_figures_and_nothing_else(
    finished_call: tuple[Path, Path, RunResult], short_call: Path, tmp_path: Path
) -> None:
    forget("speakers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.speakers.analyse_talk", refuse)
        hurt = run_flow(short_call, out=tmp_path, **QUICK)
    assert hurt.outcome is Outcome.PARTIAL
    assert hurt.stages["speakers"].state == "failed"
    recording = recorded(hurt)
    assert recording["conversation"] is None
    assert all(speaker["talk"] is None for speaker in recording["speakers"])
    assert hurt.bundle is not None
    assert finished_call[2].bundle is not None
    assert set(digests(hurt.bundle)) == set(digests(finished_call[2].bundle))
    assert 'id="speakers"' not in (hurt.bundle / "report.html").read_text("utf-8")
    healed = run_flow(short_call, out=tmp_path, **QUICK)
    assert healed.outcome is Outcome.DONE
    assert stages(healed) == {"speakers", "publish"}


def test_where_nobody_was_told_apart_it_is_skipped_with_the_reason(short_call: Path, tmp_path: Path) -> None:
    forget("diarize")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.diarize.find_speakers", refuse)
        result = run_flow(short_call, out=tmp_path, **QUICK)
    assert result.stages["speakers"].state == "skipped"
    assert {part["stage"]: part["message"] for part in recorded(result)["missing"]}["speakers"] == (
        "nobody was told apart"
    )


def test_without_words_everything_but_words_is_measured(short_call: Path, tmp_path: Path) -> None:
    forget("transcribe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.transcribe.find_words", refuse)
        result = run_flow(short_call, out=tmp_path, **QUICK)
    assert result.stages["speakers"].state == "computed"
    for speaker in recorded(result)["speakers"]:
        assert speaker["talk"]["words"] is None
        assert speaker["talk"]["words_per_minute"] is None
        assert speaker["talk"]["speaking_s"] > 0


def test_the_timeline_is_shown_in_prefect(short_call: Path, tmp_path: Path) -> None:
    result = run_flow(short_call, out=tmp_path, **QUICK)
    key = f"timeline-{result.recording_id}"
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    newest = max(found, key=lambda artifact: artifact.created or datetime.min.replace(tzinfo=UTC))
    assert newest.type == "markdown"
    assert "data:image/svg+xml;base64," in str(newest.data)
    assert "| SPEAKER" in str(newest.data)


def test_an_inferred_role_is_marked_everywhere_and_recomputes_no_audio(
    short_call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So short a call shows no role, so the bar for how much talk is needed is lowered."""
    monkeypatch.setattr("earwitness.words.roles.FEWEST_WORDS", 1)
    monkeypatch.setattr("earwitness.words.roles.FEWEST_TURNS", 1)
    monkeypatch.setattr("earwitness.words.roles._leads", lambda part, _others, _profile: part.label == "SPEAKER_00")
    result = run_flow(short_call, out=tmp_path, **QUICK)
    first, second = recorded(result)["speakers"]
    assert (first["role"], first["role_by"], first["name"]) == ("interviewer", "inferred", "SPEAKER_00")
    assert (second["role"], second["role_by"]) == (None, None)
    assert result.bundle is not None
    assert "interviewer (inferred)" in (result.bundle / "report.html").read_text("utf-8")
    assert stages(result) == {"summarize", "clip", "publish"}
    cast = tmp_path / "cast.yaml"
    cast.write_text("members: [{person: Ada, role: interviewer, speaker: SPEAKER_01}]\ncomplete: false\n")
    told = recorded(run_flow(shutil.copy(short_call, tmp_path), out=tmp_path / "cast", cast=cast, **QUICK))
    assert [(s["role"], s["role_by"]) for s in told["speakers"]] == [(None, None), ("interviewer", "cast")]
