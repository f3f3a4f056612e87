import json
from pathlib import Path
from typing import Any

import pytest

from earwitness.demo.run import place_inputs, run_demo
from earwitness.errors import ExitCode, StorageError
from earwitness.result import ErrorInfo, Outcome, RunResult


def test_the_inputs_lie_where_users_see_them(tmp_path: Path, phone_call: Path) -> None:
    inputs = place_inputs(tmp_path / "inputs")
    assert inputs.call.read_bytes() == phone_call.read_bytes()
    assert inputs.call_transcript.read_text().startswith("sample 1 ")
    assert json.loads(inputs.truth.read_text("utf-8"))["synthetic"] is True
    about = (tmp_path / "inputs" / "README.txt").read_text("utf-8")
    for name in (path.name for path in (tmp_path / "inputs").iterdir() if path.name != "README.txt"):
        assert name in about
    assert "synthetic" in about


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(StorageError, match="can't be written"):
        place_inputs(blocker / "inputs")


def test_it_tells_what_was_made_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []

    def run_flow(path: Path, **options: Any) -> RunResult:
        asked.append({"path": path, **options})
        bundle = options["out"] / path.stem
        (bundle / "clips").mkdir(parents=True)
        (bundle / "report.html").write_text("<html>")
        (bundle / "clips" / "one.mp4").write_bytes(b"\0" * 2000)
        return RunResult(
            outcome=Outcome.DONE,
            source=str(path),
            bundle=bundle,
            profile=options["profile"],
            duration_s=30.0,
            seconds=4.0,
            engines={"diarize": "bundled"},
        )

    monkeypatch.setattr("flows.run_flow", run_flow)
    assert run_demo(tmp_path) == ExitCode.DONE
    told = capsys.readouterr().out
    assert str(tmp_path / "bundles" / "scene" / "report.html") in told
    assert "clips/ (1 files)" in told
    assert "diarize bundled" in told
    assert [call["profile"] for call in asked] == ["workplace", "tabletop"]
    assert all(call["transcript"].is_file() for call in asked)
    assert asked[1]["cast"].is_file()


def test_a_failure_reaches_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_flow(path: Path, **options: Any) -> RunResult:
        error = ErrorInfo(code="storage", message="Disk full.", remedy="Free some space.", exit_code=6)
        return RunResult(outcome=Outcome.FAILED, source=str(path), profile=options["profile"], seconds=1.0, error=error)

    monkeypatch.setattr("flows.run_flow", run_flow)
    assert run_demo(tmp_path) == ExitCode.STORAGE
    told = capsys.readouterr().out
    assert "Disk full." in told
    assert "report.html" not in told
