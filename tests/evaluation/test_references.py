"""What people write down, read with care: a mistake is named with its file and line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earwitness.errors import BadTranscript, UsageError
from earwitness.evaluation.reference import Said, cut, read_references, read_uem
from earwitness.speech.turns import Turn

CALLED = ["talk", "talk-0123456789ab"]
RTTM = "SPEAKER talk 1 0.5 1.25 <NA> <NA> Ann <NA> <NA>\n"
STM = ";; made by hand\ntalk 1 Ann 0.5 1.75 <o,f0,female> Hello, {there / their}.\ntalk 1 Bo 1.5 2.5 Yes\n"
CTM = "talk 1 0.50 0.25 Hello 0.9\ntalk 1 1.50 0.5 yes\n"
TSV = "start\tend\tspeaker\tword\n1.5\t2.0\tBo\tyes\n0.5\t0.75\tAnn\tHello\n"


def written(folder: Path, **files: str) -> list[Path]:
    """`rttm="..."` becomes `reference.rttm`."""
    paths = []
    for suffix, text in files.items():
        path = folder / f"reference.{suffix}"
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths


def test_rttm_gives_turns_and_nothing_else(tmp_path: Path) -> None:
    found = read_references(written(tmp_path, rttm=RTTM), CALLED)
    assert found.turns == [Turn(start_ms=500, end_ms=1_750, speaker="Ann")]
    assert found.segments is found.words is None
    assert found.files == ["reference.rttm"]


def test_stm_gives_turns_and_text(tmp_path: Path) -> None:
    found = read_references(written(tmp_path, stm=STM), CALLED)
    assert found.segments == [Said("Hello, there.", 500, 1_750, "Ann"), Said("Yes", 1_500, 2_500, "Bo")]
    assert [(turn.speaker, turn.start_ms) for turn in found.turns or []] == [("Ann", 500), ("Bo", 1_500)]
    assert found.words is None, "a line of two words has no times of words"


def test_turns_of_an_rttm_go_before_those_of_an_stm_whichever_comes_first(tmp_path: Path) -> None:
    paths = written(tmp_path, stm=STM, rttm=RTTM)
    for order in (paths, paths[::-1]):
        found = read_references(order, CALLED)
        assert [turn.speaker for turn in found.turns or []] == ["Ann"]
        assert len(found.segments or []) == 2


def test_words_with_times_come_from_ctm_and_tables(tmp_path: Path) -> None:
    assert read_references(written(tmp_path, ctm=CTM), CALLED).words == [
        Said("Hello", 500, 750, None),
        Said("yes", 1_500, 2_000, None),
    ]
    found = read_references(written(tmp_path, tsv=TSV), CALLED)
    assert found.words == [Said("Hello", 500, 750, "Ann"), Said("yes", 1_500, 2_000, "Bo")]
    assert found.turns is None, "words say nothing about who is heard between them"


def test_an_stm_with_a_word_a_line_has_word_times(tmp_path: Path) -> None:
    found = read_references(written(tmp_path, stm="talk 1 Ann 0.5 0.75 Hello,\ntalk 1 Ann 0.75 1.0 there.\n"), CALLED)
    assert found.words == found.segments


def test_a_ctm_may_name_speakers_as_nist_does(tmp_path: Path) -> None:
    paths = written(tmp_path, ctm="talk 1 0.5 0.25 Hello 0.9 lex Ann\ntalk 1 1.5 0.5 yes 0.8 lex unknown\n")
    assert [item.speaker for item in read_references(paths, CALLED).words or []] == ["Ann", None]


def test_time_that_is_not_to_be_scored(tmp_path: Path) -> None:
    text = STM + "talk 1 inter_segment_gap 2.5 4.0 IGNORE_TIME_SEGMENT_IN_SCORING\n"
    found = read_references(written(tmp_path, stm=text), CALLED)
    assert found.ignored == [(2_500, 4_000)]
    assert len(found.segments or []) == 2


@pytest.mark.parametrize("name", CALLED)
def test_of_several_recordings_the_one_with_the_name_is_taken(tmp_path: Path, name: str) -> None:
    paths = written(
        tmp_path,
        rttm=RTTM.replace("talk", name) + RTTM.replace("talk", "other"),
        stm=STM.replace("talk", name) + STM.replace("talk", "other"),
        ctm=CTM.replace("talk", name) + CTM.replace("talk", "other"),
    )
    found = read_references(paths, CALLED)
    assert (len(found.turns or []), len(found.segments or []), len(found.words or [])) == (1, 2, 2)


@pytest.mark.parametrize(("suffix", "text"), [("rttm", RTTM), ("stm", STM), ("ctm", CTM)])
def test_several_recordings_none_of_them_ours(tmp_path: Path, suffix: str, text: str) -> None:
    paths = written(tmp_path, **{suffix: text.replace("talk", "one") + text.replace("talk", "two")})
    with pytest.raises(BadTranscript, match="covers 2 recordings, none of them called"):
        read_references(paths, CALLED)


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        ("rttm", RTTM + "SPEAKER talk 1 zero 1 <NA> <NA> Ann <NA> <NA>\n", "Line 2 of reference.rttm"),
        ("rttm", RTTM + "SPEAKER talk 1 1 -1 <NA> <NA> Ann <NA> <NA>\n", "Line 2 of reference.rttm"),
        ("rttm", "SPEAKER talk 1 nan 1 <NA> <NA> Ann <NA> <NA>\n", "Line 1 of reference.rttm"),
        ("stm", STM + "talk 1 Ann 3.0\n", "reference.stm: Line 4"),
        ("stm", STM + "talk 1 Ann 3.0 2.0 backwards\n", "Line 4 of reference.stm"),
        ("stm", STM + "talk 1 Ann -3.0 2.0 early\n", "Line 4 of reference.stm"),
        ("ctm", CTM + "talk 1 2.0 word\n", "Line 3 of reference.ctm"),
        ("ctm", CTM + "talk 1 2.0 -1 word\n", "Line 3 of reference.ctm"),
        ("tsv", TSV + "3.0\t2.0\tAnn\tback\n", "Line 4 of reference.tsv"),
        ("tsv", TSV + "soon\t2.0\tAnn\tback\n", "Line 4 of reference.tsv"),
        ("tsv", TSV + "3.0\n", "Line 4 of reference.tsv"),
        ("tsv", "begin\tend\tword\n", "lacks the column start"),
        ("tsv", "", "lacks the column end, start, word"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, suffix: str, text: str, message: str) -> None:
    with pytest.raises(BadTranscript) as caught:
        read_references(written(tmp_path, **{suffix: text}), CALLED)
    assert message in caught.value.message
    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"docx is no reference.*\.rttm, \.stm, \.ctm, \.tsv"):
        read_references(written(tmp_path, docx="x"), CALLED)
    with pytest.raises(UsageError, match="same kind"):
        read_references(written(tmp_path, ctm=CTM, tsv=TSV), CALLED)
    with pytest.raises(BadTranscript, match="nowhere"):
        read_references([tmp_path / "nowhere.rttm"], CALLED)
    (tmp_path / "noise.stm").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(BadTranscript, match="not text"):
        read_references([tmp_path / "noise.stm"], CALLED)


def test_what_to_score(tmp_path: Path) -> None:
    (tmp_path / "a.uem").write_text(";; comment\ntalk 1 10.0 20.5\ntalk 1 0 5\nother 1 0 99\n")
    assert read_uem(tmp_path / "a.uem", CALLED) == [(0, 5_000), (10_000, 20_500)]
    (tmp_path / "b.uem").write_text("talk 1 5 5\n")
    with pytest.raises(BadTranscript, match=r"Line 1 of b\.uem"):
        read_uem(tmp_path / "b.uem", CALLED)
    (tmp_path / "c.uem").write_text("\n")
    with pytest.raises(BadTranscript, match="names nothing"):
        read_uem(tmp_path / "c.uem", CALLED)


def test_a_part_of_a_recording_is_compared_on_its_own_clock(tmp_path: Path) -> None:
    text = STM + "talk 1 Ann 8 9 IGNORE_TIME_SEGMENT_IN_SCORING\ntalk 1 Bo 7 10 later\n"
    found = read_references(written(tmp_path, stm=text, ctm=CTM), CALLED).within((1_000, 8_500))
    # the text of the last line belongs to what comes after: its middle lies there
    assert found.segments == [Said("Hello, there.", 0, 750, "Ann"), Said("Yes", 500, 1_500, "Bo")]
    assert [(turn.start_ms, turn.end_ms) for turn in found.turns or []] == [(0, 750), (500, 1_500), (6_000, 7_500)]
    assert found.words == [Said("yes", 500, 1_000, None)]
    assert found.ignored == [(7_000, 7_500)]
    assert cut([(0, 10_000), (20_000, 30_000)], (5_000, 25_000)) == [(0, 5_000), (15_000, 20_000)]


_COLUMNS = st.one_of(
    st.sampled_from(
        ["SPEAKER", "talk", "1", "0.5", "1e9", "-1", "nan", "1e400", "<NA>", "start", "end", "word", "{", '"', ";;"]
    ),
    st.text(max_size=6),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["rttm", "stm", "ctm", "tsv"]),
    st.lists(st.lists(_COLUMNS, max_size=9), max_size=6),
    st.sampled_from([" ", "\t"]),
)
def test_whatever_a_reference_holds_it_is_read_or_refused(
    tmp_path: Path, suffix: str, lines: list[list[str]], between: str
) -> None:
    path = tmp_path / f"reference.{suffix}"
    head = "start\tend\tword\n" if suffix == "tsv" else ""
    path.write_text(head + "\n".join(between.join(line) for line in lines), "utf-8", errors="surrogatepass")
    with suppress(BadTranscript):
        found = read_references([path], CALLED)
        assert all(0 <= turn.start_ms < turn.end_ms for turn in found.turns or [])
        assert all(0 <= item.start_ms <= item.end_ms for item in [*(found.segments or []), *(found.words or [])])
    uem = path.replace(path.with_suffix(".uem"))
    with suppress(BadTranscript):
        assert all(0 <= start < end for start, end in read_uem(uem, CALLED))
