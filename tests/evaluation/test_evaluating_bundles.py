"""`earwitness eval` on bundles as they are published."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from earwitness.archive.findings import Missing
from earwitness.archive.json_schema import PRINTED, published_schemas
from earwitness.archive.reading import Bundle
from earwitness.cli import main
from earwitness.engines.engine import EngineUse
from earwitness.errors import UsageError
from earwitness.evaluation.evaluate import evaluate
from earwitness.evaluation.scores import Evaluation
from earwitness.export.formats import write_export
from earwitness.speech.turns import Turn
from earwitness.words.transcript import Word
from tests.archive.factory import make_findings
from tests.bundles import placed_bundle

NAMES = {"SPEAKER_00": "Ann Lee", "SPEAKER_01": "Bo"}
TURNS = [
    Turn(start_ms=1_000, end_ms=4_000, speaker="SPEAKER_00"),
    Turn(start_ms=4_000, end_ms=6_000, speaker="SPEAKER_01"),
    Turn(start_ms=6_000, end_ms=7_000, speaker="SPEAKER_00"),
]
WORDS = [
    Word("Hello", 1_000, 1_400, 0.9, "SPEAKER_00", "u0001"),
    Word("there,", 1_500, 2_000, 0.9, "SPEAKER_00", "u0001"),
    Word("Bo.", 2_100, 2_400, 0.9, "SPEAKER_00", "u0001"),
    Word("Good", 4_000, 4_300, 0.9, "SPEAKER_01", "u0002"),
    Word("morning.", 4_300, 5_000, 0.9, "SPEAKER_01", "u0002"),
    Word("Yes?", 6_000, 6_500, 0.9, "SPEAKER_00", "u0003"),
]
STM = """\
talk 1 Ann 1.0 2.5 hello there bo
talk 1 Bob 4.0 5.5 good morning Ann
talk 1 Bob 6.0 6.5 yes
"""
RTTM = """\
SPEAKER talk 1 1.0 3.0 <NA> <NA> A <NA> <NA>
SPEAKER talk 1 4.0 3.0 <NA> <NA> B <NA> <NA>
"""
WORD_TIMES = "start\tend\tword\n1.0\t1.4\thello\n1.5\t1.9\tthere\n4.02\t4.3\tgood\n"
FAILED = Missing(stage="transcribe", code="engine-failed", message="No recogniser could run here.")


def make(out: Path, **changes: object) -> Bundle:
    return placed_bundle(out, changes.pop("words", WORDS), changes.pop("turns", TURNS), NAMES, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARWITNESS_HOME", str(tmp_path_factory.mktemp("home")))
        return make(tmp_path_factory.mktemp("out"))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    texts = {"talk.stm": STM, "talk.rttm": RTTM, "talk.tsv": WORD_TIMES}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name[5:]: tmp_path / name for name in texts}


def test_stm_scores_turns_and_words(bundle: Bundle, files: dict[str, Path]) -> None:
    found = evaluate(bundle, [files["stm"]])
    assert found.diarization is not None
    # the reference speaks 3.5 s; found are 6 s: 1-4 for Ann, 4-6 for Bob, and 6-7 for Ann where Bob speaks till 6.5
    assert found.diarization.speech_s == 3.5
    assert found.diarization.missed_s == 0
    assert found.diarization.false_alarm_s == 2.5
    assert found.diarization.confusion_s == 0.5
    assert found.diarization.error_rate == round(3 / 3.5, 6)
    assert found.words is not None
    # "Ann" is missing of seven words
    assert (found.words.deletions, found.words.error_rate) == (1, round(1 / 7, 6))
    assert found.cp_words is not None
    # Ann: 3 words and one too many; Bob: 4 words, of which "Ann" and "yes" are missing
    assert (found.cp_words.insertions, found.cp_words.deletions) == (1, 2)
    assert found.word_speakers is not None
    assert (found.word_speakers.wrong, found.word_speakers.words) == (1, 6)
    assert {(pair.reference, pair.found) for pair in found.word_speakers.speakers} == {
        ("Ann", "Ann Lee"),
        ("Bob", "Bo"),
    }
    assert found.word_boundaries is None


def test_rttm_scores_turns_alone(bundle: Bundle, files: dict[str, Path]) -> None:
    found = evaluate(bundle, [files["rttm"]])
    assert found.diarization is not None
    assert (found.diarization.confusion_s, found.diarization.error_rate) == (1.0, round(1 / 6, 6))
    assert {found.words, found.cp_words, found.word_speakers, found.word_boundaries} == {None}
    assert found.engines == {"diarize": "bundled", "transcribe": "whisperx", "align": "whisperx"}


def test_word_times_score_boundaries_beside_the_text_of_an_stm(bundle: Bundle, files: dict[str, Path]) -> None:
    found = evaluate(bundle, [files["stm"], files["rttm"], files["tsv"]])
    assert found.words is not None
    assert found.words.reference_words == 7, "text is the STM's"
    assert found.diarization is not None
    assert found.diarization.speech_s == 6.0, "turns are the RTTM's"
    assert found.word_boundaries is not None
    # starts off by 0, 0, 20 ms; ends by 0, 100, 0 ms
    assert found.word_boundaries.words == 3
    assert found.word_boundaries.start_median_s == 0
    assert found.word_boundaries.mean_s == 0.02
    assert found.word_boundaries.within_50ms == round(5 / 6, 6)


def test_word_times_alone_score_words_without_speakers(bundle: Bundle, files: dict[str, Path]) -> None:
    found = evaluate(bundle, [files["tsv"]])
    assert {found.diarization, found.cp_words, found.word_speakers} == {None}
    assert found.words is not None
    assert (found.words.insertions, found.words.reference_words) == (3, 3)


def test_a_bundle_scores_nothing_against_itself(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("stm", "rttm", "tsv"):
        write_export(bundle, name, tmp_path / f"self.{name}")
    found = evaluate(bundle, [tmp_path / "self.stm", tmp_path / "self.rttm", tmp_path / "self.tsv"])
    assert found.diarization is not None
    assert found.diarization.error_rate == found.diarization.speaker_count_error == 0
    assert found.words is not None
    assert found.cp_words is not None
    assert found.word_speakers is not None
    assert found.words.error_rate == found.cp_words.error_rate == found.word_speakers.error_rate == 0
    assert found.word_boundaries is not None
    assert found.word_boundaries.mean_s == 0
    assert found.word_boundaries.words == len(WORDS)


def test_words_of_people_who_talk_at_once_are_compared_in_order_of_time_or_by_speaker(tmp_path: Path) -> None:
    words = [
        Word("one", 1_000, 1_300, 0.9, "SPEAKER_00", "u0001"),
        Word("two", 2_000, 2_300, 0.9, "SPEAKER_00", "u0001"),
        Word("yes", 1_500, 1_800, 0.9, "SPEAKER_01", "u0002"),
    ]
    bundle = make(tmp_path / "out", words=words)
    write_export(bundle, "tsv", tmp_path / "self.tsv")
    by_time = evaluate(bundle, [tmp_path / "self.tsv"])
    (tmp_path / "other.stm").write_text("talk 1 B 1.0 1.8 yes\ntalk 1 A 1.1 2.3 one two\n")
    by_segment = evaluate(bundle, [tmp_path / "other.stm"])
    assert by_time.words is not None
    assert by_time.words.error_rate == 0
    assert by_segment.words is not None
    assert by_segment.words.error_rate == round(2 / 3, 6), "segments stand in order of their start"
    assert by_segment.cp_words is not None
    assert by_segment.cp_words.error_rate == 0, "order between speakers costs nothing here"


def test_only_what_the_uem_names_is_scored(bundle: Bundle, files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.uem").write_text("talk 1 0 5.6\n")
    found = evaluate(bundle, [files["stm"], files["rttm"]], uem=tmp_path / "a.uem")
    assert found.scored_s == 5.6
    assert found.diarization is not None
    assert found.diarization.error_rate == 0
    assert found.words is not None
    assert (found.words.reference_words, found.words.found_words) == (6, 5)
    assert found.word_speakers is not None
    assert found.word_speakers.wrong == 0


def test_time_that_the_stm_excludes_is_not_scored(bundle: Bundle, tmp_path: Path) -> None:
    excluded = "talk 1 x {} {} ignore_time_segment_in_scoring\n"
    lines = STM.replace("talk 1 Bob 6.0 6.5 yes\n", excluded.format(2.5, 4.0) + excluded.format(5.5, 99))
    (tmp_path / "talk.stm").write_text(lines)
    found = evaluate(bundle, [tmp_path / "talk.stm"])
    assert found.diarization is not None
    assert found.diarization.error_rate == 0
    assert found.words is not None
    assert (found.words.found_words, found.words.insertions) == (5, 0), "Yes? lies in what is excluded"


def test_a_part_of_a_recording_is_compared_with_that_part(tmp_path: Path, files: dict[str, Path]) -> None:
    usual = make_findings()
    facts = usual.validated.facts.model_copy(update={"slice_ms": (3_000, 10_000)})
    moved = [
        Turn(start_ms=0, end_ms=1_000, speaker="SPEAKER_00"),
        Turn(start_ms=1_000, end_ms=4_000, speaker="SPEAKER_01"),
    ]
    later = [replace(word, start_ms=word.start_ms - 3_000, end_ms=word.end_ms - 3_000) for word in WORDS[3:]]
    part = make(
        tmp_path, words=later, turns=moved, validated=usual.validated.model_copy(update={"facts": facts, "seal": None})
    )
    found = evaluate(part, [files["rttm"], files["stm"]])
    assert found.diarization is not None
    assert found.diarization.error_rate == 0
    assert found.words is not None
    assert found.words.reference_words == 4


def test_what_a_partial_bundle_lacks_is_said(tmp_path: Path, files: dict[str, Path]) -> None:
    bundle = make(tmp_path, missing=[FAILED], aligned=None, transcribed=None)
    found = evaluate(bundle, [files["stm"]])
    assert found.words is None
    assert found.diarization is not None
    assert found.warnings == ["The bundle has no words (No recogniser could run here), so what was said is not scored."]
    with pytest.raises(UsageError, match=r"Nothing can be compared: The bundle has no words \(No recogniser"):
        evaluate(bundle, [files["tsv"]])


def test_the_words_of_a_given_transcript_are_no_proof_of_a_recogniser(tmp_path: Path, files: dict[str, Path]) -> None:
    engines = {**make_findings().engines, "transcribe": EngineUse(name="sidecar", version="1")}
    found = evaluate(make(tmp_path, engines=engines), [files["stm"]])
    assert any("not from a recogniser" in text for text in found.warnings)


def test_a_collar_that_cannot_be_is_refused(bundle: Bundle, files: dict[str, Path]) -> None:
    for collar_s in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="collar"):
            evaluate(bundle, [files["rttm"]], collar_s=collar_s)


def run(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["eval", *map(str, arguments)])
    out, err = capfd.readouterr()
    code = ended.value.code
    return code if isinstance(code, int) else 0, out, err


def test_people_get_a_table(bundle: Bundle, files: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    arguments = [item for name in ("stm", "rttm", "tsv") for item in ("--reference", files[name])]
    code, out, _ = run(capfd, bundle.folder, *arguments)
    assert code == 0
    assert (
        "diarization error rate        16.7 % = missed 0.00 s + false alarm 0.00 s + confusion 1.00 s of 6.00 s" in out
    )
    assert "word error rate               14.3 % = 0 substituted + 1 missing + 0 too many of 7 words" in out
    assert "words with a wrong speaker    16.7 % = 1 of 6 that were found" in out
    assert "B                    Bo" in out


def test_programs_get_one_object_of_the_published_schema(
    bundle: Bundle, files: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capfd, bundle.folder, "--reference", files["stm"], "--reference", files["tsv"], "--json")
    assert (code, err) == (0, "")
    value = json.loads(out)
    jsonschema.validate(value, published_schemas(PRINTED)["evaluation.json"])
    assert Evaluation.model_validate(value) == evaluate(bundle, [files["stm"], files["tsv"]])


def test_a_bad_reference_exits_with_2_and_names_the_line(
    bundle: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.rttm").write_text(RTTM + "SPEAKER talk\n")
    code, out, err = run(capfd, bundle.folder, "--reference", tmp_path / "bad.rttm")
    assert (code, out) == (2, "")
    assert "Line 3 of bad.rttm" in err
    assert "Traceback" not in err
    code, _, err = run(capfd, bundle.folder)
    assert code == 2
    assert "--reference" in err
