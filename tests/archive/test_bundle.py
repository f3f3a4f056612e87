import json
import math
import re
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.archive.bundle import compose_bundle, place_bundle, recording_id
from earwitness.archive.findings import Composed, Missing
from earwitness.archive.json_schema import published_schemas
from earwitness.archive.naming import ID_PATTERN, STEM_CHARS
from earwitness.corrections.corrections import Corrections
from earwitness.errors import ContractBroken
from earwitness.notes.notes import PlayersNotes
from earwitness.speech.turns import CountEstimate, Diarized
from earwitness.words.cast import Speaker
from tests.archive.factory import PEOPLE, make_findings, timed_words, turns
from tests.bundle_files import EVERY_BUNDLE

WHOLE = EVERY_BUNDLE | {"story.md", "clips/clip-1.mp4", "clips/clip-1.srt", "clips/clip-2.m4a", "clips/clip-2.srt"}


def text_of(composed: Composed, path: str) -> str:
    return composed.files[path].path.read_text("utf-8")


def json_of(composed: Composed, path: str) -> Any:
    return json.loads(text_of(composed, path))


def test_a_bundle_holds_every_promised_file() -> None:
    composed = compose_bundle(make_findings(), cast_given=True)
    assert set(composed.files) == WHOLE
    assert composed.recording_id == "session-12-hollow-keep-3f1d9a7c2b64"


def test_the_same_findings_give_the_same_bytes() -> None:
    first, second = compose_bundle(make_findings()), compose_bundle(make_findings())
    assert first.digest() == second.digest()


def test_files_of_earlier_stages_are_taken_as_they_are() -> None:
    findings = make_findings()
    composed = compose_bundle(findings)
    assert composed.files["audio.flac"] == findings.preprocessed.speech
    assert findings.clipped is not None
    assert composed.files["clips/clip-1.mp4"] == findings.clipped.files["clips/clip-1.mp4"]


def test_the_manifest_is_one_that_sha256sum_checks(tmp_path: Path) -> None:
    bundle, _ = place_bundle(compose_bundle(make_findings()), tmp_path)
    lines = (bundle / "manifest-sha256.txt").read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line[66:])
    assert {line[66:] for line in lines} == WHOLE - {"manifest-sha256.txt"}
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", "manifest-sha256.txt"], cwd=bundle, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_published_speakers_are_people_and_labels_stay_beside_them() -> None:
    composed = compose_bundle(make_findings())
    words = pq.read_table(composed.files["words.parquet"].path).to_pylist()
    assert [word["word"] for word in words] == [word.text for word in timed_words()]
    assert {(word["label"], word["speaker"]) for word in words} == {
        (f"SPEAKER_{number:02d}", name) for number, name in enumerate(PEOPLE)
    }
    rows = pq.read_table(composed.files["turns.parquet"].path).to_pylist()
    assert rows[0] == {
        "start_s": 1.2,
        "end_s": turns()[0].end_ms / 1000,
        "duration_s": pytest.approx(turns()[0].end_ms / 1000 - 1.2),
        "speaker": "Marisol Vega",
        "label": "SPEAKER_00",
    }
    for path in ("transcript.json", "transcript.srt", "transcript.vtt", "transcript.txt", "turns.rttm"):
        assert "SPEAKER_0" not in text_of(composed, path), path


def test_rttm_keeps_every_turn_and_its_names_have_no_blanks() -> None:
    composed = compose_bundle(make_findings())
    lines = [line.split(" ") for line in text_of(composed, "turns.rttm").splitlines()]
    assert len(lines) == len(turns())
    assert all(len(line) == 10 for line in lines)
    assert {line[7] for line in lines} == {name.replace(" ", "_") for name in PEOPLE}
    total = sum(float(line[4]) for line in lines)
    assert math.isclose(total, sum(t.end_ms - t.start_ms for t in turns()) / 1000, abs_tol=0.1)


