"""Text that nobody may have said: finding it, hearing it again, and the verdict."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.speech.doubts import find_doubts, longest_loop
from earwitness.speech.languages import LanguageSample, majority, mixed_languages, other_language, spread
from earwitness.speech.second_hearing import LEAST_MS, MOST_SHARE, check_again
from earwitness.speech.segments import RoughWord, Segment

NAMES = ["Strahd", "Ireena Kolyana", "Vallaki", "Barovia"]
SPOKEN = [(0, 600_000)]


def said(text: str, start: int = 0, end: int = 4_000, **more: object) -> Segment:
    return Segment.model_validate({"text": text, "start_ms": start, "end_ms": end, **more})


def kinds(segment: Segment, spans: list[tuple[int, int]], **more: object) -> list[str]:
    return [doubt.kind for doubt in find_doubts([segment], spans, recognised=True, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "language", "why"),
    [
        ("Спасибо за просмотр", "en", "in Cyrillic letters"),
        ("ご視聴ありがとうございました", "en", "in Hiragana letters"),
        ("請不吝點贊訂閱", "de", "in Chinese letters"),
        ("Thank you very much for watching", "ru", "in Latin letters"),
        ("und dann ist der Hund nicht mit auf die Wiese", "en", "in words of language 'de'"),
        ("und dann ist der Hund nicht mit auf die Wiese", "de", None),
        ("OK, Strahd!", "ru", None),
        ("東京でPythonの話をした", "ja", None),
        ("das war ein Team Meeting", "de", None),
        ("whatever this is", "xx", None),
        ("1234 ...", "en", None),
    ],
)
def test_text_in_another_language_is_noticed(text: str, language: str, why: str | None) -> None:
    assert other_language(text, language) == why
    assert ("language-flip" in kinds(said(text), SPOKEN, language=language)) == (why is not None)


@given(st.text(max_size=60), st.sampled_from(["en", "de", "ru", "ja", "xx", ""]))
def test_any_text_can_be_looked_at(text: str, language: str) -> None:
    found = find_doubts([said(text)], SPOKEN, recognised=True, language=language or None, names=[text, "Strahd", ""])
    assert all(doubt.text == text[:500] for doubt in found)
    assert longest_loop(text.split()) >= 1


@pytest.mark.parametrize(
    ("segment", "spans", "found"),
    [
        (said("Then Strahd came in to us all", confidence=0.9), SPOKEN, []),
        (said("Then Strahd came in to us all", confidence=0.45), SPOKEN, ["vocabulary"]),
        (said("We all went to Vallaki then", confidence=0.9), [], ["over-silence", "vocabulary"]),
        (said("Strahd, Ireena Kolyana, Vallaki, Barovia", confidence=0.9), SPOKEN, ["vocabulary"]),
        (said("Vallaki, Strahd!", confidence=0.9), SPOKEN, []),
        (said("Strange road", confidence=0.9), SPOKEN, []),
    ],
)
def test_names_that_were_expected_are_verified(
    segment: Segment, spans: list[tuple[int, int]], found: list[str]
) -> None:
    assert kinds(segment, spans, names=NAMES) == found


def test_the_word_itself_counts_where_its_confidence_is_known() -> None:
    words = [RoughWord(text=word, score=score) for word, score in (("Ireena", 0.9), ("Kolyana", 0.3), ("left.", 0.9))]
    doubted = said("Ireena Kolyana left.", confidence=0.8, words=words)
    (doubt,) = find_doubts([doubted], SPOKEN, recognised=True, names=NAMES)
    assert "'Ireena Kolyana'" in doubt.message
    assert "30%" in doubt.message
    sure = said("Ireena Kolyana left.", confidence=0.4, words=[w.model_copy(update={"score": 0.9}) for w in words])
    assert find_doubts([sure], SPOKEN, recognised=True, names=NAMES) == []


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("aaaaaaaaaaaaaaaaaaaaaaaa", True),
        ("ありがとうありがとうありがとうありがとうありがとうありがとう", True),
        ("nooooooo, hahahaha", False),
        ("1000000000", False),
    ],
)
def test_loops_are_found_without_spaces(text: str, loop: bool) -> None:
    assert ("loop" in kinds(said(text), SPOKEN)) == loop


LOOP = "and then we and then we and then we and then we"


def test_what_is_heard_again_stays() -> None:
    found = check_again([said(LOOP)], SPOKEN, 4_000, language="en", hear=lambda _: [said(LOOP.upper() + ".", 100)])
    assert [segment.text for segment in found.segments] == [LOOP]
    assert [(doubt.kind, doubt.verdict) for doubt in found.doubts] == [("loop", "kept")]
    assert found.doubts[0].message.endswith("Kept: heard the same twice.")
    assert found.warnings == []


def test_what_is_heard_otherwise_and_better_is_replaced() -> None:
    again = [said("and then we went home", 0, 2_000), said("all together", 2_500, 4_000)]
    before, after = said("Before it.", 0, 900), said("After it.", 9_000, 10_000)
    loop = said(LOOP, 1_000, 8_000)
    found = check_again([before, loop, after], SPOKEN, 10_000, language="en", hear=lambda _: again)
    assert found.segments == [before, *again, after]
    (doubt,) = found.doubts
    assert (doubt.verdict, doubt.text) == ("replaced", LOOP)
    assert "and then we went home all together" in doubt.message


def test_what_is_heard_otherwise_and_no_better_stays() -> None:
    again = [said("so what so what so what so what")]
    found = check_again([said(LOOP)], SPOKEN, 4_000, language="en", hear=lambda _: again)
    assert [segment.text for segment in found.segments] == [LOOP]
    assert [doubt.verdict for doubt in found.doubts] == ["kept"]


def test_text_over_silence_that_is_not_heard_again_goes_but_is_listed() -> None:
    real, ghost = said("Hello there.", 0, 2_000), said("I will see you all tomorrow.", 60_000, 63_000)
    found = check_again([real, ghost], [(0, 2_000)], 90_000, language="en", hear=lambda _: [])
    assert found.segments == [real]
    (doubt,) = found.doubts
    assert (doubt.kind, doubt.verdict, doubt.text) == ("over-silence", "removed", "I will see you all tomorrow.")
    assert len(found.warnings) == 1


def test_speech_is_not_removed_because_it_was_fast_or_foreign() -> None:
    fast = said("this is far too many words to be said in half of one second", 0, 500)
    foreign = said("und dann ist der Hund nicht mit auf die Wiese", 5_000, 9_000)
    found = check_again([fast, foreign], SPOKEN, 10_000, language="en", hear=lambda _: [])
    assert found.segments == [fast, foreign]
    assert [(doubt.kind, doubt.verdict) for doubt in found.doubts] == [
        ("impossible-rate", "kept"),
        ("language-flip", "kept"),
    ]


def test_the_list_of_names_over_silence_goes_without_a_hearing() -> None:
    echo = said("Strahd, Ireena Kolyana.", 60_000, 62_000)
    found = check_again([said("Hello.", 0, 900), echo], [(0, 900)], 90_000, language="en", names=NAMES, hear=None)
    assert [segment.text for segment in found.segments] == ["Hello."]
    assert {doubt.verdict for doubt in found.doubts} == {"removed"}
    assert {doubt.kind for doubt in found.doubts} == {"over-silence", "vocabulary"}


def test_without_a_second_hearing_everything_stays_and_is_doubted() -> None:
    segments = [said(LOOP), said("I am a ghost of the machine", 700_000, 704_000)]
    found = check_again(segments, SPOKEN, 800_000, language="en", hear=None)
    assert found.segments == segments
    assert [(doubt.kind, doubt.verdict) for doubt in found.doubts] == [("loop", None), ("over-silence", None)]


def test_the_same_segment_over_and_over_is_heard_as_one() -> None:
    many = [said("Thanks for watching!", n * 5_000, n * 5_000 + 4_000) for n in range(20)]
    asked: list[tuple[int, int]] = []

    def hear(stretches: list[tuple[int, int]]) -> list[Segment]:
        asked.extend(stretches)
        return [said("We saw the river.", 2_000, 4_000)]

    found = check_again(many, SPOKEN, 600_000, language="en", hear=hear)
    assert asked == [(0, 99_000)]
    assert [segment.text for segment in found.segments] == ["We saw the river."]


def test_only_a_share_of_a_recording_is_heard_again_and_that_is_said() -> None:
    hour = 3_600_000
    segments = [said(f"{LOOP} {n}", n * 30_000, n * 30_000 + 29_000) for n in range(100)]
    heard = 0

    def hear(stretches: list[tuple[int, int]]) -> list[Segment]:
        nonlocal heard
        heard += sum(end - start for start, end in stretches)
        return []

    found = check_again(segments, [(0, hour)], hour, language="en", hear=hear)
    assert 0 < heard <= max(LEAST_MS, MOST_SHARE * hour)
    assert len(found.segments) == 100 - heard // 29_000
    assert any("more than is heard" in warning for warning in found.warnings)


words = st.sampled_from(
    "we went home so what then river und der die Strahd Vallaki Спасибо thanks for watching".split()
)
texts = st.lists(words, min_size=1, max_size=30).map(" ".join)


@st.composite
def transcripts(draw: st.DrawFn) -> list[Segment]:
    at, segments = 0, []
    for text in draw(st.lists(texts, max_size=12)):
        at += draw(st.integers(0, 20_000))
        length = draw(st.integers(200, 30_000))
        segments.append(said(text, at, at + length, confidence=draw(st.sampled_from([0.2, 0.6, None]))))
        at += length
    return segments


@given(
    transcripts(),
    st.lists(st.tuples(st.integers(0, 300_000), st.integers(1, 60_000)), max_size=5),
    st.none() | st.lists(texts, max_size=3),
)
def test_nothing_goes_silently(segments: list[Segment], speech: list[tuple[int, int]], again: list[str] | None) -> None:
    spans = sorted((start, start + length) for start, length in speech)

    def hear(stretches: list[tuple[int, int]]) -> list[Segment]:
        ((start, end),) = stretches
        step = (end - start) // (len(again or []) or 1)
        return [said(text, start + n * step, start + (n + 1) * step) for n, text in enumerate(again or [])]

    found = check_again(segments, spans, 900_000, language="en", names=NAMES, hear=None if again is None else hear)
    listed = {doubt.text for doubt in found.doubts if doubt.verdict in {"replaced", "removed"}}
    assert all(segment in found.segments or segment.text[:500] in listed for segment in segments)
    starts = [segment.start_ms or 0 for segment in found.segments]
    assert starts == sorted(starts)
    assert all((a.start_ms, a.end_ms, a.kind) <= (b.start_ms, b.end_ms, b.kind) for a, b in pairwise(found.doubts))
    assert any(doubt.verdict == "removed" for doubt in found.doubts) == any("removed" in w for w in found.warnings)
    trusted = [s for s in segments if not find_doubts([s], spans, recognised=True, language="en", names=NAMES)]
    repeated = {s.text for s in segments if sum(o.text == s.text for o in segments) >= 4}
    assert all(segment in found.segments for segment in trusted if segment.text not in repeated)


def test_a_language_is_what_most_samples_say() -> None:
    samples = [
        LanguageSample(n * 1_000, n * 1_000 + 900, name) for n, name in enumerate(["ja", "en", "en", "de", "en"])
    ]
    language, share = majority(samples)
    assert (language, share) == ("en", 0.6)
    doubts = mixed_languages(samples, language)
    assert [(doubt.kind, doubt.start_ms) for doubt in doubts] == [("mixed-language", 0), ("mixed-language", 3_000)]
    assert "3 of 5" in doubts[0].message
    assert majority([]) == ("und", 0.0)
    unsure = [LanguageSample(0, 1, "de", 0.4), LanguageSample(1, 2, "en", 0.9)]
    assert majority(unsure)[0] == "en"
    assert mixed_languages(unsure, "en") == []


@given(st.integers(0, 500), st.integers(1, 9))
def test_samples_are_spread_from_the_first_to_the_last(count: int, most: int) -> None:
    chosen = spread(count, most)
    assert len(chosen) == min(count, most) == len(set(chosen))
    assert chosen == sorted(chosen)
    assert all(0 <= at < count for at in chosen)
    if count > 1 and most > 1:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
