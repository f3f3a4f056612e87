"""Captions with one thing wrong at a time."""

from pathlib import Path

import pytest

from earwitness.checks.finding import Finding
from earwitness.checks.subtitles import Spoken, check_subtitles

ONE = "1\n00:00:00,500 --> 00:00:02,500\nSam: So here we are again.\n\n"
TWO = "2\n00:00:03,000 --> 00:00:05,000\nWhere were we?\n\n"
SPOKEN = [Spoken(500, 2_500, "A"), Spoken(3_000, 5_000, "A")]


def findings(tmp_path: Path, text: str, *, spoken: list[Spoken] | None = None, name: str = "a.srt") -> list[Finding]:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return check_subtitles(path, name, length_ms=6_000, spoken=SPOKEN if spoken is None else spoken)


def test_good_captions_pass(tmp_path: Path) -> None:
    assert findings(tmp_path, ONE + TWO) == []


def test_good_webvtt_passes(tmp_path: Path) -> None:
    text = "WEBVTT\n\n00:00:00.500 --> 00:00:02.500\n<v Sam>So here we are.\n\n00:03.000 --> 00:05.000\nWell?\n"
    assert findings(tmp_path, text, name="a.vtt") == []


BAD = {
    "out of order": (TWO + ONE, "The caption in line 6 starts before the one above it."),
    "backwards": (ONE + TWO.replace("00:00:05", "00:00:02"), "The caption in line 6 does not end after it starts."),
    "without text": (ONE + TWO.replace("Where were we?", "<i> </i>"), "The caption in line 6 holds no text."),
    "three lines": (ONE + TWO.replace("Where", "a\nb\nWhere"), "has more than 2 lines"),
    "past the end": (ONE + TWO.replace("00:00:05", "00:01:05"), "goes on after the sound has ended"),
    "no times": (ONE + TWO.replace("00:00:05,000", "later"), "Line 6 is not a pair of times"),
    "a point for a comma": (ONE + TWO.replace(",", "."), "Line 6 is not a pair of times"),
    "half of the speech": (ONE, "Its captions cover 50% of the speech; at least 95% is asked."),
    "no captions": ("", "cover 0% of the speech"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_captions_are_found(what: str, tmp_path: Path) -> None:
    text, said = BAD[what]
    found = findings(tmp_path, text)
    assert any(finding.level == "error" and said in finding.message for finding in found), found


def test_coverage_within_five_percent_passes(tmp_path: Path) -> None:
    assert findings(tmp_path, ONE + TWO.replace("05,000", "04,850")) == []
    assert findings(tmp_path, ONE + TWO.replace("05,000", "04,750"))[0].level == "error"


def test_many_faults_of_a_kind_make_one_finding(tmp_path: Path) -> None:
    text = ONE + TWO + "".join(TWO.replace("05,000", "02,000") for _ in range(2_000))
    found = [f for f in findings(tmp_path, text) if "does not end" in f.message]
    assert [f.message for f in found] == ["The caption in line 10 does not end after it starts, and so do 1,999 more."]


def test_webvtt_must_say_so(tmp_path: Path) -> None:
    found = findings(tmp_path, "00:00.500 --> 00:02.500\nHello\n", spoken=[], name="a.vtt")
    assert [f.message for f in found] == ["It does not begin with WEBVTT."]


def test_captions_that_overlap_are_a_remark_unless_two_people_speak(tmp_path: Path) -> None:
    text = ONE.replace("02,500", "04,500") + TWO
    assert [(f.level, f.message) for f in findings(tmp_path, text)] == [
        ("warning", "The caption in line 6 starts before the one above it has ended.")
    ]
    assert findings(tmp_path, text, spoken=[Spoken(500, 4_500, "A"), Spoken(3_000, 5_000, "B")]) == []


def test_captions_too_fast_to_read_are_a_remark(tmp_path: Path) -> None:
    found = findings(tmp_path, ONE + TWO.replace("Where were we?", "Where were we? " * 6))
    assert [f.level for f in found] == ["warning"]
    assert "1 of its 2 captions pass faster than 25 characters a second (the fastest at 44)" in found[0].message


def test_latin1_is_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes((ONE + TWO.replace("were", "wére")).encode("latin-1"))
    assert [f.message for f in check_subtitles(path, "a.srt")] == ["It is not UTF-8 text."]
