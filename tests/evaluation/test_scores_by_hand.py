"""Scores against cases that were worked out by hand."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.evaluation.diarization import diarization_score, whole_file
from earwitness.evaluation.tokens import Token, normalised, tokens_of
from earwitness.evaluation.words import cp_word_errors, word_boundaries, word_errors, word_speakers
from earwitness.speech.turns import Turn


def turn(speaker: str, start_s: float, end_s: float) -> Turn:
    return Turn(start_ms=round(start_s * 1000), end_ms=round(end_s * 1000), speaker=speaker)


def spoken(text: str, speaker: str | None = None) -> list[Token]:
    """`A: hello there B: yes` or plain text."""
    tokens = []
    for item in text.split():
        if item.endswith(":"):
            speaker = item[:-1]
        else:
            tokens.append(Token(item, speaker))
    return tokens


# ---------------------------------------------------------------- who spoke when

TWO = [turn("A", 0, 10), turn("B", 10, 20)]


@pytest.mark.parametrize(
    ("reference", "found", "parts", "rate"),
    [
        pytest.param(TWO, [turn("x", 0, 8), turn("y", 8, 20)], (0, 0, 2), 2 / 20, id="two seconds change hands"),
        pytest.param(TWO, [turn("x", 0, 10)], (10, 0, 0), 10 / 20, id="one is missed"),
        pytest.param(TWO, [turn("x", 0, 20)], (0, 0, 10), 10 / 20, id="two taken for one"),
        pytest.param([turn("A", 0, 10)], [turn("x", 0, 12)], (0, 2, 0), 2 / 10, id="two seconds too long"),
        pytest.param([turn("A", 0, 10)], [turn("x", 0, 6), turn("y", 6, 10)], (0, 0, 4), 4 / 10, id="one torn in two"),
        pytest.param(
            [turn("A", 0, 10), turn("B", 5, 10)], [turn("x", 0, 10)], (5, 0, 0), 5 / 15, id="overlap counts twice"
        ),
        pytest.param(
            [turn("A", 0, 10), turn("A", 5, 10)], [turn("x", 0, 10)], (0, 0, 0), 0.0, id="own overlap counts once"
        ),
        pytest.param([turn("A", 0, 10)], [turn("x", 0, 10), turn("y", 0, 10)], (0, 10, 0), 1.0, id="a voice too many"),
        pytest.param(
            # by greed x would be A (6 s in common) and y nobody; as B (5 s) and A (5 s) they have more in common
            [turn("A", 0, 6), turn("B", 6, 11), turn("A", 11, 16)],
            [turn("x", 0, 11), turn("y", 11, 16)],
            (0, 0, 6),
            6 / 16,
            id="the mapping is the best of all",
        ),
        pytest.param([turn("A", 0, 10)], [], (10, 0, 0), 1.0, id="nothing found"),
        pytest.param([], [turn("x", 0, 3)], (0, 3, 0), None, id="nobody speaks"),
    ],
)
def test_diarization_error_rate(
    reference: list[Turn], found: list[Turn], parts: tuple[float, float, float], rate: float | None
) -> None:
    score = diarization_score(reference, found, whole_file(20_000))
    assert (score.missed_s, score.false_alarm_s, score.confusion_s) == parts
    assert score.error_rate == (None if rate is None else pytest.approx(rate, abs=1e-6))


def test_a_collar_leaves_out_both_sides_of_every_boundary_of_the_reference() -> None:
    reference, found = [turn("A", 1, 11)], [turn("x", 1.5, 11.2)]
    strict = diarization_score(reference, found, whole_file(20_000))
    assert (strict.missed_s, strict.false_alarm_s, strict.speech_s) == (0.5, 0.2, 10.0)
    lenient = diarization_score(reference, found, whole_file(20_000), collar_ms=250)
    # scored from 1.25 to 10.75 and beyond 11.25: a quarter of a second of the late start remains
    assert (lenient.missed_s, lenient.false_alarm_s, lenient.speech_s) == (0.25, 0.0, 9.5)
    assert lenient.collar_s == 0.25


def test_nothing_outside_what_is_scored_counts() -> None:
    score = diarization_score(TWO, [turn("x", 0, 12), turn("z", 30, 40)], [(5_000, 15_000)])
    assert (score.missed_s, score.false_alarm_s, score.confusion_s, score.speech_s) == (3.0, 0.0, 2.0, 10.0)
    assert (score.speakers_reference, score.speakers_found, score.speaker_count_error) == (2, 1, -1)


def test_speaking_times_stand_beside_each_other() -> None:
    found = [turn("x", 0, 8), turn("y", 8, 20), turn("z", 20, 21)]
    score = diarization_score([*TWO, turn("C", 25, 26)], found, whole_file(30_000))
    assert [(row.reference, row.found, row.reference_s, row.found_s) for row in score.speakers] == [
        ("A", "x", 10.0, 8.0),
        ("B", "y", 10.0, 12.0),
        ("C", None, 1.0, 0.0),
        (None, "z", 0.0, 1.0),
    ]
    assert score.speaker_count_error == 0


def test_the_whole_file_reaches_to_the_last_turn() -> None:
    assert whole_file(5_000, [turn("A", 1, 9)]) == [(0, 9_000)]
    assert whole_file(0) == []


conversations = st.lists(
    st.builds(
        lambda who, start, length: Turn(start_ms=start, end_ms=start + length, speaker=f"S{who}"),
        st.integers(0, 3),
        st.integers(0, 60_000),
        st.integers(1, 20_000),
    ),
    min_size=1,
    max_size=12,
)
_FEW = settings(max_examples=40)  # the first example imports pyannote


@_FEW
@given(conversations, conversations)
def test_relabelling_and_order_change_no_diarization_score(reference: list[Turn], found: list[Turn]) -> None:
    scored = whole_file(90_000)
    first = diarization_score(reference, found, scored)
    renamed = [item.model_copy(update={"speaker": f"voice {9 - int(item.speaker[1])}"}) for item in reversed(found)]
    second = diarization_score(reference[::-1], renamed, scored)
    for part in ("missed_s", "false_alarm_s", "confusion_s", "speech_s", "speaker_count_error"):
        assert getattr(first, part) == pytest.approx(getattr(second, part), abs=2e-3)


@_FEW
@given(conversations, st.integers(0, 1_000_000), st.sampled_from([0, 250]))
def test_a_reference_scores_nothing_against_itself_wherever_it_lies(
    reference: list[Turn], shift_ms: int, collar_ms: int
) -> None:
    moved = [
        Turn(start_ms=item.start_ms + shift_ms, end_ms=item.end_ms + shift_ms, speaker=f"x{item.speaker}")
        for item in reference
    ]
    score = diarization_score(moved, moved, whole_file(0, moved), collar_ms)
    assert score.missed_s == score.false_alarm_s == score.confusion_s == 0
    assert score.error_rate in (0, None)
    assert all(row.reference == row.found for row in score.speakers)


@_FEW
@given(conversations, st.integers(1, 5_000))
def test_found_late_by_so_much_costs_so_much_at_either_end(reference: list[Turn], late_ms: int) -> None:
    lone = [Turn(start_ms=10_000, end_ms=40_000, speaker="A")]
    late = [Turn(start_ms=10_000 + late_ms, end_ms=40_000 + late_ms, speaker="x")]
    score = diarization_score(lone, late, whole_file(60_000))
    assert score.missed_s == score.false_alarm_s == pytest.approx(late_ms / 1000)
    assert score.confusion_s == 0


# ---------------------------------------------------------------- what was said


def test_word_errors_by_their_kind() -> None:
    scores, pairs = word_errors(spoken("a b c d e f g"), spoken("a X c d f g Y Z"))
    assert (scores.substitutions, scores.deletions, scores.insertions, scores.hits) == (1, 1, 2, 5)
    assert scores.error_rate == round(4 / 7, 6)
    assert (scores.reference_words, scores.found_words) == (7, 8)
    assert [a.text + b.text for a, b in pairs] == ["aa", "bX", "cc", "dd", "ff", "gg"]


@pytest.mark.parametrize(
    ("reference", "found", "rate"),
    [("", "", None), ("", "a b", None), ("a b", "", 1.0), ("a", "a b c", 2.0), ("a b", "a b", 0.0)],
)
def test_word_errors_at_the_edges(reference: str, found: str, rate: float | None) -> None:
    assert word_errors(spoken(reference), spoken(found))[0].error_rate == rate


def test_cpwer_pairs_speakers_at_the_least_cost() -> None:
    scores = cp_word_errors(spoken("A: hello there B: yes"), spoken("x: yes y: hello z: no no"))
    # A is y (one word missing), B is x, z says two words that nobody said
    assert (scores.substitutions, scores.deletions, scores.insertions) == (0, 1, 2)
    assert scores.error_rate == 1.0
    assert {(pair.reference, pair.found) for pair in scores.speakers} == {("A", "y"), ("B", "x"), (None, "z")}


def test_cpwer_counts_words_of_a_wrong_speaker_twice() -> None:
    reference, found = spoken("A: a b c d B: e f"), spoken("x: a b c y: d e f")
    assert word_errors(reference, found)[0].error_rate == 0
    scores = cp_word_errors(reference, found)
    assert (scores.deletions, scores.insertions, scores.error_rate) == (1, 1, round(2 / 6, 6))


def test_cpwer_compares_a_speaker_who_was_not_found_with_silence() -> None:
    scores = cp_word_errors(spoken("A: a b c B: d"), spoken("x: a b c"))
    assert (scores.deletions, scores.error_rate) == (1, 0.25)
    assert {(pair.reference, pair.found) for pair in scores.speakers} == {("A", "x"), ("B", None)}


lines = st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("uvwxyz")), min_size=1, max_size=12)


def edit_distance(a: list[str], b: list[str]) -> int:
    """Levenshtein by the book."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1]


