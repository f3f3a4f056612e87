from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from earwitness.archive.bundle import published_utterances
from earwitness.archive.ledgers import coverage_ledger, doubt_ledger
from earwitness.spans import merge, subtract
from earwitness.speech.segments import Segment, SkippedSpan, Transcribed
from earwitness.words.transcript import Word, utterances_of
from tests.archive.factory import make_findings, timed_words, words_ref

spans = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(0, 800)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=30
)


def points(found: list[tuple[int, int]]) -> set[int]:
    return {at for start, end in found for at in range(start, end)}


@given(spans)
def test_merging_keeps_every_moment_and_leaves_nothing_to_merge(given_spans: list[tuple[int, int]]) -> None:
    merged = merge(given_spans)
    assert points(merged) == points(given_spans)
    assert all(a[1] < b[0] for a, b in pairwise(merged))


@given(spans, spans)
def test_subtracting_leaves_exactly_what_is_outside(
    given_spans: list[tuple[int, int]], holes: list[tuple[int, int]]
) -> None:
    assert points(subtract(merge(given_spans), merge(holes))) == points(given_spans) - points(holes)


def transcribed(**changes: object) -> Transcribed:
    made = make_findings().transcribed
    assert made is not None
    return made.model_copy(update=changes)


def test_speech_without_words_is_found_where_it_is() -> None:
    words = [Word("one", 1_000, 1_400, 0.9, None, "u0001"), Word("two", 2_200, 2_600, 0.9, None, "u0001")]
    findings = make_findings(
        transcribed=transcribed(speech_spans=[(900, 2_800), (10_000, 14_000), (20_000, 20_300)]), diarized=None
    )
    ledger = coverage_ledger(findings, utterances_of(words))
    assert [(gap.start_s, gap.end_s) for gap in ledger.speech_without_words] == [(10.0, 14.0)]
    assert ledger.speech_without_words_s == 4.0
    assert ledger.speech_s == 6.2
    assert (ledger.words, ledger.words_without_speaker) == (2, 2)


def test_words_outside_the_speech_cover_nothing_in_it() -> None:
    words = [Word("ghost", 50_000, 50_400, 0.9, "SPEAKER_00", "u0001")]
    findings = make_findings(transcribed=transcribed(speech_spans=[(0, 3_000)]))
    assert coverage_ledger(findings, utterances_of(words)).speech_without_words_s == 3.0


def test_segments_cover_speech_when_words_could_not_be_aligned() -> None:
    segments = [Segment(text="hello there", start_ms=0, end_ms=2_900), Segment(text="no times")]
    findings = make_findings(aligned=None, transcribed=transcribed(speech_spans=[(0, 3_000)], segments=segments))
    ledger = coverage_ledger(findings, published_utterances(findings))
    assert ledger.speech_without_words_s == 0


def test_skipped_sound_is_listed_with_its_reason() -> None:
    skipped = [
        SkippedSpan(start_ms=0, end_ms=1_500, reason="music"),
        SkippedSpan(start_ms=5_000, end_ms=5_250, reason="x"),
    ]
    ledger = coverage_ledger(make_findings(transcribed=transcribed(skipped=skipped)), [])
    assert ledger.skipped_s == 1.75
    assert [span.reason for span in ledger.skipped] == ["music", "x"]


def test_speech_that_no_speaker_claims_is_counted() -> None:
    findings = make_findings(transcribed=transcribed(speech_spans=[(0, 1_000), (200_000, 203_000)]))
    assert coverage_ledger(findings, []).speech_without_speaker_s == 4.0


def test_without_a_transcript_the_turns_tell_how_much_is_spoken() -> None:
    findings = make_findings(transcribed=None, aligned=None)
    ledger = coverage_ledger(findings, [])
    assert findings.diarized is not None
    assert ledger.speech_s is not None
    assert abs(ledger.speech_s * 1000 - findings.diarized.speech_ms) < 3_000
    assert ledger.speech_without_words_s is None


def test_doubtful_words_are_ranked_and_estimated_ones_are_not_among_them() -> None:
    findings = make_findings()
    ledger = doubt_ledger(findings, published_utterances(findings), {"SPEAKER_00": "Marisol Vega"})
    scores = [word.score for word in ledger.least_certain]
    assert scores == sorted(scores)
    assert scores[:2] == [0.21, 0.33]
    assert ledger.low_confidence_words == len(scores)
    assert all(word.score > 0 for word in ledger.least_certain)
    assert ledger.least_certain[0].speaker == "Marisol Vega"
    assert [doubt.kind for doubt in ledger.doubts] == ["estimated-times", "impossible-rate"]
    assert ledger.speaker_count is not None
    assert ledger.speaker_count.alternatives == {3: 0.31, 5: 0.12}


def test_a_long_list_of_doubtful_words_is_cut_but_counted() -> None:
    words = [Word(f"w{n}", n * 100, n * 100 + 80, 0.4 - n / 10_000, "SPEAKER_00", "u0001") for n in range(200)]
    findings = make_findings()
    ledger = doubt_ledger(findings, utterances_of(words), {})
    assert len(ledger.least_certain) == 50
    assert ledger.least_certain[0].word == "w199"
    assert ledger.low_confidence_words == 200


def test_a_doubt_that_two_stages_report_is_listed_once() -> None:
    findings = make_findings()
    assert findings.transcribed is not None
    assert findings.aligned is not None
    twice = findings.aligned.model_copy(
        update={"doubts": findings.transcribed.doubts, "words": words_ref(timed_words())}
    )
    ledger = doubt_ledger(findings.model_copy(update={"aligned": twice}), [], {})
    assert len(ledger.doubts) == len(findings.transcribed.doubts)
