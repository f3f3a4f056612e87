"""Corrections applied to words: what changes, what stays, and that what must hold of words always holds."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earwitness.corrections.corrections import (
    Corrections,
    Edit,
    Replacement,
    SpeakerEdit,
    WordEdit,
    load_corrections,
)
from earwitness.corrections.edited import corrections_in
from earwitness.corrections.voices import merge_voices, rename
from earwitness.corrections.words import corrected, occurrences
from earwitness.errors import UsageError
from earwitness.speech.turns import Turn
from earwitness.words.cast import Cast, CastMember, Speaker
from earwitness.words.formats import plain_text, srt_text, transcript_json, vtt_text
from earwitness.words.transcript import Utterance, Word, utterances_of

NAMES = {"SPEAKER_00": "Diane", "SPEAKER_01": "the Keeper"}
SAID = [
    ("SPEAKER_00", "Hello there, Garry."),
    ("SPEAKER_01", "Hello, who is it?"),
    ("SPEAKER_00", "It is Garry's friend from the old mill."),
    ("SPEAKER_01", "Note: the the mill burned down, Garry, years ago."),
]


def words_of(said: list[tuple[str, str]] = SAID) -> list[Word]:
    words = []
    at = 1000
    for number, (speaker, text) in enumerate(said, 1):
        for part in text.split():
            words.append(Word(part, at, at + 250, 0.9, speaker, f"u{number:04d}"))
            at += 300
        at += 700
    return words


def texts(words: list[Word]) -> list[str]:
    return [utterance.text for utterance in utterances_of(words)]


def edit(utterance: str, word: int, was: str, text: str, start_s: float | None = None) -> WordEdit:
    there = [w for w in words_of() if w.utterance == utterance]
    start = there[min(word, len(there)) - 1].start_ms / 1000 if start_s is None else start_s
    return WordEdit(utterance=utterance, word=word, was=was, text=text, start_s=start)


def test_a_corrected_word_keeps_its_time_its_score_and_its_speaker() -> None:
    before = words_of()
    after, warnings = corrected(before, Corrections(edits=[edit("u0001", 3, "Garry.", "Gary.")]))
    assert warnings == []
    assert after[2] == Word("Gary.", 1600, 1850, 0.9, "SPEAKER_00", "u0001")
    assert [*after[:2], *after[3:]] == [*before[:2], *before[3:]]


def test_one_word_that_becomes_two_shares_its_time_and_says_so() -> None:
    after, _ = corrected(words_of(), Corrections(edits=[edit("u0001", 3, "Garry.", "Gary Oak.")]))
    two = [word for word in after if word.utterance == "u0001"][2:]
    assert [word.text for word in two] == ["Gary", "Oak."]
    assert two[0].start_ms == 1600
    assert two[0].end_ms <= two[1].start_ms
    assert two[1].end_ms == 1850
    assert all(word.estimated and word.score == 0 for word in two)


def test_a_word_that_was_left_out_lies_between_its_neighbours() -> None:
    after, _ = corrected(words_of(), Corrections(edits=[edit("u0002", 2, "", "say")]))
    run = [word for word in after if word.utterance == "u0002"]
    assert [word.text for word in run] == ["Hello,", "say", "who", "is", "it?"]
    assert run[0].end_ms <= run[1].start_ms < run[1].end_ms <= run[2].start_ms
    assert [word.estimated for word in run] == [False, True, False, False, False]


def test_a_word_that_was_not_said_goes_and_an_empty_utterance_goes_with_it() -> None:
    edits: list[Edit] = [edit("u0004", 2, "the", ""), edit("u0001", 1, "Hello there, Garry.", "")]
    after, warnings = corrected(words_of(), Corrections(edits=edits))
    assert warnings == []
    assert texts(after)[0] == "Hello, who is it?"
    assert texts(after)[-1] == "Note: the mill burned down, Garry, years ago."


def test_words_that_were_aligned_anew_are_found_by_text_and_time() -> None:
    moved = [
        Word(w.text, w.start_ms + 400, w.end_ms + 400, w.score, w.speaker, f"u{int(w.utterance[1:]) + 7:04d}")
        for w in words_of()
    ]
    after, warnings = corrected(moved, Corrections(edits=[edit("u0001", 3, "Garry.", "Gary.")]))
    assert warnings == []
    assert texts(after)[0] == "Hello there, Gary."


def test_a_correction_whose_words_are_gone_is_left_out_and_named() -> None:
    after, warnings = corrected(words_of(), Corrections(edits=[edit("u0001", 3, "Gandalf.", "Gary.")]))
    assert after == words_of()
    assert len(warnings) == 1
    assert "“Gandalf.” → “Gary.”" in warnings[0]


@pytest.mark.parametrize(
    ("line", "was", "text", "expected"),
    [
        ("Hello, Garry.", "Garry", "Gary", "Hello, Gary."),
        ("GARRY! garry?", "Garry", "Gary", "GARY! gary?"),
        ("“Garry’s” Garry's", "Garry", "Gary", "“Gary’s” Gary's"),
        ("Garryson and Hagarry", "Garry", "Gary", "Garryson and Hagarry"),
        ("don't Don", "don", "dawn", "don't Dawn"),
        ("at old mill road", "old mill", "Oldmill", "at Oldmill road"),
        ("at Oldmill road", "Oldmill", "old mill", "at old mill road"),
        ("well, um, yes", "um", "", "well, yes"),
        ("the cat. The dog", "the", "a", "a cat. A dog"),
    ],
)
def test_a_spelling_is_put_right_in_whole_words_and_keeps_its_case(
    line: str, was: str, text: str, expected: str
) -> None:
    after, _ = corrected(words_of([("SPEAKER_00", line)]), Corrections(edits=[Replacement(was=was, text=text)]))
    assert texts(after) == [expected]


def test_a_spelling_that_is_right_already_changes_nothing() -> None:
    assert occurrences(["Gary", "is", "here"], "Gary", "Gary") == []


def test_merged_voices_have_one_label_in_words_and_turns() -> None:
    from tests.archive.factory import make_findings

    words, _ = corrected(words_of(), Corrections(merged={"SPEAKER_01": "SPEAKER_00"}))
    assert {word.speaker for word in words} == {"SPEAKER_00"}
    diarized = make_findings().diarized
    assert diarized is not None
    turns = [
        Turn(start_ms=0, end_ms=1000, speaker="SPEAKER_00"),
        Turn(start_ms=500, end_ms=2000, speaker="SPEAKER_01"),
        Turn(start_ms=3000, end_ms=4000, speaker="SPEAKER_01"),
    ]
    merged = merge_voices(
        diarized.model_copy(update={"turns": turns}), Corrections(merged={"SPEAKER_01": "SPEAKER_00"})
    )
    assert merged is not None
    assert [(turn.start_ms, turn.end_ms, turn.speaker) for turn in merged.turns] == [
        (0, 2000, "SPEAKER_00"),
        (3000, 4000, "SPEAKER_00"),
    ]
    assert (merged.count.count, merged.count.given) == (1, True)


def test_a_corrected_name_takes_character_and_role_from_the_cast() -> None:
    cast = Cast(members=[CastMember(person="Sam Riegel", aliases=["Sam"], character="Scanlan", role="player")])
    speakers = [Speaker(label="SPEAKER_00", name="SPEAKER_00"), Speaker(label="SPEAKER_01", name="Laura")]
    first, second = rename(speakers, {"SPEAKER_00": "sam", "SPEAKER_01": "Laura Bailey"}, cast)
    assert (first.name, first.character, first.named_by) == ("Sam Riegel", "Scanlan", "correction")
    assert (second.name, second.character) == ("Laura Bailey", None)


# ---------------------------------------------------------------- edited transcripts


def written(kind: str, words: list[Word], names: dict[str, str], folder: Path) -> Path:
    utterances = utterances_of(words)
    text = {
        "srt": lambda: srt_text(utterances, names),
        "vtt": lambda: vtt_text(utterances, names),
        "txt": lambda: plain_text(utterances, names),
        "json": lambda: transcript_json(utterances, names, "en").model_dump_json(exclude_none=True),
    }[kind]()
    path = folder / f"transcript.{kind}"
    path.write_text(text, "utf-8")
    return path


KINDS = pytest.mark.parametrize("kind", ["srt", "vtt", "txt", "json"])


@KINDS
def test_an_unedited_transcript_changes_nothing(kind: str, tmp_path: Path) -> None:
    path = written(kind, words_of(), NAMES, tmp_path)
    assert corrections_in(path, utterances_of(words_of()), NAMES) == Corrections()


@KINDS
def test_an_edited_transcript_is_matched_back_and_untouched_words_keep_their_times(kind: str, tmp_path: Path) -> None:
    path = written(kind, words_of(), NAMES, tmp_path)
    text = path.read_text("utf-8")
    for was, now in [
        ("who is it?", "who's that?"),
        ("Garry's friend from the", "Gary's friend from the very"),
        ("the the mill", "the mill"),
    ]:
        # captions break their lines anywhere
        text, times = re.subn(r"\s+".join(map(re.escape, was.split())), now, text)
        assert times == 1
    path.write_text(text, "utf-8")
    found = corrections_in(path, utterances_of(words_of()), NAMES)
    after, warnings = corrected(words_of(), found)
    assert warnings == []
    assert texts(after) == [
        "Hello there, Garry.",
        "Hello, who's that?",
        "It is Gary's friend from the very old mill.",
        "Note: the mill burned down, Garry, years ago.",
    ]
    before = {(w.text, w.start_ms, w.end_ms) for w in words_of()}
    untouched = [w for w in after if w.text in {"Hello", "friend", "mill.", "burned", "years", "ago."}]
    assert len(untouched) == 6
    assert all((w.text, w.start_ms, w.end_ms) in before and not w.estimated for w in untouched)
    assert next(w for w in after if w.text == "very").estimated


def test_json_may_be_edited_in_its_words_alone(tmp_path: Path) -> None:
    path = written("json", words_of(), NAMES, tmp_path)
    data = json.loads(path.read_text("utf-8"))
    data["segments"][0]["words"][2]["word"] = "Gary."
    path.write_text(json.dumps(data), "utf-8")
    (found,) = corrections_in(path, utterances_of(words_of()), NAMES).edits
    assert isinstance(found, WordEdit)
    assert (found.utterance, found.word, found.was, found.text) == ("u0001", 3, "Garry.", "Gary.")


@pytest.mark.parametrize("kind", ["txt", "json"])
def test_a_name_changed_throughout_renames_the_voice(kind: str, tmp_path: Path) -> None:
    path = written(kind, words_of(), {**NAMES, "SPEAKER_00": "Diana"}, tmp_path)
    found = corrections_in(path, utterances_of(words_of()), NAMES)
    assert found == Corrections(names={"SPEAKER_00": "Diana"})


@pytest.mark.parametrize("kind", ["txt", "json"])
def test_a_name_changed_once_moves_that_utterance(kind: str, tmp_path: Path) -> None:
    other = [Word(w.text, w.start_ms, w.end_ms, w.score, "SPEAKER_01" if w.utterance == "u0003" else w.speaker,
                  w.utterance) for w in words_of()]  # fmt: skip
    path = written(kind, other, NAMES, tmp_path)
    found = corrections_in(path, utterances_of(words_of()), NAMES)
    (who,) = found.edits
    assert isinstance(who, SpeakerEdit)
    assert (who.utterance, who.speaker) == ("u0003", "SPEAKER_01")
    assert corrected(words_of(), found).words == other


def test_a_new_name_on_one_utterance_is_a_new_voice(tmp_path: Path) -> None:
    other = [Word(w.text, w.start_ms, w.end_ms, w.score, "SPEAKER_09" if w.utterance == "u0003" else w.speaker,
                  w.utterance) for w in words_of()]  # fmt: skip
    path = written("json", other, {**NAMES, "SPEAKER_09": "Bob"}, tmp_path)
    found = corrections_in(path, utterances_of(words_of()), NAMES)
    assert found.names == {"SPEAKER_02": "Bob"}
    assert [word.speaker for word in corrected(words_of(), found).words if word.utterance == "u0003"] == [
        "SPEAKER_02"
    ] * 8


def test_the_transcript_of_another_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("Nothing of this was ever spoken in our call about windmills and their keepers")
    with pytest.raises(UsageError, match="is it its transcript"):
        corrections_in(tmp_path / "other.txt", utterances_of(words_of()), NAMES)


# ---------------------------------------------------------------- what must always hold

WORD = st.sampled_from(["a", "the", "Garry", "mill,", "yes.", "Hello", "x", "œuvre", "-"])
LINE = st.lists(WORD, min_size=1, max_size=6).map(" ".join)


@st.composite
def recordings(draw: st.DrawFn) -> list[Word]:
    """Words of two or three people who also talk at the same time."""
    words, at = [], 0
    for number in range(1, draw(st.integers(1, 6)) + 1):
        at = max(0, at + draw(st.integers(-600, 900)))
        first = at
        for text in draw(LINE).split():
            length = draw(st.integers(1, 400))
            words.append((at, number, text, length))
            at += length
        at = max(at, first + 1)
    starts: dict[int, int] = {}
    for start, number, _, _ in words:
        starts.setdefault(number, start)
    rank = {n: i for i, n in enumerate(sorted(starts, key=lambda n: (starts[n], n)), 1)}
    made = [
        Word(text, start, start + length, 0.5, f"SPEAKER_{rank[n]:02d}", f"u{rank[n]:04d}")
        for start, n, text, length in words
    ]
    return sorted(made, key=lambda w: (w.start_ms, w.utterance))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(words=recordings(), data=st.data())
def test_whatever_is_corrected_words_keep_their_contract(words: list[Word], data: st.DataObject) -> None:
    utterances = utterances_of(words)
    edits: list[Edit] = []
    for _ in range(data.draw(st.integers(0, 4))):
        said: Utterance = data.draw(st.sampled_from(utterances))
        first = data.draw(st.integers(0, len(said.words)))
        last = data.draw(st.integers(first, len(said.words)))
        beside = said.words[min(first, len(said.words) - 1)]
        edits.append(
            WordEdit(
                utterance=said.id,
                word=first + 1,
                was=" ".join(w.text for w in said.words[first:last]),
                text=data.draw(st.one_of(st.just(""), LINE)),
                start_s=beside.start_ms / 1000,
            )
        )
    labels = sorted({w.speaker for w in words if w.speaker})
    merged = {labels[1]: labels[0]} if len(labels) > 1 and data.draw(st.booleans()) else {}
    edits.append(Replacement(was="Garry", text=data.draw(st.sampled_from(["Gary", "", "Gary Oak"]))))
    after = corrected(words, Corrections(merged=merged, edits=edits)).words
    last_end: dict[str | None, int] = {}
    seen: list[str] = []
    for before, word in zip([None, *after], after, strict=False):
        assert word.text
        assert 0 <= word.start_ms < word.end_ms
        assert before is None or before.start_ms <= word.start_ms
        assert last_end.get(word.speaker, 0) <= word.start_ms
        last_end[word.speaker] = word.end_ms
        if word.utterance not in seen:
            seen.append(word.utterance)
    assert seen == sorted(seen)
    assert all(len({w.speaker for w in after if w.utterance == u}) == 1 for u in seen)


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "not JSON"),
        ('{"schema_version": "2.0"}', "version 2.0"),
        ('{"names": {"Diane": "Sarah"}}', "names"),
        ('{"merged": {"SPEAKER_00": "SPEAKER_01", "SPEAKER_01": "SPEAKER_00"}}', "merged into itself"),
        ('{"edits": [{"kind": "song"}]}', "edits"),
    ],
)
def test_a_file_that_can_not_be_used_says_why(content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "corrections.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=expected):
        load_corrections(path)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    made = Corrections(
        names={"SPEAKER_00": "Sarah"},
        merged={"SPEAKER_02": "SPEAKER_00"},
        edits=[Replacement(was="Garry", text="Gary"), edit("u0001", 1, "Hello", "Hallo")],
    )
    path = tmp_path / "corrections.json"
    path.write_text(made.model_dump_json(indent=2))
    assert load_corrections(path) == made