@_FEW
@given(lines, lines)
def test_cpwer_is_the_least_of_all_permutations(reference: list[tuple[str, str]], found: list[tuple[str, str]]) -> None:
    def by_speaker(items: list[tuple[str, str]]) -> list[list[str]]:
        return [[word for who, word in items if who == speaker] for speaker in "ABC"]

    least = min(
        sum(edit_distance(a, b) for a, b in zip(by_speaker(reference), order, strict=True))
        for order in itertools.permutations(by_speaker(found))
    )
    scores = cp_word_errors(
        [Token(word, speaker) for speaker, word in reference], [Token(word, speaker) for speaker, word in found]
    )
    assert scores.error_rate == round(least / len(reference), 6)
    total, _ = word_errors(
        [Token(word, speaker) for speaker, word in reference], [Token(word, speaker) for speaker, word in found]
    )
    errors = total.substitutions + total.deletions + total.insertions
    assert errors == edit_distance([word for _, word in reference], [word for _, word in found])


@_FEW
@given(lines)
def test_words_score_nothing_against_themselves_whatever_speakers_are_called(said: list[tuple[str, str]]) -> None:
    reference = [Token(word, speaker) for speaker, word in said]
    renamed = [Token(word, {"A": "z", "B": "y", "C": "x"}[speaker]) for speaker, word in said]
    scores, pairs = word_errors(reference, renamed)
    assert scores.error_rate == cp_word_errors(reference, renamed).error_rate == word_speakers(pairs).error_rate == 0


