"""A short call with a transcript beside it: quick to process, with every stage at work."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile

from earwitness.home import checkpoints_path
from earwitness.result import Outcome, RunResult
from earwitness.storage.store import sha256_file

SHORT_S = 15
QUICK: dict[str, Any] = {
    "profile": "archive",
    "speakers": 2,  # so short a call is not enough to count them
    "clip": {"count": 1, "min_s": 3, "max_s": 12, "video": False},
    "limits": {"retries": 1, "retry_delay_s": 0},
    "transcribe": {"language": "en"},
}


def digests(bundle: Path) -> dict[str, str]:
    """Every file of a bundle and what it holds."""
    return {str(path.relative_to(bundle)): sha256_file(path) for path in bundle.rglob("*") if path.is_file()}


def stages(result: RunResult, state: str = "computed") -> set[str]:
    """The stages that ended so."""
    return {stage for stage, run in result.stages.items() if run.state == state}


@pytest.fixture(scope="session")
def finished_call(
    tmp_path_factory: pytest.TempPathFactory, phone_call: Path, prefect_server: None
) -> tuple[Path, Path, RunResult]:
    """(recording, home, result) of a run in which nothing went wrong; its transcript names nobody."""
    from flows import run_flow

    folder = tmp_path_factory.mktemp("short")
    samples, rate = soundfile.read(phone_call, dtype="int16", frames=SHORT_S * 16_000)
    soundfile.write(folder / "call.wav", samples, rate)
    cues: list[str] = []
    for line in phone_call.with_suffix(".stm").read_text().splitlines():
        _, _, _, start, end, *text = line.split()
        words = [word for word in text if not word.startswith("<")]
        if float(end) <= SHORT_S and words:
            times = " --> ".join(f"00:00:{float(at):06.3f}".replace(".", ",") for at in (start, end))
            cues.append(f"{len(cues) + 1}\n{times}\n{' '.join(words)}\n")
    (folder / "call.srt").write_text("\n".join(cues))
    home = tmp_path_factory.mktemp("short-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARWITNESS_HOME", str(home))
        patch.setenv("EARWITNESS_SUPERVISE", "0")
        result = run_flow(folder / "call.wav", out=folder / "out", **QUICK)
    assert result.outcome is Outcome.DONE, result
    return folder / "call.wav", home, result


@pytest.fixture
def short_call(
    finished_call: tuple[Path, Path, RunResult], own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The short call, whose stages are all in the store of this test; engines run where faults can be put in."""
    recording, home, _ = finished_call
    shutil.copytree(home, own_home, dirs_exist_ok=True, copy_function=os.link)
    monkeypatch.setenv("EARWITNESS_SUPERVISE", "0")
    return recording


@pytest.fixture
def bundle(
    finished_call: tuple[Path, Path, RunResult], short_call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the finished bundle, and the checkpoints that it was made from."""
    for name in ("PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_LOGGING_LEVEL"):
        monkeypatch.setenv(name, "CRITICAL")
    made = finished_call[2].bundle
    assert made is not None
    shutil.copytree(made, tmp_path / "out" / made.name)
    return tmp_path / "out" / made.name


def forget(stage: str) -> None:
    """Throw the checkpoint of a stage away."""
    found = list(checkpoints_path().glob(f"{stage}-*"))
    assert found
    for path in found:
        path.unlink()