def test_rttm_names_of_different_people_stay_different() -> None:
    findings = make_findings()
    twins = [
        Speaker(label="SPEAKER_00", name="Ann Lee", named_by="cast"),
        Speaker(label="SPEAKER_01", name="Ann_Lee", named_by="cast"),
        Speaker(label="SPEAKER_02", name="Ann\tLee\n;;", named_by="cast"),
        Speaker(label="SPEAKER_03", name=" ", named_by="cast"),
    ]
    composed = compose_bundle(findings.model_copy(update={"speakers": twins}))
    names = {line.split(" ")[7] for line in text_of(composed, "turns.rttm").splitlines()}
    assert names == {"Ann_Lee", "Ann_Lee_SPEAKER_01", "Ann_Lee_SPEAKER_02", "SPEAKER_03"}


def test_recording_json_tells_what_happened() -> None:
    record = json_of(compose_bundle(make_findings(), cast_given=True), "recording.json")
    assert record["outcome"] == "done"
    assert record["schema_version"] == "1.0"
    assert "machine" in record["statement"]
    assert record["source"]["sha256"].startswith("3f1d9a7c2b64")
    assert record["receipts"] == {"total_usd": 0.0, "items": []}
    assert record["engines"]["diarize"]["degraded"] is True
    assert "HF_TOKEN" in record["engines"]["diarize"]["reason"]
    assert record["timings"]["transcribe"] == {"started_at": "2026-11-21T08:00:00Z", "seconds": 31.0}
    assert [speaker["name"] for speaker in record["speakers"]] == PEOPLE
    assert sum(speaker["words"] for speaker in record["speakers"]) == len(timed_words())
    assert record["cast_given"] is True
    assert record["missing"] == []


def test_no_time_of_the_run_is_written_anywhere_but_in_recording_json() -> None:
    """A resumed run ends byte-identical to an uninterrupted one, provenance apart."""
    findings = make_findings()
    assert findings.transcribed is not None
    later = (
        findings.transcribed.provenance.model_copy(update={"seconds": 99.0})
        if findings.transcribed.provenance
        else None
    )
    rerun = findings.model_copy(update={"transcribed": findings.transcribed.model_copy(update={"provenance": later})})
    first, second = compose_bundle(findings).files, compose_bundle(rerun).files
    differing = {path for path in first if first[path] != second[path]}
    assert differing == {"recording.json", "manifest-sha256.txt"}


FAILED = {
    "diarized": ({"turns.parquet", "turns.rttm"}, "diarize"),
    "aligned": ({"words.parquet"}, "align"),
    "summarized": ({"notes.json", "notes.md", "story.md"}, "summarize"),
    "listening": ({"listen.m4a"}, "listen"),
    "clipped": ({path for path in WHOLE if path.startswith("clips")}, "clip"),
}


@pytest.mark.parametrize("part", FAILED)
def test_a_failed_stage_costs_its_own_files_only(part: str) -> None:
    lost, stage = FAILED[part]
    missing = Missing(stage=stage, code="engine-crashed", message="The engine died.", remedy="Try again.")
    composed = compose_bundle(make_findings(**{part: None}, missing=[missing]))
    assert set(composed.files) == WHOLE - lost
    record = json_of(composed, "recording.json")
    assert record["outcome"] == "partial"
    assert record["missing"] == [missing.model_dump()]
    assert "This result is partial" in text_of(composed, "report.html")


def test_without_words_the_segments_are_published() -> None:
    missing = Missing(stage="align", code="engine-failed", message="No.")
    composed = compose_bundle(make_findings(aligned=None, missing=[missing]))
    transcript = json_of(composed, "transcript.json")
    assert len(transcript["segments"]) == 28
    assert transcript["word_segments"] == []
    assert "Brannoch always wants the boat." in text_of(composed, "transcript.srt").replace("\n", " ")


def test_without_diarization_nobody_is_named() -> None:
    findings = make_findings(diarized=None, speakers=[], missing=[Missing(stage="diarize", code="x", message="No.")])
    composed = compose_bundle(findings)
    assert json_of(composed, "recording.json")["coverage"]["speech_without_speaker_s"] is None


