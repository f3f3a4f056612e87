import json
from collections.abc import Sequence

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.speech.segments import Segment
from earwitness.words.formats import (
    CUE_MS,
    LINE_CHARS,
    clock_text,
    cues_of,
    plain_text,
    srt_text,
    transcript_json,
    utterances_from_segments,
    vtt_text,
)
from earwitness.words.transcript import Utterance, Word, utterances_of

NAMES = {"SPEAKER_00": "Ann", "SPEAKER_01": "Bo <b>"}


def spoken(text: str, speaker: str | None = "SPEAKER_00", start_ms: int = 1_000, id_: str = "u0001") -> list[Word]:
    return [
        Word(token, start_ms + 300 * place, start_ms + 300 * place + 250, 0.9, speaker, id_)
        for place, token in enumerate(text.split(" "))
    ]


def one(text: str, speaker: str | None = "SPEAKER_00") -> list[Utterance]:
    return utterances_of(spoken(text, speaker))


def test_whisperx_json_has_the_fields_that_its_readers_want() -> None:
    document = json.loads(
        transcript_json(one("Hello there.") + one("Yes.", None), NAMES, "en").model_dump_json(exclude_none=True)
    )
    assert document["language"] == "en"
    assert document["segments"][0] == {
        "start": 1.0,
        "end": 1.55,
        "text": "Hello there.",
        "speaker": "Ann",
        "words": [
            {"word": "Hello", "start": 1.0, "end": 1.25, "score": 0.9, "speaker": "Ann"},
            {"word": "there.", "start": 1.3, "end": 1.55, "score": 0.9, "speaker": "Ann"},
        ],
    }
    assert "speaker" not in document["segments"][1]
    assert document["word_segments"] == [word for segment in document["segments"] for word in segment["words"]]


def test_srt_names_a_speaker_when_the_speaker_changes() -> None:
    words = spoken("One.") + spoken("Two.", id_="u0002", start_ms=4_000)
    words += spoken("Three.", "SPEAKER_01", 8_000, "u0003") + spoken("Four.", None, 12_000, "u0004")
    texts = [event.plaintext for event in pysubs2.SSAFile.from_string(srt_text(utterances_of(words), NAMES), "srt")]
    assert texts == ["Ann: One.", "Two.", "Bo : Three.", "Four."]
    assert "Bo <b>: Three." in srt_text(utterances_of(words), NAMES)


def test_vtt_has_a_voice_a_cue_and_escapes_what_would_be_markup() -> None:
    text = vtt_text(one("a --> b <i>c</i> & {d}", "SPEAKER_01"), NAMES)
    assert text.startswith("WEBVTT\n\n")
    assert "<v Bo &lt;b&gt;>a --&gt; b &lt;i&gt;c&lt;/i&gt; &amp; {d}" in text
    assert text.count("-->") == 1


def test_nothing_that_is_said_looks_like_a_time_line_in_srt() -> None:
    text = srt_text(one("2 00:00:01,000 --> here \\N {\\an8} braces stay"), {})
    assert text.count("-->") == 1
    assert "{\\an8} braces stay" in text.replace("\n", " ")
    assert len(pysubs2.SSAFile.from_string(text, "srt")) == 1


def test_long_speech_is_cut_into_captions_that_can_be_read() -> None:
    text = (
        "We walked for three days along the river, and nobody said a word until we came to the mill. "
        "Then everybody spoke at once. The miller, who had not seen a stranger since the flood, "
        "shut the door and would not open it again."
    )
    utterances = one(text)
    cues = cues_of(utterances, NAMES)
    assert " ".join(cue.text for cue in cues) == text
    for event in pysubs2.SSAFile.from_string(srt_text(utterances, NAMES), "srt"):
        lines = event.plaintext.split("\n")
        assert len(lines) <= 2
        assert all(len(line) <= LINE_CHARS for line in lines)
        assert event.end - event.start <= CUE_MS
    assert all(len(cue.text.split()) > 2 for cue in cues), "no cue of a word or two"


def test_a_pause_ends_a_caption() -> None:
    words = [*spoken("before the pause"), *spoken("after it", start_ms=6_000)]
    assert [cue.text for cue in cues_of(utterances_of(words), {})] == ["before the pause", "after it"]


def test_a_short_word_stays_long_enough_to_be_read() -> None:
    words = [
        Word("No.", 1_000, 1_100, 0.9, "SPEAKER_00", "u0001"),
        Word("Yes.", 9_000, 9_000, 0.9, "SPEAKER_01", "u0002"),
    ]
    assert [(cue.start_ms, cue.end_ms) for cue in cues_of(utterances_of(words), {})] == [(1_000, 1_500), (9_000, 9_500)]


def test_segments_without_word_times_are_spread_over_their_time() -> None:
    segments = [
        Segment(
            text=" a  sentence that is long enough to need more than the two lines of one caption, surely",
            start_ms=0,
            end_ms=6_000,
        ),
        Segment(text="   "),
        Segment(text="untimed", speaker="Cy"),
    ]
    utterances = utterances_from_segments(segments)
    assert [utterance.id for utterance in utterances] == ["u0001", "u0002"]
    cues = cues_of(utterances, {})
    assert (cues[0].start_ms, cues[-1].end_ms) == (0, 6_000)
    assert "untimed" not in srt_text(utterances, {}), "a caption needs a time"
    assert "Cy: untimed" in plain_text(utterances, {}), "plain text loses nothing"
    assert transcript_json(utterances, {}, "en").segments[1].start is None


def test_plain_text_is_a_paragraph_an_utterance() -> None:
    assert plain_text(one("Hello there."), NAMES) == "[0:00:01] Ann: Hello there.\n"
    assert plain_text(one("Hello there.", None), NAMES) == "[0:00:01] Hello there.\n"
    assert clock_text(3_723_999) == "1:02:03"


def test_no_words_make_empty_but_valid_files() -> None:
    assert srt_text([], {}) == ""
    assert vtt_text([], {}).strip() == "WEBVTT"
    assert plain_text([], {}) == ""
    assert transcript_json([], {}, "und").segments == []


token = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=60)


@given(
    texts=st.lists(st.lists(token, min_size=1, max_size=30), max_size=6),
    starts=st.lists(st.integers(0, 20_000_000), min_size=6, max_size=6),
)
def test_whatever_is_said_captions_parse_and_keep_every_cue(texts: Sequence[list[str]], starts: list[int]) -> None:
    words = [
        word
        for number, tokens in enumerate(texts)
        for word in spoken(" ".join(tokens), f"SPEAKER_0{number % 2}", starts[number], f"u{number:04d}")
    ]
    utterances = utterances_of(words)
    cues = cues_of(utterances, NAMES)
    assert all(cue.end_ms > cue.start_ms for cue in cues)
    vtt = vtt_text(utterances, NAMES)
    assert vtt.count("-->") == len(cues)
    srt = srt_text(utterances, NAMES)
    assert srt.count("-->") == len(cues_of(utterances, NAMES, room_for_name=True))


@pytest.mark.parametrize("name", ["A\nB", "A --> B", "\u2028x"])
def test_odd_names_break_no_format(name: str) -> None:
    names = {"SPEAKER_00": name}
    assert srt_text(one("Hi."), names).count("-->") == 1
    assert vtt_text(one("Hi."), names).count("-->") == 1
    assert len(plain_text(one("Hi."), names).splitlines()) == 1