# ---------------------------------------------------------------- who said which word


def test_words_with_a_wrong_speaker_after_the_best_pairing() -> None:
    reference = spoken("A: a b c d B: e f g")
    found = spoken("x: a b y: c X x: d y: e x: f")
    _, pairs = word_errors(reference, found)
    # aligned: a b c d e f and g or X; x is A (a, b, d right; c wrong), y is B (e right, f wrong)
    known = [pair for pair in pairs if pair[0].text in "abcdef" and pair[0].text == pair[1].text]
    scores = word_speakers(known)
    assert (scores.wrong, scores.words, scores.error_rate) == (2, 6, round(2 / 6, 6))
    assert {(pair.reference, pair.found) for pair in scores.speakers} == {("A", "x"), ("B", "y")}


def test_substituted_words_count_and_nobody_is_a_wrong_speaker() -> None:
    pairs = list(zip(spoken("A: a b c"), [Token("a", "x"), Token("B", "x"), Token("c")], strict=True))
    scores = word_speakers(pairs)
    assert (scores.wrong, scores.words) == (1, 3)


def test_two_speakers_taken_for_one_lose_the_words_of_one() -> None:
    reference = spoken("A: a b c B: d e")
    _, pairs = word_errors(reference, [Token(token.text, "x") for token in reference])
    assert word_speakers(pairs).wrong == 2


def test_words_without_a_speaker_in_the_reference_are_passed_over() -> None:
    assert word_speakers([(Token("a"), Token("a", "x"))]).error_rate is None


# ---------------------------------------------------------------- word times


def timed(text: str, start_ms: int, end_ms: int) -> Token:
    return Token(text, None, start_ms, end_ms)


def test_boundaries_of_words_that_were_recognised() -> None:
    pairs = [
        (timed("a", 0, 100), timed("a", 10, 100)),
        (timed("b", 200, 300), timed("b", 170, 360)),
        (timed("c", 400, 500), timed("c", 400, 740)),
        (timed("d", 600, 700), timed("D", 900, 990)),
        (Token("e"), timed("e", 1_000, 1_100)),
    ]
    scores = word_boundaries(pairs)
    # starts 10, 30, 0; ends 0, 60, 240: d is another word, e has no times
    assert (scores.words, scores.start_median_s, scores.end_median_s) == (3, 0.01, 0.06)
    assert scores.mean_s == round((10 + 30 + 0 + 0 + 60 + 240) / 6 / 1000, 4)
    assert scores.p95_s == 0.24
    assert (scores.within_50ms, scores.within_100ms, scores.within_200ms) == tuple(round(n / 6, 6) for n in (4, 5, 5))


def test_no_words_in_common_have_no_boundaries() -> None:
    scores = word_boundaries([])
    assert scores.words == 0
    assert scores.mean_s is scores.p95_s is scores.within_50ms is None


# ---------------------------------------------------------------- words as they are compared


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Oh, hello. I didn't KNOW!", "oh hello i didn't know"),
        ("I didn’t ‘know’ it — 'twas", "i didn't know it twas"),
        ("well-known 3.5 1,000 10:30 20.", "well known 3.5 1,000 10:30 20"),
        ("Straße ﬁne É", "strasse fine é"),
        ("हिन्दी में", "हिन्दी में"),
        ("a\u200db <i> & §", "ab i"),
        ("… -- ?", ""),
    ],
)
def test_text_is_compared_without_case_and_punctuation(text: str, words: str) -> None:
    assert normalised(text) == words.split()


@given(st.text(max_size=40))
def test_normalised_words_stay_as_they_are(text: str) -> None:
    words = normalised(text)
    assert normalised(" ".join(words)) == words


def test_only_the_outer_words_of_several_know_a_boundary() -> None:
    assert tokens_of("Well-known!", "A", 100, 900) == [Token("well", "A", 100, None), Token("known", "A", None, 900)]
    assert tokens_of("—", "A", 100, 900) == []
