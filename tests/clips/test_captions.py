from itertools import pairwise

import pysubs2
from hypothesis import given
from hypothesis import strategies as st

from earwitness.clips.captions import LINE_CHARS, columns, cues_of, literal, srt
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


def test_a_caption_stays_until_it_can_be_read_where_there_is_room() -> None:
    (cue,) = cues_of([unit(0, 600, "Forty two columns of text take some time.")], 0, 9_000)
    assert cue.end_ms >= 2_000
    first, second = cues_of(
        [unit(0, 600, "Forty two columns of text take some time."), unit(900, 1_500, "Yes.", "B")], 0, 9_000
    )
    assert first.end_ms == second.start_ms == 900


def test_talk_goes_on_under_a_caption_after_someone_talked_in_between() -> None:
    cues = cues_of([unit(0, 6_000, "Somebody who tells a story.", "A"), unit(2_000, 2_600, "Mhm.", "B")], 0, 8_000)
    assert [(cue.start_ms, cue.speaker) for cue in cues] == [(0, "A"), (2_000, "B")]
    assert cues[0].end_ms == 2_000
    assert cues[1].end_ms >= 6_000


def test_chinese_is_written_without_spaces_and_korean_with_them() -> None:
    def said(text: str) -> list[str]:
        words = tuple(Word(w, n * 200, n * 200 + 180, 1.0, "A", "u0001") for n, w in enumerate(text.split()))
        utterance = Utterance("u0001", "A", 0, words[-1].end_ms, text, words)
        return [line for cue in cues_of(units_of([utterance]), 0, 60_000) for line in cue.lines]

    assert said("你 好 世 界 。") == ["你好世界。"]
    assert said("안녕 세계.") == ["안녕 세계."]


def test_an_abbreviation_ends_no_sentence() -> None:
    text = "Mr. Smith met Dr. J. Brown. They talked."
    words = tuple(Word(w, n * 300, n * 300 + 250, 1.0, "A", "u0001") for n, w in enumerate(text.split()))
    units = units_of([Utterance("u0001", "A", 0, words[-1].end_ms, text, words)])
    assert [found.text for found in units] == ["Mr. Smith met Dr. J. Brown.", "They talked."]
