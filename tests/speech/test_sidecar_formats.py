"""Transcripts as people save them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.errors import BadTranscript
from earwitness.speech.segments import Segment
from earwitness.speech.sidecar import find_sidecar, read_transcript, read_transcript_file


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def brief(segments: list[Segment]) -> list[tuple[int | None, int | None, str | None, str]]:
    return [(s.start_ms, s.end_ms, s.speaker, s.text) for s in segments]


SRT = "1\n00:00:01,000 --> 00:00:02,500\nAnn: Hello\nthere.\n\n2\n00:00:03,000 --> 00:00:04,000\nBob: It was\n1942\n"


def test_srt_names_come_from_the_text(tmp_path: Path) -> None:
    assert brief(read_transcript(written(tmp_path, "a.srt", SRT))) == [
        (1000, 2500, "Ann", "Hello there."),
        (3000, 4000, "Bob", "It was 1942"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_any_usual_encoding_and_line_ends(tmp_path: Path, encoding: str) -> None:
    text = SRT.replace("there", "señor").replace("\n", "\r\n")
    found = read_transcript(written(tmp_path, "a.srt", text.encode(encoding)))
    assert [s.text for s in found] == ["Hello señor.", "It was 1942"]


def test_vtt_voices_notes_styles_and_cue_names(tmp_path: Path) -> None:
    text = (
        "WEBVTT - title\n\nNOTE not this\n00:00:00.000\n\nSTYLE\n::cue { color: red }\n\nintro\n"
        "00:01.000 --> 00:03.000 align:left\n<v Roger Bingham>We &amp; you</v> <v.loud Neil>No</v>\n\n"
        "01:00:03.000 --> 01:00:04.500\n<v Neil><i>So</i> it goes\n"
    )
    found = brief(read_transcript(written(tmp_path, "a.vtt", text)))
    assert [(speaker, said) for _, _, speaker, said in found] == [
        ("Roger Bingham", "We & you"),
        ("Neil", "No"),
        ("Neil", "So it goes"),
    ]
    assert found[0][0] == 1000
    assert found[0][1] == found[1][0]
    assert found[1][1] == 3000
    assert found[2][:2] == (3_603_000, 3_604_500)


def test_stm_speakers_comments_and_ignored_parts(tmp_path: Path) -> None:
    text = (
        ";; a comment\ncall 1 Ann 0.50 1.25 <o,f0,female> hello { there / @ } you\n"
        "call 1 Ann 1.25 2.00 ignore_time_segment_in_scoring\ncall 2 Bob 2 3.5 yes\n"
    )
    assert brief(read_transcript(written(tmp_path, "call.stm", text))) == [
        (500, 1250, "Ann", "hello there you"),
        (2000, 3500, "Bob", "yes"),
    ]


def test_whisperx_json_with_words_that_lack_times(tmp_path: Path) -> None:
    rows = [
        {
            "start": 1.0,
            "end": 2.0,
            "text": " It is 7",
            "speaker": "SPEAKER_01",
            "words": [
                {"word": "It", "start": 1.0, "end": 1.2, "score": 0.9},
                {"word": "is", "start": 1.4, "end": 1.3},
                {"word": "7"},
            ],
        }
    ]
    file = read_transcript_file(written(tmp_path, "a.json", json.dumps({"segments": rows, "language": "en"})))
    (segment,) = file.segments
    assert (segment.text, segment.speaker, file.language) == ("It is 7", "SPEAKER_01", "en")
    assert [(w.text, w.start_ms, w.end_ms) for w in segment.words] == [
        ("It", 1000, 1200),
        ("is", None, None),
        ("7", None, None),
    ]


def test_jsonl_with_and_without_times(tmp_path: Path) -> None:
    text = '{"speaker": "Ann", "text": "Hi"}\n\n{"speaker": "Bob", "text": "Ho", "start": 2, "end": 3.5}\n'
    assert brief(read_transcript(written(tmp_path, "a.jsonl", text))) == [
        (None, None, "Ann", "Hi"),
        (2000, 3500, "Bob", "Ho"),
    ]


def test_plain_script_names_and_lines_that_go_on(tmp_path: Path) -> None:
    text = "Ann: We meet at 10:30, see https://x.org\nand go on.\n\nDr. Smith: Note: bring tea.\nANN: yes\n"
    assert [(s.speaker, s.text) for s in read_transcript(written(tmp_path, "a.txt", text))] == [
        ("Ann", "We meet at 10:30, see https://x.org"),
        ("Ann", "and go on."),
        ("Dr. Smith", "Note: bring tea."),
        ("ANN", "yes"),
    ]


@pytest.mark.parametrize(
    "line",
    ["Note: bring tea.", "10:30 is fine", "But: no", "one thing is clear: we go", "See http://x.org", "8: eight"],
)
def test_not_everything_before_a_colon_is_a_name(tmp_path: Path, line: str) -> None:
    (first, *_) = read_transcript(written(tmp_path, "a.txt", f"{line}\nAnd so we went.\nIt rained.\n"))
    assert (first.speaker, first.text) == (None, line)


def test_plain_text_with_clocks(tmp_path: Path) -> None:
    found = read_transcript(written(tmp_path, "a.txt", "[00:01] Ann: one\n[00:05.5] Bob: two\n[1:00:00] Ann: three\n"))
    assert [(s.start_ms, s.speaker) for s in found] == [(1000, "Ann"), (5500, "Bob"), (3_600_000, "Ann")]


def test_wrong_times_are_put_right_and_said(tmp_path: Path) -> None:
    text = (
        "1\n00:00:09,000 --> 00:00:08,000\nlate\n\n2\n-00:00:01,000 --> 00:00:02,000\nearly\n\n"
        "3\n00:00:03,000 --> 00:00:12,000\nlong\n"
    )
    file = read_transcript_file(written(tmp_path, "a.srt", text))
    assert [(s.text, s.start_ms) for s in file.segments] == [("early", 0), ("long", 3000), ("late", 9000)]
    assert len(file.repairs) == 3
    assert all((s.end_ms or 0) > (s.start_ms or 0) for s in file.segments)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.srt", "1\n0:00 --> 5\nfoo", "Line 2"),
        ("a.stm", "ok 1 Ann 1 2 hello\nfoo bar", "Line 2"),
        ("c.stm", "a 1 Ann 1 2 x\nb 1 Ann 1 2 y", "2 recordings"),
        ("a.json", '{"results": 1}', "no list of segments"),
        ("a.json", "[" * 100_000, "not a transcript|nested|not JSON"),
        ("a.json", '{"segments": [{"start": 1}]}', "Segment 1 has no text"),
        ("a.jsonl", '{"text": "x"}\nnope', "Line 2"),
        ("a.txt", "  \n\n", "no text"),
        ("a.srt", "", "no text"),
        ("a.srt", "1\n00:00:01,000 -> 00:00:02,000\nAnn\n", "Line 2"),
        ("a.txt", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40, "not text"),
        ("a.txt", b"a" * 10_000_000, "10,000,000 characters"),
        ("a.jsonl", '{"text": "x", "start": 1e9, "end": 2e9}', "hours"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    with pytest.raises(BadTranscript, match=says) as caught:
        read_transcript(written(tmp_path, name, content))
    assert caught.value.remedy


def test_missing_file_is_a_bad_transcript(tmp_path: Path) -> None:
    with pytest.raises(BadTranscript):
        read_transcript(tmp_path / "none.srt")


def test_nul_bytes_do_no_harm(tmp_path: Path) -> None:
    assert [s.text for s in read_transcript(written(tmp_path, "a.txt", b"hel\x00lo\nyou"))] == ["hello", "you"]


@given(st.binary(max_size=300), st.sampled_from([".srt", ".vtt", ".stm", ".json", ".jsonl", ".txt"]))
def test_any_bytes_give_segments_or_a_bad_transcript(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = written(tmp_path_factory.mktemp("bytes"), f"a{suffix}", content)
    try:
        segments = read_transcript(path)
    except BadTranscript:
        return
    assert segments
    assert all(s.text.strip() for s in segments)


@given(
    st.lists(
        st.tuples(st.integers(-5000, 90_000), st.integers(-5000, 90_000), st.sampled_from(["yes", "oh no", "a b c"])),
        min_size=1,
        max_size=20,
    )
)
def test_srt_times_come_out_usable_and_no_text_is_lost(
    tmp_path_factory: pytest.TempPathFactory, cues: list[tuple[int, int, str]]
) -> None:
    def clock(ms: int) -> str:
        size = abs(ms)
        return f"{'-' if ms < 0 else ''}00:{size // 60_000:02d}:{size // 1000 % 60:02d},{size % 1000:03d}"

    text = "\n".join(f"{n}\n{clock(a)} --> {clock(b)}\n{said}\n" for n, (a, b, said) in enumerate(cues, 1))
    segments = read_transcript(written(tmp_path_factory.mktemp("srt"), "a.srt", text))
    assert sorted(s.text for s in segments) == sorted(said for _, _, said in cues)
    starts = [s.start_ms for s in segments]
    assert all(start is not None and start >= 0 for start in starts)
    assert starts == sorted(starts, key=lambda start: start or 0)
    assert all(s.end_ms is not None and s.start_ms is not None and s.end_ms > s.start_ms for s in segments)


def test_sidecar_is_found_in_the_stated_order(tmp_path: Path) -> None:
    recording = written(tmp_path, "talk.mp3", "x")
    assert find_sidecar(recording) is None
    written(tmp_path, "talk.json", '{"title": "not a transcript"}')
    assert find_sidecar(recording) is None
    expected = []
    for name in ("talk.txt", "talk.mp3.vtt", "talk.SRT", "talk.stm"):
        expected.append(written(tmp_path, name, "x 1 a 0 1 hello"))
        assert find_sidecar(recording) == expected[-1]


def test_a_transcript_is_not_its_own_sidecar(tmp_path: Path) -> None:
    assert find_sidecar(written(tmp_path, "talk.txt", "hello")) is None
