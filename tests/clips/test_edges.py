"""Clips extended and trimmed by whole sentences."""

from pathlib import Path

import pytest

from earwitness.archive.reading import Bundle, read_bundle
from earwitness.clips.choose import choose_moments
from earwitness.clips.clip import Clip, ClipList
from earwitness.clips.edges import moved
from earwitness.corrections.corrections import ClipEdges
from earwitness.errors import UsageError
from earwitness.settings import ClipSettings
from earwitness.speech.turns import Turn
from earwitness.words.transcript import Word, utterances_of
from tests.bundles import placed_bundle

SENTENCE_MS = 4_000
SENTENCES = 20
WORDS = [
    Word(f"{'Word' if k == 0 else 'word'}{n}{'.' if k == 3 else ''}", at := n * SENTENCE_MS + k * 900, at + 800, 1.0,
         "SPEAKER_00", f"u{n + 1:04d}")
    for n in range(SENTENCES)
    for k in range(4)
]  # fmt: skip


def clip(number: int, first: int, last: int) -> Clip:
    """Of whole sentences, cut a breath away from its words."""
    return Clip(
        id=f"clip-{number}",
        start_s=first * 4 - (0.15 if first else 0),
        end_s=last * 4 + 3.5 + 0.2,
        score=0.5,
        reason="",
        title="",
        preset="audio",
        path=f"clips/clip-{number}.m4a",
        captions=None,
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    turns = [Turn(start_ms=0, end_ms=SENTENCES * SENTENCE_MS, speaker="SPEAKER_00")]
    made = placed_bundle(tmp_path / "out", WORDS, turns, {"SPEAKER_00": "Sam"})
    (made.folder / "clips.json").write_text(ClipList(clips=[clip(1, 5, 8), clip(2, 10, 13)]).model_dump_json())
    return read_bundle(made.folder)


def span(edge: ClipEdges) -> tuple[float, float]:
    return edge.start_s, edge.end_s


def test_sentences_are_added_and_taken_away(bundle: Bundle) -> None:
    asked = [(1, 0, 16.0, 35.5), (0, 1, 20.0, 39.5), (-1, -1, 24.0, 31.5), (2, -1, 12.0, 31.5)]
    for before, after, start, end in asked:
        made = moved(bundle, "clip-1", before, after)
        (edge,) = made.corrections.clips
        assert span(edge) == (start, end)
        assert (edge.was_start_s, edge.was_end_s) == (19.85, 35.7)
        assert made.seconds == end - start


def test_a_second_change_keeps_what_the_clip_was_and_taking_it_back_leaves_nothing(bundle: Bundle) -> None:
    once = moved(bundle, "clip-1", 1, 0).corrections
    (bundle.folder / "clips.json").write_text(ClipList(clips=[clip(1, 4, 8), clip(2, 10, 13)]).model_dump_json())
    extended = Bundle(bundle.folder, bundle.recording, once)
    (edge,) = moved(extended, "clip-1", 1, 1).corrections.clips
    assert (edge.was_start_s, edge.was_end_s) == (19.85, 35.7)
    assert span(edge) == (12, 39.5)
    assert moved(extended, "clip-1", -1, 0).corrections.clips == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (6, 0, "There are 5 sentences before it"),
        (0, 2, "would overlap clip-2"),
        (-4, 0, "Nothing of the clip would be left"),
        (-2, -2, "Nothing of clip-1 would be left"),
    ],
)
def test_what_cant_be_is_refused(bundle: Bundle, before: int, after: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        moved(bundle, "clip-1", before, after)
    with pytest.raises(UsageError, match="no clip 'clip-7'"):
        moved(bundle, "clip-7", 1, 0)


def test_a_sentence_of_somebody_else_is_never_cut(bundle: Bundle) -> None:
    # somebody speaks from the middle of sentence 4 into sentence 5: the clip can't begin between the two
    over = [
        Word("Wait", 18_000, 18_500, 1.0, "SPEAKER_01", "u0099"),
        Word("there.", 20_200, 21_000, 1.0, "SPEAKER_01", "u0099"),
    ]
    made = placed_bundle(
        bundle.folder.parent.parent / "other", sorted([*WORDS, *over], key=lambda w: w.start_ms),
        [Turn(start_ms=0, end_ms=80_000, speaker="SPEAKER_00")], {"SPEAKER_00": "Sam", "SPEAKER_01": "Ada"},
    )  # fmt: skip
    (made.folder / "clips.json").write_text(ClipList(clips=[clip(1, 6, 8)]).model_dump_json())
    (edge,) = moved(read_bundle(made.folder), "clip-1", 1, 0).corrections.clips
    assert span(edge) == (16, 35.5)


def test_the_clip_that_is_chosen_again_has_them_and_says_so() -> None:
    settings = ClipSettings(count=2, min_s=12, max_s=16, video=False)
    utterances = utterances_of(WORDS)
    best, other = choose_moments(utterances, None, settings).moments
    asked = ClipEdges(
        was_start_s=best.start_ms / 1000,
        was_end_s=best.end_ms / 1000 + 0.2,
        start_s=best.start_ms / 1000 + 4,
        end_s=best.end_ms / 1000,
    )
    choice = choose_moments(utterances, None, settings, edges=[asked])
    by_hand, same = choice.moments
    assert by_hand.by_hand
    assert (by_hand.start_ms, by_hand.end_ms) == (best.start_ms + 4_000, best.end_ms)
    assert "A person set" in by_hand.reason
    assert (by_hand.score, by_hand.features) == (best.score, best.features)
    assert same == other
    assert choice.warnings == ()


def test_edges_of_a_clip_that_is_not_chosen_are_said_to_be_unused() -> None:
    settings = ClipSettings(count=1, min_s=12, max_s=16, video=False)
    asked = ClipEdges(was_start_s=1.9, was_end_s=3.1, start_s=0, end_s=8)
    choice = choose_moments(utterances_of(WORDS), None, settings, edges=[asked])
    assert not choice.moments[0].by_hand
    assert "extended or trimmed by hand is not among those" in choice.warnings[0]


def test_what_a_hand_made_clip_reaches_into_gives_way() -> None:
    settings = ClipSettings(count=2, min_s=12, max_s=16, video=False)
    utterances = utterances_of(WORDS)
    best, other = choose_moments(utterances, None, settings).moments
    whole = (min(best.start_ms, other.start_ms) / 1000, max(best.end_ms, other.end_ms) / 1000)
    asked = ClipEdges(
        was_start_s=best.start_ms / 1000, was_end_s=best.end_ms / 1000, start_s=whole[0], end_s=whole[1]
    )  # fmt: skip
    (only,) = choose_moments(utterances, None, settings, edges=[asked]).moments
    assert (only.start_ms / 1000, only.end_ms / 1000) == whole


def test_a_sentence_of_half_a_second_can_be_taken_away(tmp_path: Path) -> None:
    short = [Word("Oh.", 30_000, 30_400, 1.0, "SPEAKER_00", "u0099"), *(w for w in WORDS if w.start_ms >= 31_000)]
    turns = [Turn(start_ms=30_000, end_ms=80_000, speaker="SPEAKER_00")]
    made = placed_bundle(tmp_path / "short", short, turns, {"SPEAKER_00": "Sam"})
    listed = [clip(1, 8, 11).model_copy(update={"start_s": 29.9})]
    (made.folder / "clips.json").write_text(ClipList(clips=listed).model_dump_json())
    (edge,) = moved(read_bundle(made.folder), "clip-1", -1, 0).corrections.clips
    assert span(edge) == (32, 47.5)
