"""The command as users call it: a process, its output, its exit code."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.warm import AS_THE_COMMAND, environment, warm_python


def server() -> dict[str, str]:
    """The session's Prefect server; the command would start one of its own."""
    from prefect.settings import PREFECT_API_URL

    return {"PREFECT_API_URL": str(PREFECT_API_URL.value())}


def earwitness(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*warm_python(), "-c", "from earwitness.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(**{**AS_THE_COMMAND, **variables}),
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


def test_a_safe_run_begins_nothing_where_something_is_in_the_way(tmp_path: Path, phone_call: Path) -> None:
    done = earwitness("run", phone_call, "--safe", "--out", tmp_path / "out", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 4
    assert "Nothing was begun" in done.stderr
    assert "http://127.0.0.1:9/api does not answer" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.server
def test_a_run_that_takes_longer_than_it_may_is_ended(prefect_server: None, tmp_path: Path, phone_call: Path) -> None:
    done = earwitness("run", phone_call, "--within", "0.0005", "--out", tmp_path / "out", **server())
    assert done.returncode == 130
    assert "the 0.0005 hours that the whole run may take are over" in done.stderr
    assert "finished stages are kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("*/report.html"))
