import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.clips.choose import choose_moments
from earwitness.clips.units import units_of
from earwitness.notes.notes import Claim, Notes, Section
from earwitness.options import ClipSettings
from earwitness.words.transcript import Utterance, Word


def settings(count: int = 3, min_s: float = 12, max_s: float = 60) -> ClipSettings:
    return ClipSettings(count=count, min_s=min_s, max_s=max_s, video=False)


def spoken(number: int, start_ms: int, text: str, speaker: str = "SPEAKER_00", word_ms: int = 300) -> Utterance:
    key = f"u{number:04d}"
    words = tuple(
        Word(word, start_ms + n * word_ms, start_ms + (n + 1) * word_ms - 40, 1.0, speaker, key)
        for n, word in enumerate(text.split())
    )
    return Utterance(key, speaker, start_ms, words[-1].end_ms, text, words)


LINES = (
    "Where did the dragon hide the crown of Emon?",
    "It sleeps under the mountain, and nobody has seen it for a hundred years.",
    "And then we walked for a while.",
    "The crown was never in the mountain, because the king had sold it to the guild.",
    "That changes everything!",
)


def talk(utterances: int) -> list[Utterance]:
    found, at = [], 0
    for n in range(utterances):
        utterance = spoken(n + 1, at, LINES[n % 5], f"SPEAKER_0{n % 2}")
        found.append(utterance)
        assert utterance.end_ms is not None
        at = utterance.end_ms + 400
    return found


@pytest.mark.parametrize(("low", "high"), [(3, 6), (12, 60), (20, 25)])
def test_clips_keep_the_limits_and_whole_sentences_and_do_not_overlap(low: float, high: float) -> None:
    utterances = talk(120)
    starts = {unit.start_ms for unit in units_of(utterances)}
    ends = {unit.end_ms for unit in units_of(utterances)}
    moments = choose_moments(utterances, None, settings(5, low, high)).moments
    assert len(moments) == 5
    for moment in moments:
        assert low * 1000 <= moment.end_ms - moment.start_ms <= high * 1000
        assert moment.start_ms in starts
        assert moment.end_ms in ends
        assert 0 <= moment.score <= 1
        assert moment.reason.endswith(".")
        assert moment.title
    ordered = sorted(moments, key=lambda m: m.start_ms)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(ordered))
    assert [m.score for m in moments] == sorted((m.score for m in moments), reverse=True)


@given(
    gaps=st.lists(st.tuples(st.integers(-2500, 5000), st.integers(1, 30), st.integers(0, 2)), max_size=40),
    low=st.integers(3, 20),
    extra=st.integers(2, 40),
)
def test_the_limits_hold_for_any_timing(gaps: list[tuple[int, int, int]], low: int, extra: int) -> None:
    at, utterances = 0, []
    for number, (gap, words, who) in enumerate(gaps, start=1):
        at = max(0, at + gap)
        utterance = spoken(number, at, " ".join(["word"] * (words - 1) + ["end."]), f"SPEAKER_0{who}")
        utterances.append(utterance)
        at = utterance.end_ms or 0
    choice = choose_moments(utterances, None, settings(4, low, low + extra))
    assert choice.moments or choice.reason
    spans = sorted((m.start_ms, m.end_ms) for m in choice.moments)
    assert all(low * 1000 <= end - start <= (low + extra) * 1000 for start, end in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_an_answered_question_beats_a_dangling_start() -> None:
    best = choose_moments(talk(15), None, settings(1, 10, 16)).moments[0]
    assert best.start_ms in {u.start_ms for u in talk(15) if u.text.endswith("?")}
    assert "question" in best.reason


def test_what_the_notes_cite_is_preferred() -> None:
    utterances = [spoken(n, n * 8_000, f"Plain words about matter {n} here today.") for n in range(1, 60)]
    claim = Claim(
        id="c001", text=utterances[40].text, section="What happened", evidence=[utterances[40].id], supported=True
    )
    notes = Notes(
        profile="tabletop",
        engine="extractive",
        title="",
        abstract="",
        sections=[Section(heading="What happened", claims=["c001"])],
        claims=[claim],
        words_read=1,
    )
    best = choose_moments(utterances, notes, settings(1, 12, 20)).moments[0]
    assert utterances[40].id in best.evidence
    assert "1 sentence of the notes" in best.reason


def test_a_short_recording_has_no_clip_and_says_why() -> None:
    said = "We have eight seconds of talk and that is all we ever had to say here."
    choice = choose_moments([spoken(1, 0, said)], None, settings())
    assert choice.moments == []
    assert "at least 12 s" in choice.reason


def test_untimed_words_and_no_words_and_no_wish_are_told_apart() -> None:
    untimed = [Utterance("u0001", None, None, None, "Hello there.")]
    assert "no times" in choose_moments(untimed, None, settings()).reason
    assert "no times" in choose_moments([], None, settings()).reason
    assert "asked for" in choose_moments(talk(9), None, settings(0)).reason


def test_fewer_than_asked_for_is_said() -> None:
    choice = choose_moments(talk(9), None, settings(20, 12, 30))
    assert 0 < len(choice.moments) < 20
    assert choice.reason.startswith(f"{len(choice.moments)} of 20")


def test_a_five_hour_recording_takes_seconds() -> None:
    utterances = talk(4_000)
    started = time.perf_counter()
    assert choose_moments(utterances, None, settings(5)).moments
    assert time.perf_counter() - started < 20
