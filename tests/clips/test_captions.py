from itertools import pairwise

import pysubs2
from hypothesis import given
from hypothesis import strategies as st

from earwitness.clips.captions import LINE_CHARS, Cue, Frame, burned, columns, cues_of, literal, srt
from earwitness.clips.units import Unit, units_of
from earwitness.words.transcript import Utterance, Word


def unit(start_ms: int, end_ms: int, text: str, speaker: str | None = "A") -> Unit:
    return Unit(start_ms, end_ms, text, speaker, "u0001", (), True)


spans = st.tuples(
    st.integers(0, 20_000), st.integers(1, 9_000), st.text(min_size=1, max_size=150), st.sampled_from("AB")
)


@given(
    found=st.lists(spans, max_size=15),
    start=st.integers(0, 5_000),
    length=st.integers(1_000, 25_000),
    limit=st.sampled_from([28, LINE_CHARS]),
)
def test_captions_keep_line_limits_and_never_overlap(
    found: list[tuple[int, int, str, str]], start: int, length: int, limit: int
) -> None:
    units = [unit(at, at + lasts, text, who) for at, lasts, text, who in found]
    cues = cues_of(units, start, start + length, limit)
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms <= length
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < columns(line) <= limit for line in cue.lines if not line.isspace())
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(cues))


def test_all_words_are_shown_in_order_on_the_clips_clock() -> None:
    text = "This is a rather long sentence, which has to be shown in several captions because it does not fit into one."
    words = tuple(Word(w, 10_000 + n * 250, 10_200 + n * 250, 1.0, "A", "u0001") for n, w in enumerate(text.split()))
    utterance = Utterance("u0001", "A", words[0].start_ms, words[-1].end_ms, text, words)
    cues = cues_of(units_of([utterance]), 9_500, 20_000)
    assert " ".join(line for cue in cues for line in cue.lines) == text
    assert cues[0].start_ms == 500
    assert len(cues) > 1


def test_a_change_of_speaker_starts_a_new_caption() -> None:
    cues = cues_of([unit(0, 1000, "Yes.", "A"), unit(1050, 2000, "No.", "B")], 0, 3000)
    assert [(cue.speaker, cue.lines) for cue in cues] == [("A", ("Yes.",)), ("B", ("No.",))]


def test_srt_names_speakers_once_a_turn_and_is_readable_by_others() -> None:
    cues = cues_of([unit(0, 900, "One.", "A"), unit(1900, 2500, "Two.", "A"), unit(3000, 3500, "Three.", "B")], 0, 4000)
    text = srt(cues, {"A": "Sam"})
    assert [event.plaintext for event in pysubs2.SSAFile.from_string(text)] == ["Sam: One.", "Two.", "Three."]


@given(st.text())
def test_no_text_is_taken_for_markup(text: str) -> None:
    shown = literal(text)
    assert not set(shown) & set("{}\\<>\n\r")
    file = pysubs2.SSAFile()
    file.append(pysubs2.SSAEvent(0, 1000, shown))
    back = pysubs2.SSAFile.from_string(file.to_string("ass"))
    assert back[0].plaintext == shown


def test_burned_captions_are_drawn_for_the_size_of_the_picture() -> None:
    frame = Frame()
    file = burned([Cue(0, 900, ("Hi.",), "A")], "{\\an8}Title", {"A": "Sam\n{\\b1}"}, 1000, frame)
    assert file.info["PlayResX"] == str(frame.width)
    assert file.info["PlayResY"] == str(frame.height)
    assert all("{" not in event.text for event in file)
    margins = [style.marginl for style in file.styles.values()]
    assert min(margins) >= frame.width // 20
