"""The command as users call it: a process, its output, its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def server() -> dict[str, str]:
    """The session's Prefect server; the command would start one of its own."""
    from prefect.settings import PREFECT_API_URL

    return {"PREFECT_API_URL": str(PREFECT_API_URL.value())}


def earwitness(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from earwitness.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "x.wav", "--profile", "opera"], "'tabletop', 'podcast', 'archive', 'workplace'"),
        (["run", "x.wav", "--set", "diarize.engine=magic"], "'auto', 'pyannote' or 'bundled'"),
        (["run", "x.wav", "--set", "clip.colour=red"], "known there: artwork, background, colours, count, font"),
        (["run", "x.wav", "--set", "nonsense"], "STAGE.KEY=VALUE"),
        (["run", "x.wav", "--slice", "later"], "START-END"),
        (["run", "x.wav", "--speakers", "2", "--max-speakers", "3"], "not both"),
        (["run"], "Missing argument"),
        (["dance"], "No such command"),
        (["run", "x.wav", "--cast", "/nowhere/cast.yaml"], "/nowhere/cast.yaml"),
        (["run", "x.wav", "--transcript", "/nowhere/x.srt"], "no transcript at /nowhere/x.srt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_exits_with_2_and_says_what_is_allowed(arguments: list[str], expected: str) -> None:
    done = earwitness(*arguments)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
@pytest.mark.server
def test_json_is_one_object_a_recording_and_nothing_else_on_stdout(
    prefect_server: None, tmp_path: Path, phone_call: Path
) -> None:
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "notes.mp3").write_text("not sound at all")
    done = earwitness(
        "run",
        phone_call,
        tmp_path / "talk",
        "--dry-run",
        "--json",
        "--out",
        tmp_path / "out",
        **server(),
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["outcome"] for result in results] == ["skipped", "failed"]
    assert done.returncode == 3
    assert results[1]["error"]["code"] == "bad-recording"
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.server
def test_an_engine_asked_for_by_name_never_falls_back(prefect_server: None, tmp_path: Path, phone_call: Path) -> None:
    done = earwitness(
        "run",
        phone_call,
        "--set",
        "transcribe.engine=whisperx",
        "--out",
        tmp_path / "out",
        HF_HUB_OFFLINE="1",
        HF_HOME=str(tmp_path / "empty"),
        **server(),
    )
    assert done.returncode == 4
    assert "whisper" in done.stdout.lower()
    assert not (tmp_path / "out").exists()
