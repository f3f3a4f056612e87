"""A zip with one file a speaker through the whole pipeline; keys of checkpoints that are older than tracks."""

import json
from pathlib import Path
from typing import Any

import pytest

from earwitness.engines.engine import EngineUse
from earwitness.errors import ExitCode
from earwitness.result import Outcome
from earwitness.settings import ValidateSettings
from tasks.checkpoints import StageKey
from tests.tracks.conftest import RATE_HZ, Parted, write_tracks, zip_folder

QUICK: dict[str, Any] = {
    "profile": "archive",
    "clip": {"count": 0},
    "limits": {"retries": 0},
    "transcribe": {"language": "en"},
}
TALK = """1
00:00:07,550 --> 00:00:08,350
Hello?

2
00:00:08,320 --> 00:00:10,020
Oh, hello. I didn't know you were there.

3
00:00:09,920 --> 00:00:11,030
Neither did I.
"""


@pytest.mark.usefixtures("prefect_server")
def test_a_zip_names_its_speakers_and_a_second_run_computes_nothing(
    parted: Parted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import run_flow

    monkeypatch.setenv("EARWITNESS_SUPERVISE", "0")
    tracks = {name: track[: 12 * RATE_HZ] for name, track in parted.tracks(-15, 30).items()}
    path = zip_folder(write_tracks(tmp_path / "call", tracks))
    path.with_suffix(".srt").write_text(TALK)
    result = run_flow(path, out=tmp_path / "out", cast=_cast(tmp_path), **QUICK)
    assert result.outcome is Outcome.DONE, result
    assert result.engines["diarize"] == "tracks"
    assert result.bundle is not None
    recording = json.loads((result.bundle / "recording.json").read_text())
    assert [(one["name"], one["named_by"]) for one in recording["speakers"]] == [
        ("Diane Lee", "cast"),
        ("sheila", "track"),
    ]
    assert [track["source"] for track in recording["tracks"]["tracks"]] == ["1-diane.flac", "2-sheila.flac"]
    assert recording["source"]["container"] == "zip"
    again = run_flow(path, out=tmp_path / "out", cast=_cast(tmp_path), **QUICK)
    assert {stage.state for stage in again.stages.values()} == {"cached"}
    moved = path.rename(tmp_path / "moved.zip")
    wrong = run_flow(moved, out=tmp_path / "out", tracks="channels", **QUICK)
    assert wrong.error is not None
    assert wrong.error.exit_code == ExitCode.USAGE
    moved.write_bytes(moved.read_bytes()[:1000])
    bad = run_flow(moved, out=tmp_path / "bad", **QUICK)
    assert bad.error is not None
    assert bad.error.exit_code == ExitCode.BAD_RECORDING
    assert not (tmp_path / "bad").exists()


def _cast(folder: Path) -> Path:
    path = folder / "cast.yaml"
    path.write_text("members: [{person: Diane Lee, aliases: [Diane]}]\n")
    return path


def test_a_recording_without_tracks_keeps_the_key_that_it_had() -> None:
    inputs: dict[str, Any] = {
        "path": Path("/x"),
        "sha256": "0" * 64,
        "slice_ms": None,
        "settings": ValidateSettings(),
        "engine": EngineUse(name="ffmpeg", version="7"),
    }
    before = StageKey(stage="validate", version="2", unkeyed=frozenset({"path"}))
    now = StageKey(stage="validate", version="2", unkeyed=frozenset({"path"}), optional=frozenset({"layout"}))

    def key(policy: StageKey, **more: Any) -> str | None:
        return policy.compute_key(None, {**inputs, **more}, {})  # type: ignore[arg-type]

    assert key(now, layout=None) == key(before)
    assert key(now, layout="channels") != key(before)
    assert key(now, slice_ms=(0, 1), layout=None) != key(before)
