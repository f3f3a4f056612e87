"""`earwitness fix` on a real bundle: what is corrected is made anew, and nothing else."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from earwitness.cli.fix import fix
from earwitness.corrections.corrections import load_corrections
from earwitness.errors import EarwitnessError, UsageError
from earwitness.home import checkpoints_path
from earwitness.result import Outcome, RunResult
from flows import run_flow
from tests.flows.conftest import QUICK, digests, forget, stages

pytestmark = [pytest.mark.server, pytest.mark.slow]

AFTER_NAMES = {"summarize", "clip", "publish"}
AFTER_WORDS = {"correct", "speakers", *AFTER_NAMES}


def corrected(bundle: Path, *arguments: str | Path) -> RunResult:
    done = CliRunner().invoke(
        fix, [str(bundle), *map(str, arguments), "--json", "--verbose"], catch_exceptions=False, standalone_mode=False
    )
    result = RunResult.model_validate_json(done.stdout)
    assert result.outcome is Outcome.DONE, result
    assert result.bundle == bundle
    return result


def recorded(bundle: Path) -> dict[str, Any]:
    return json.loads((bundle / "recording.json").read_text("utf-8"))  # type: ignore[no-any-return]


def words(bundle: Path) -> pd.DataFrame:
    return pd.read_parquet(bundle / "words.parquet")


def test_a_name_recomputes_no_audio_stage_and_shows_everywhere(bundle: Path) -> None:
    before = words(bundle)
    result = corrected(bundle, "--speaker", "SPEAKER_01=Sarah")
    assert stages(result) == AFTER_NAMES
    assert "Sarah" in result.names
    after = words(bundle)
    assert set(after[after["label"] == "SPEAKER_01"]["speaker"]) == {"Sarah"}
    assert after.drop(columns="speaker").equals(before.drop(columns="speaker"))
    for name in ("transcript.srt", "transcript.vtt", "transcript.txt", "report.html"):
        assert "Sarah" in (bundle / name).read_text("utf-8")
    assert recorded(bundle)["corrections"]["names"] == {"SPEAKER_01": "Sarah"}
    (speaker,) = [s for s in recorded(bundle)["speakers"] if s["label"] == "SPEAKER_01"]
    assert speaker["named_by"] == "correction"


def test_a_word_keeps_its_time_and_speaker(bundle: Path) -> None:
    before = words(bundle)
    result = corrected(bundle, "--word", "3=Gary")
    assert stages(result) == AFTER_WORDS
    after = words(bundle)
    assert after["word"][3] == "Gary"
    assert after.drop(columns="word").equals(before.drop(columns="word"))
    assert after["word"].drop(index=3).equals(before["word"].drop(index=3))


def test_corrections_add_up_survive_a_run_and_go_with_reset(bundle: Path, short_call: Path) -> None:
    untouched = digests(bundle)
    corrected(bundle, "--speaker", "SPEAKER_00=Diane")
    corrected(bundle, "--speaker", "SPEAKER_01=Sarah", "--replace", "Hello=Hallo")
    put_right = digests(bundle)
    assert set(words(bundle)["speaker"].dropna()) == {"Diane", "Sarah"}
    assert not words(bundle)["word"].str.contains("Hello").any()

    again = corrected(bundle, "--speaker", "SPEAKER_01=Sarah", "--replace", "Hello=Hallo")
    assert stages(again) == set()
    assert digests(bundle) == put_right

    rerun = run_flow(short_call, out=bundle.parent, **QUICK)
    assert stages(rerun) == set()
    assert rerun.bundle == bundle
    assert digests(bundle) == put_right

    corrected(bundle, "--reset")
    assert digests(bundle) == untouched
    assert not (bundle / "corrections.json").exists()


def test_an_edited_transcript_goes_back_into_the_words(bundle: Path, tmp_path: Path) -> None:
    before = words(bundle)
    text = (bundle / "transcript.txt").read_text("utf-8")
    target = before["word"][5]
    first, found, rest = text.partition(f" {target} ")
    assert found
    (tmp_path / "edited.txt").write_text(f"{first} {target} indeed {rest}", "utf-8")
    result = corrected(bundle, "--transcript", tmp_path / "edited.txt")
    assert stages(result) == AFTER_WORDS
    after = words(bundle)
    (new,) = after.index[after["word"] == "indeed"]
    assert after["estimated"][new]
    assert after["word"].drop(index=new).tolist() == before["word"].tolist()
    assert after["start_s"].drop(index=new).tolist() == before["start_s"].tolist()
    assert "indeed" in (bundle / "transcript.srt").read_text("utf-8")


def test_two_voices_become_one(bundle: Path) -> None:
    result = corrected(bundle, "--merge", "SPEAKER_01=SPEAKER_00")
    assert stages(result) == AFTER_WORDS
    assert result.speakers == 1
    assert set(words(bundle)["label"].dropna()) == {"SPEAKER_00"}
    turns = pd.read_parquet(bundle / "turns.parquet")
    assert set(turns["label"]) == {"SPEAKER_00"}
    assert (turns["start_s"][1:].to_numpy() >= turns["end_s"][:-1].to_numpy()).all()


def test_checkpoints_are_enough_where_the_recording_is_gone(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = checkpoints_path().parent
    shutil.rmtree(home / "whereabouts")
    result = corrected(bundle, "--speaker", "SPEAKER_01=Sarah")
    assert stages(result) == AFTER_NAMES


@pytest.mark.parametrize("stage", ["validate", "listen"])
def test_a_recording_that_moved_is_asked_for_and_can_be_named(
    stage: str, bundle: Path, short_call: Path, tmp_path: Path, phone_call: Path
) -> None:
    shutil.rmtree(checkpoints_path().parent / "whereabouts")
    forget(stage)
    before = digests(bundle)
    lost = run_flow(bundle, corrections={"names": {"SPEAKER_01": "Sarah"}})
    assert lost.outcome is Outcome.FAILED
    assert lost.error is not None
    assert lost.error.exit_code == 2
    assert "--recording" in lost.error.remedy
    assert digests(bundle) == before
    shutil.copy(short_call, tmp_path / "moved.wav")
    with pytest.raises(UsageError, match="not the recording of this bundle"):
        corrected(bundle, "--speaker", "SPEAKER_01=Sarah", "--recording", phone_call)
    found = corrected(bundle, "--speaker", "SPEAKER_01=Sarah", "--recording", tmp_path / "moved.wav")
    assert stages(found) == {stage, *AFTER_NAMES}
    assert recorded(bundle)["source"]["name"] == "call.wav"


def test_a_cast_goes_along_with_its_bundle(bundle: Path, short_call: Path, tmp_path: Path) -> None:
    cast = tmp_path / "cast.yaml"
    cast.write_text(
        "campaign: The Mill\nmembers:\n  - {person: Diane Miller, aliases: [Diane], role: host, speaker: SPEAKER_00}\n"
        "  - {person: Sheila, aliases: [Shee], role: guest}\n"
    )
    made = run_flow(short_call, out=tmp_path / "cast", cast=cast, **QUICK)
    assert made.bundle is not None
    cast.unlink()
    result = corrected(made.bundle, "--speaker", "SPEAKER_01=Shee")
    assert sorted(result.names) == ["Diane Miller", "Sheila"]
    assert recorded(made.bundle)["cast"]["campaign"] == "The Mill"


def test_the_api_takes_corrections_as_a_file_too(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    path.write_text('{"names": {"SPEAKER_00": "Diane"}}')
    result = run_flow(bundle, corrections=path)
    assert result.bundle == bundle
    assert "Diane" in result.names
    assert load_corrections(bundle / "corrections.json").names == {"SPEAKER_00": "Diane"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--speaker", "SPEAKER_07=Sarah"], "SPEAKER_00"),
        (["--speaker", "SPEAKER_00"], "WHAT=TEXT"),
        (["--speaker", "SPEAKER_00="], "gives no name"),
        (["--word", "u0099:1=x"], "u0001, u0002"),
        (["--word", "u0001:99=x"], "Its words: 1 "),
        (["--word", "9999=x"], "numbered from 0 to"),
        (["--word", "there=x"], "UTTERANCE:WORD"),
        (["--replace", "Gandalf=Bilbo"], "nowhere in the transcript"),
        (["--transcript", "/nowhere/x.srt"], "/nowhere/x.srt"),
        (["--transcript", "song.mp3"], "transcript.srt"),
        (["--reset", "--word", "1=x"], "Reset first"),
        ([], "--reset"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_can_not_be_corrected(bundle: Path, arguments: list[str], expected: str) -> None:
    before = digests(bundle)
    with pytest.raises(EarwitnessError) as caught:
        corrected(bundle, *arguments)
    assert caught.value.exit_code == 2
    assert expected in str(caught.value)
    assert digests(bundle) == before


@pytest.mark.parametrize("damage", ["not there", "a folder", "no json", "another version"])
def test_a_bad_bundle_is_refused(bundle: Path, damage: str, tmp_path: Path) -> None:
    broken = bundle
    if damage == "not there":
        broken = tmp_path / "nothing"
    elif damage == "a folder":
        broken = tmp_path
    elif damage == "no json":
        (bundle / "recording.json").write_text("{")
    else:
        (bundle / "recording.json").write_text(json.dumps({**recorded(bundle), "schema_version": "9.0"}))
    with pytest.raises(UsageError) as caught:
        corrected(broken, "--speaker", "SPEAKER_00=Sarah")
    assert caught.value.remedy