def test_without_any_transcript_the_sound_is_still_published() -> None:
    composed = compose_bundle(make_findings(aligned=None, transcribed=None, summarized=None, clipped=None))
    assert {"audio.flac", "listen.m4a", "turns.rttm", "report.html"} <= set(composed.files)
    assert not any(path.startswith(("transcript", "words", "notes")) for path in composed.files)


def test_a_recording_in_which_nobody_speaks_makes_a_bundle() -> None:
    findings = make_findings()
    assert findings.transcribed is not None
    assert findings.diarized is not None
    silent = Diarized(
        engine=findings.diarized.engine,
        turns=[],
        exclusive=[],
        count=CountEstimate(count=0, given=False),
        embeddings=findings.diarized.embeddings,
        speech_ms=0,
    )
    quiet = findings.transcribed.model_copy(update={"segments": [], "speech_spans": [], "doubts": []})
    composed = compose_bundle(
        make_findings(diarized=silent, transcribed=quiet, aligned=None, summarized=None, clipped=None, speakers=[])
    )
    assert text_of(composed, "transcript.vtt").strip() == "WEBVTT"
    assert pq.read_table(composed.files["turns.parquet"].path).num_rows == 0


def test_the_report_can_be_left_out() -> None:
    composed = compose_bundle(make_findings(settings={"publish": {"report": False}}))
    assert set(composed.files) == WHOLE - {"report.html"}


@pytest.mark.parametrize("path", ["../evil.mp4", "/etc/passwd", "clips/../../x", "clips//x", "a\\b", "clips/\0"])
def test_a_clip_outside_the_bundle_is_refused(path: str) -> None:
    findings = make_findings()
    assert findings.clipped is not None
    files = {path: findings.clipped.files["clips/clip-1.mp4"]}
    with pytest.raises(ContractBroken, match="outside the bundle"):
        compose_bundle(make_findings(clipped=findings.clipped.model_copy(update={"files": files})))


def test_every_json_file_fits_its_published_schema() -> None:
    jsonschema = import_module("jsonschema")
    corrections = Corrections(names={"SPEAKER_00": "Sam"})
    findings = make_findings(warnings=["a", "a"], corrections=corrections)
    assert findings.summarized is not None
    players = PlayersNotes(notes=findings.summarized.notes, speakers=findings.speakers)
    summarized = findings.summarized.model_copy(update={"players": players})
    composed = compose_bundle(findings.model_copy(update={"summarized": summarized}))
    for path, schema in published_schemas().items():
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(json_of(composed, path), schema)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Session 12 - The Dragon's Lair.mp3", "session-12-the-dragon-s-lair"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\call.wav", "call"),
        ("会议录音.wav", "hui-yi-lu-yin"),
        ("🎲.wav", "recording"),
        ("", "recording"),
        ("..", "recording"),
        ("-rf *.wav", "rf"),
        ("x\0y.wav", "x-y"),
    ],
)
def test_ids_are_readable_and_safe(name: str, stem: str) -> None:
    assert recording_id(name, "AB" * 32) == f"{stem}-abababababab"


@given(name=st.text(max_size=300), part=st.none() | st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)))
def test_any_name_gives_a_folder_name_that_is_safe_everywhere(name: str, part: tuple[int, int] | None) -> None:
    made = recording_id(name, "0123456789abcdef" * 4, part)
    assert ID_PATTERN.match(made)
    assert made.isascii()
    assert len(made.split("-0123456789ab")[0]) <= STEM_CHARS


def test_different_parts_of_a_recording_have_different_ids() -> None:
    whole_seconds = recording_id("a.wav", "0" * 64, (600_000, 720_000))
    assert whole_seconds == "a-000000000000-600-720"
    ids = {recording_id("a.wav", "0" * 64, part) for part in [None, (0, 10_000), (0, 10_400), (200, 10_000)]}
    assert len(ids) == 4


def test_story_and_notes_are_text_for_people() -> None:
    composed = compose_bundle(make_findings())
    assert text_of(composed, "notes.md").startswith("# The knight of Hollow Keep")
    assert re.search(r"\[u0003\]", text_of(composed, "story.md"))
