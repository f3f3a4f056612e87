"""`earwitness clips redo`, `extend` and `trim` on a real bundle: only the clips are made anew."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from earwitness.archive.place import MANIFEST
from earwitness.archive.reading import read_bundle
from earwitness.cli.clips import clips
from earwitness.clips.ratings import rate
from earwitness.result import Outcome, RunResult
from tests.flows.conftest import digests, stages

pytestmark = [pytest.mark.server, pytest.mark.slow]

ONLY_CLIPS = {"clip", "publish"}


def again(command: str, bundle: Path, *arguments: str) -> RunResult:
    done = CliRunner().invoke(
        clips, [command, str(bundle), *arguments, "--json", "--verbose"], catch_exceptions=False, standalone_mode=False
    )
    result = RunResult.model_validate_json(done.stdout)
    assert result.outcome is Outcome.DONE, result
    assert stages(result) <= ONLY_CLIPS, result.stages
    return result


def listed(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "clips.json").read_text("utf-8"))  # type: ignore[no-any-return]


def whole(bundle: Path) -> bool:
    """Whether the manifest names every file with its digest."""
    lines = [line.split("  ", 1) for line in (bundle / MANIFEST).read_text().splitlines()]
    named = {path: digest for digest, path in lines}
    return {name: digest for name, digest in digests(bundle).items() if name != MANIFEST} == named


def test_other_limits_and_edges_make_nothing_but_clips(bundle: Path) -> None:
    again("redo", bundle, "--count", "2", "--max", "5")
    assert [clip["id"] for clip in listed(bundle)["clips"]] == ["clip-1", "clip-2"], "there was one"
    assert whole(bundle)
    again("redo", bundle, "--count", "1")
    redone = listed(bundle)["clips"]
    assert not (bundle / "clips" / "clip-2.m4a").exists()

    rate(read_bundle(bundle), "clip-1", 5)
    again("extend", bundle, "clip-1", "--before", "sentence")
    extended = listed(bundle)
    clip = extended["clips"][0]
    assert clip["by_hand"]
    assert clip["start_s"] < redone[0]["start_s"] - 0.5
    assert clip["end_s"] == pytest.approx(redone[0]["end_s"], abs=0.3)
    assert "A person set" in clip["reason"]
    assert clip["reason"] in (bundle / "report.html").read_text("utf-8")
    assert json.loads((bundle / "corrections.json").read_text("utf-8"))["clips"]
    assert json.loads((bundle / "recording.json").read_text("utf-8"))["corrections"]["clips"]
    assert extended["learned"] is None, "who sets an edge wants the same clips, whatever was rated since"
    assert whole(bundle)

    again("trim", bundle, "clip-1", "--before", "1")
    assert listed(bundle)["clips"][0]["start_s"] == redone[0]["start_s"]
    assert not listed(bundle)["clips"][0]["by_hand"]

    again("redo", bundle)
    assert listed(bundle)["learned"]["ratings"] == 1
    assert listed(bundle)["weights"]
