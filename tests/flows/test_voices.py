"""Speakers named by enrolled voices: what is made anew when one comes or goes, and that nothing of it stays."""

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earwitness.home import checkpoints_path, home, voices_path
from earwitness.result import Outcome, RunResult
from earwitness.voices.enrolled import add_voice
from earwitness.voices.forget import forget_voice
from flows import run_flow
from tests.flows.conftest import QUICK, stages

pytestmark = [pytest.mark.server, pytest.mark.slow]

AFTER_NAMES = {"summarize", "clip", "publish"}
NAME = "Diane Wintergreen"


def done(recording: Path, out: Path, **options: Any) -> RunResult:
    result = run_flow(recording, out=out, **{**QUICK, **options})
    assert result.outcome is Outcome.DONE, result
    return result


def recorded(result: RunResult) -> dict[str, Any]:
    assert result.bundle is not None
    return json.loads((result.bundle / "recording.json").read_text("utf-8"))  # type: ignore[no-any-return]


def everything() -> list[bytes]:
    """Names and contents of all files in the home."""
    return [path.name.encode() + b"\0" + path.read_bytes() for path in home().rglob("*") if path.is_file()]


def embeddings() -> list[bytes]:
    """Every vector that finished diarizations hold."""
    found = []
    for path in (home() / "store").rglob("*.npz"):
        with np.load(path) as stored:
            found += [stored[label].tobytes() for label in stored.files]
    return found


def test_a_voice_names_its_speaker_until_it_is_forgotten(short_call: Path, diane: Path, tmp_path: Path) -> None:
    before = done(short_call, tmp_path / "out")
    assert stages(before) <= {"publish"}

    made = add_voice(NAME, [diane])
    with_voice = done(short_call, tmp_path / "out")
    assert stages(with_voice) == AFTER_NAMES
    assert NAME in with_voice.names
    (speaker,) = [item for item in recorded(with_voice)["speakers"] if item["name"] == NAME]
    assert speaker["named_by"] == "voice"
    assert speaker["voice_score"] >= 0.8
    bundle = with_voice.bundle
    assert bundle is not None
    assert NAME in (bundle / "transcript.srt").read_text("utf-8")
    for path in bundle.rglob("*"):
        assert made.embedding.encode() not in (path.read_bytes() if path.is_file() else b"")
    assert stages(done(short_call, tmp_path / "out")) == set()

    vectors = [made.vector.tobytes(), made.embedding.encode(), *embeddings()]
    assert len(vectors) >= 4
    gone = forget_voice(NAME)
    assert gone.bundles == [str(bundle)]
    assert gone.checkpoints == 3
    assert gone.embeddings >= 1
    assert list(voices_path().iterdir()) == []
    for content in everything():
        assert not any(vector in content for vector in vectors)
        assert NAME.encode() not in content
    assert embeddings() == []

    after = run_flow(bundle)  # as `voices forget` says
    assert after.outcome is Outcome.DONE, after
    assert stages(after) <= AFTER_NAMES
    assert after.bundle == bundle
    assert after.names == before.names
    assert not any(NAME.encode() in path.read_bytes() for path in bundle.rglob("*") if path.is_file())


def test_after_forgetting_another_the_turns_are_heard_again(short_call: Path, diane: Path, tmp_path: Path) -> None:
    add_voice(NAME, [diane])
    add_voice("Somebody", [diane])
    assert NAME not in done(short_call, tmp_path / "out").names  # two people sound just the same
    forget_voice("Somebody")
    result = done(short_call, tmp_path / "out")
    assert NAME in result.names
    assert stages(result) == AFTER_NAMES
    assert embeddings() == []


def test_a_doubt_stands_in_the_ledger_and_goes_too(short_call: Path, diane: Path, tmp_path: Path) -> None:
    add_voice(NAME, [diane])
    add_voice("Somebody", [diane])
    result = done(short_call, tmp_path / "out")
    doubts = [item for item in recorded(result)["doubts"]["doubts"] if item["kind"] == "voice-unsure"]
    assert any(NAME in item["message"] and "Somebody" in item["message"] for item in doubts)
    assert forget_voice("Somebody").checkpoints == 1
    assert not any(b"Somebody" in content for content in everything())


def test_scopes_switches_and_samples_of_the_cast(short_call: Path, diane: Path, tmp_path: Path) -> None:
    add_voice(NAME, [diane], scope="The Mill")
    assert NAME not in done(short_call, tmp_path / "out").names
    assert NAME in done(short_call, tmp_path / "out", voices={"scope": "the mill"}).names
    assert NAME not in done(short_call, tmp_path / "out", voices={"scope": "the mill", "use": False}).names
    forget_voice(NAME)

    cast = tmp_path / "cast.yaml"
    (tmp_path / "diane.wav").write_bytes(diane.read_bytes())
    cast.write_text("members:\n  - {person: Diane, role: host, samples: [diane.wav]}\n  - Sheila\n")
    result = done(short_call, tmp_path / "cast", cast=cast)
    assert "Diane" in result.names
    assert recorded(result)["cast"]["members"][0]["samples"] != ["diane.wav"]
    assert not voices_path().exists() or list(voices_path().iterdir()) == []
    cast.unlink()
    assert result.bundle is not None
    again = run_flow(result.bundle)
    assert stages(again) == set()
    assert "Diane" in again.names


def test_checkpoints_are_marked_for_those_they_name(short_call: Path, diane: Path, tmp_path: Path) -> None:
    add_voice(NAME, [diane])
    done(short_call, tmp_path / "out")
    marked = {path.name.split("-")[0] for path in checkpoints_path().glob("*-voices-*")}
    assert marked == AFTER_NAMES
    assert not any(NAME.lower().split()[0] in path.name for path in checkpoints_path().iterdir())
    assert stat.S_IMODE(next(voices_path().iterdir()).stat().st_mode) == 0o600
