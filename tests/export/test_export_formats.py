"""What is written is read back by somebody else: the same words, times and speakers, whatever people are called."""

import csv
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pysubs2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from earwitness.evaluation.reference import read_references
from earwitness.export.ass import ass_text
from earwitness.export.elan import elan_text
from earwitness.export.harmless import display, distinct, one_line
from earwitness.export.lines import audacity_text, ctm_text, stm_text, tsv_text
from earwitness.export.textgrid import textgrid_text
from earwitness.export.tiers import UNKNOWN
from earwitness.speech.sidecar import read_transcript
from earwitness.words.formats import cues_of
from earwitness.words.transcript import Utterance, Word, utterances_of

HOSTILE = [
    "A\nB",
    "A\tB\r\nC",
    "<b>bold</b> & co",
    "{\\an8}Up",
    "Smith, John",
    "\u202egnp.exe",
    "👩‍👩‍👧 Ünïcødé",
    'say "hello" twice',
    "Default",
    "*star",
    "]]><!--",
    "unknown",
    "شهرزاد",
    "\x00\x1b[31mred\x7f",
    "x" * 3000,
    "Ann",
    "Ann - words",
    "name = 3 <exists>",
    "\u2028",
    "\ud800",
]
MEAN_WORDS = [
    "{\\b1}",
    "\\N",
    "\\h",
    "-->",
    "<ALT_BEGIN>",
    ";;",
    '"',
    '""',
    "a\tb",
    "=1+1",
    "ünï",
    "שלום",
    "🎲",
    "\ufffe",
    "[",
]


class Heard(NamedTuple):
    start_ms: int
    end_ms: int
    text: str
    speaker: str


word_texts = st.one_of(
    st.sampled_from(["hello", "Mr.", "don't", "20", *MEAN_WORDS]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
)
people = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=30)), min_size=3, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> list[Word]:
    """Utterances of three people and nobody, overlapping each other, each speaker's own words one after another."""
    free = dict.fromkeys(("SPEAKER_00", "SPEAKER_01", "SPEAKER_02", None), 0)
    words: list[Word] = []
    for number in range(draw(st.integers(1, 6))):
        speaker = draw(st.sampled_from(sorted(free, key=str)))
        at = free[speaker] + draw(st.integers(0, 5_000))
        for _ in range(draw(st.integers(1, 8))):
            length = draw(st.integers(1, 2_000))
            words.append(Word(draw(word_texts), at, at + length, 0.5, speaker, f"u{number:04d}"))
            at += length + draw(st.sampled_from([0, 0, 1, 300]))
        free[speaker] = at
    return words


def said(words: Iterable[Word], people: dict[str, str]) -> list[Heard]:
    """What has to be found again."""
    return sorted(
        Heard(w.start_ms, w.end_ms, one_line(w.text), "" if w.speaker is None else display(w.speaker, people))
        for w in words
        if one_line(w.text)
    )


def named(names: list[str]) -> dict[str, str]:
    return {f"SPEAKER_{number:02d}": name for number, name in enumerate(names)}


_MINE = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


# ---------------------------------------------------------------- TextGrid


def praat_tiers(text: str) -> dict[str, list[tuple[float, float, str]]]:
    """Read as Praat does: free-standing numbers, flags and quoted strings count, everything else is a comment.

    https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
    """
    found = re.findall(r'"((?:[^"]|"")*)"|<(exists)>|(?:(?<=\s)|^)(\d+(?:\.\d+)?)(?=\s|$)', text)
    tokens = [flag or number or quoted.replace('""', '"') for quoted, flag, number in found]
    assert tokens[:2] == ["ooTextFile", "TextGrid"]
    assert tokens[4] == "exists"
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    at = 6
    for _ in range(int(tokens[5])):
        kind, name, low, high, count = tokens[at : at + 5]
        assert kind == "IntervalTier"
        assert name not in tiers, "tiers are told apart"
        at += 5
        rows = [(float(tokens[p]), float(tokens[p + 1]), tokens[p + 2]) for p in range(at, at + 3 * int(count), 3)]
        assert [row[0] for row in rows] == [float(low), *(row[1] for row in rows[:-1])], "no gaps, no overlaps"
        assert rows[-1][1] == float(high)
        assert all(start < end for start, end, _ in rows)
        tiers[name] = rows
        at += 3 * int(count)
    assert at == len(tokens)
    return tiers


@_MINE
@given(conversations(), people)
@example([Word("[1]:", 0, 10, 0.5, "SPEAKER_00", "u0001")], ['a"b', 'item [2]:\nclass = "x"', "c"])
def test_praat_finds_every_word_in_its_speakers_tier(words: list[Word], people: list[str]) -> None:
    names = named(people)
    text = textgrid_text(utterances_of(words), names, 1_000)
    tiers = praat_tiers(text)
    spoken = [
        (round(1000 * start), round(1000 * end), label)
        for number, rows in enumerate(tiers.values())
        for start, end, label in rows
        if number % 2 and label
    ]
    assert sorted(spoken) == [(start, end, label) for start, end, label, _ in said(words, names)]
    labels = list(
        dict.fromkeys(word.speaker for word in sorted(words, key=lambda w: w.start_ms) if one_line(word.text))
    )
    shown = [display(label, names) if label else UNKNOWN for label in labels]
    tops = list(tiers)[::2]
    assert len(tops) == len(shown)
    if len(set(shown)) == len(shown):
        assert set(tops) == set(shown)
    assert textgrid_text(utterances_of(words), names, 1_000) == text


def test_praatio_opens_what_is_written(tmp_path: Path) -> None:
    from praatio import textgrid

    words = [Word('"Hi"', 500, 900, 0.9, "SPEAKER_00", "u0001"), Word("Yo.", 700, 1_001, 0.9, "SPEAKER_01", "u0002")]
    (tmp_path / "x.TextGrid").write_text(textgrid_text(utterances_of(words), {"SPEAKER_00": "Ann"}, 2_000), "utf-8")
    grid = textgrid.openTextgrid(str(tmp_path / "x.TextGrid"), includeEmptyIntervals=False)
    assert grid.tierNames == ("Ann", "Ann - words", "SPEAKER_01", "SPEAKER_01 - words")
    assert [tuple(row) for row in grid.getTier("Ann").entries] == [(0.5, 0.9, '"Hi"')]
    assert [tuple(row) for row in grid.getTier("SPEAKER_01 - words").entries] == [(0.7, 1.001, "Yo.")]
    assert grid.maxTimestamp == 2.0


def test_utterances_of_merged_voices_that_overlap_get_a_second_tier() -> None:
    words = [
        Word("one", 0, 1_000, 0.9, "SPEAKER_00", "u0001"),
        Word("two", 500, 1_500, 0.9, "SPEAKER_00", "u0002"),
        Word("three", 1_000, 2_000, 0.9, "SPEAKER_00", "u0003"),
    ]
    tiers = praat_tiers(textgrid_text(utterances_of(words), {"SPEAKER_00": "Ann"}, 2_000))
    assert {name: [row for row in rows if row[2]] for name, rows in tiers.items()} == {
        "Ann": [(0.0, 1.0, "one"), (1.0, 2.0, "three")],
        "Ann - words": [(0.0, 1.0, "one"), (1.0, 2.0, "three")],
        "Ann (2)": [(0.5, 1.5, "two")],
        "Ann (2) - words": [(0.5, 1.5, "two")],
    }


def test_words_without_length_get_a_millisecond_where_intervals_need_it() -> None:
    words = [Word("a", 100, 100, 0.0, "SPEAKER_00", "u0001"), Word("b", 100, 100, 0.0, "SPEAKER_00", "u0001")]
    rows = praat_tiers(textgrid_text(utterances_of(words), {}, 1_000))["SPEAKER_00 - words"]
    assert [row for row in rows if row[2]] == [(0.1, 0.101, "a"), (0.101, 0.102, "b")]


# ---------------------------------------------------------------- ELAN


@_MINE
@given(conversations(), people)
def test_elan_finds_every_word_below_its_utterance(words: list[Word], people: list[str]) -> None:
    names = named(people)
    text = elan_text(utterances_of(words), names, "./listen.m4a")
    root = ET.fromstring(text.encode())
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "")) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values()), "TIME_ORDER is by time"
    tiers = {tier.get("TIER_ID"): tier for tier in root.iter("TIER")}
    assert len(tiers) == len(list(root.iter("TIER"))), "tiers are told apart"
    heard = []
    for tier in tiers.values():
        rows = [
            (
                slots[item.get("TIME_SLOT_REF1")],
                slots[item.get("TIME_SLOT_REF2")],
                item.findtext("ANNOTATION_VALUE", ""),
            )
            for item in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(rows))
        if tier.get("PARENT_REF") is None:
            continue
        speaker = tier.get("PARTICIPANT", "")
        heard += [Heard(*row, "" if speaker == UNKNOWN else speaker) for row in rows]
        spans = [
            (slots[item.get("TIME_SLOT_REF1")], slots[item.get("TIME_SLOT_REF2")])
            for item in tiers[tier.get("PARENT_REF")].iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(any(a <= start and end <= b for a, b in spans) for start, end, _ in rows)
    assert sorted(heard) == said(words, names)
    assert elan_text(utterances_of(words), names, "./listen.m4a") == text


def test_pympi_opens_what_is_written(tmp_path: Path) -> None:
    from pympi import Elan

    words = [Word("Hi", 500, 900, 0.9, "SPEAKER_00", "u0001"), Word("there", 900, 1_200, 0.9, "SPEAKER_00", "u0001")]
    (tmp_path / "x.eaf").write_text(elan_text(utterances_of(words), {"SPEAKER_00": "Ann"}, "./listen.m4a"), "utf-8")
    eaf = Elan.Eaf(tmp_path / "x.eaf")
    assert list(eaf.get_tier_names()) == ["Ann", "Ann - words"]
    assert [row[:3] for row in eaf.get_annotation_data_for_tier("Ann")] == [(500, 1_200, "Hi there")]
    assert [row[:3] for row in eaf.get_annotation_data_for_tier("Ann - words")] == [
        (500, 900, "Hi"),
        (900, 1_200, "there"),
    ]
    assert [media["RELATIVE_MEDIA_URL"] for media in eaf.get_linked_files()] == ["./listen.m4a"]
    assert eaf.adocument["DATE"].startswith("1970"), "no clock"


# ---------------------------------------------------------------- ASS


@_MINE
@given(conversations(), people)
def test_ass_keeps_every_word_and_lets_nobody_give_orders(words: list[Word], people: list[str]) -> None:
    names = named(people)
    utterances = utterances_of(words)
    text = ass_text(utterances, names)
    events = pysubs2.SSAFile.from_string(text, "ass")
    cues = cues_of(utterances, names, room_for_name=True)
    assert len(events) == len(cues)
    lines = [
        line for line in re.split(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", text) if line.startswith("Dialogue:")
    ]
    assert len(lines) == len(cues)
    assert "{" not in text
    assert not re.search(r"\\(?!N|\u2060)", text.split("[Events]")[1]), "only our own line ends"
    for event, cue in zip(events, cues, strict=True):
        assert event.style in events.styles
        assert abs(event.start - cue.start_ms) <= 5
        assert event.end > event.start
        spoken = one_line(cue.text).replace("{", "(").replace("}", ")").replace("\u2060", "").split()
        shown = event.text.replace("\\N", " ").replace("\u2060", "").split()
        assert shown[len(shown) - len(spoken) :] == spoken
        name = one_line(re.sub("[,*]", " ", cue.name or "")).replace("{", "(").replace("}", ")")
        assert event.name.replace("\u2060", "") == name.replace("\u2060", "")


def test_each_speaker_has_a_style_of_their_own() -> None:
    words = [Word("Hi", 0, 900, 0.9, "SPEAKER_00", "u0001"), Word("Yo", 900, 1_995, 0.9, "SPEAKER_01", "u0002")]
    names = {"SPEAKER_00": "Smith, John", "SPEAKER_01": "Default"}
    events = pysubs2.SSAFile.from_string(ass_text(utterances_of(words), names), "ass")
    assert [(event.style, event.name, event.text) for event in events] == [
        ("Smith John", "Smith John", "Smith, John: Hi"),
        ("Default (2)", "Default", "Default: Yo"),
    ]
    colours = {str(events.styles[event.style].primarycolor) for event in events}
    assert len(colours) == 2
    assert events[1].end == 2_000, "hundredths of a second"


# ---------------------------------------------------------------- a line a word, a line an utterance


@_MINE
@given(conversations(), people)
def test_stm_is_read_back_by_the_transcript_reader(tmp_path: Path, words: list[Word], people: list[str]) -> None:
    names = named(people)
    utterances = utterances_of(words)
    (tmp_path / "talk.stm").write_text(stm_text(utterances, names, "talk-01"), "utf-8")
    expected = [u for u in utterances if one_line(u.text)]
    if not expected:
        return
    found = {
        (segment.start_ms, segment.end_ms, segment.text, segment.speaker is None)
        for segment in read_transcript(tmp_path / "talk.stm")
    }
    swap = str.maketrans("<>{}", "‹›[]")
    assert found == {
        (u.start_ms, u.end_ms, clean(one_line(u.text).translate(swap)), u.speaker is None)
        for u in expected
        if clean(one_line(u.text))
    }
    columns = [line.split(" ") for line in (tmp_path / "talk.stm").read_text("utf-8").splitlines() if line]
    speakers = {row[2] for row in columns if row[0] == "talk-01"}
    assert len(speakers) == len({display(u.speaker, names) if u.speaker else None for u in expected})


def clean(text: str) -> str:
    """The transcript reader drops these itself."""
    return " ".join(re.sub("[\u200b\ufeff\ufffe]", "", text).split())


@_MINE
@given(conversations(), people)
def test_tables_of_words_are_read_back(tmp_path: Path, words: list[Word], people: list[str]) -> None:
    names = named(people)
    (tmp_path / "talk.tsv").write_text(tsv_text(words, names), "utf-8", newline="")
    with (tmp_path / "talk.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert [
        Heard(round(1000 * float(r["start"])), round(1000 * float(r["end"])), r["word"], r["speaker"]) for r in rows
    ] == [
        Heard(w.start_ms, w.end_ms, one_line(w.text), "" if w.speaker is None else display(w.speaker, names))
        for w in words
    ]
    (tmp_path / "talk.ctm").write_text(ctm_text(words, "talk-01"), "utf-8")
    heard = read_references([tmp_path / "talk.ctm"], ["talk-01"]).words or []
    swap = str.maketrans("<>{} ", "‹›[]_")
    assert sorted((item.start_ms, item.end_ms, item.text) for item in heard) == sorted(
        (w.start_ms, w.end_ms, text)
        for w in words
        if (text := re.sub("[\u200b\ufeff\ufffe]", "", one_line(w.text).translate(swap)))
    )


@_MINE
@given(conversations(), people)
def test_audacity_gets_a_label_an_utterance(words: list[Word], people: list[str]) -> None:
    names, utterances = named(people), utterances_of(words)
    rows = [line.split("\t") for line in audacity_text(utterances, names).split("\n")[:-1]]
    assert all(len(row) == 3 for row in rows)
    assert sorted((round(1000 * float(a)), round(1000 * float(b)), text) for a, b, text in rows) == sorted(
        (u.start_ms or 0, u.end_ms or 0, shown(u, names) + one_line(u.text)) for u in utterances
    )


def shown(utterance: Utterance, names: dict[str, str]) -> str:
    return "" if utterance.speaker is None else f"{display(utterance.speaker, names)}: "


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), max_size=8))
def test_names_of_tiers_are_distinct_lines(names: dict[str, str]) -> None:
    found = distinct(names, taken=["Ann"])
    assert list(found) == list(names)
    assert len({"Ann", *found.values()}) == len(names) + 1
    assert all(name and len(name.splitlines()) == 1 for name in found.values())


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_breaks_a_line_or_a_column(text: str) -> None:
    plain = one_line(text)
    assert "\t" not in plain
    assert len(plain.splitlines()) <= 1
    assert isinstance(plain.encode(), bytes), "no lone surrogates"
    assert not set(plain) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\x00\x1b")


def test_joiners_stay_so_that_emoji_and_persian_stay_whole() -> None:
    assert one_line("👩‍👩‍👧 می‌روم") == "👩‍👩‍👧 می‌روم"


def test_a_speaker_who_is_called_unknown_is_somebody_in_stm(tmp_path: Path) -> None:
    words = [Word("Hi", 0, 900, 0.9, "SPEAKER_00", "u0001"), Word("Yo", 900, 1_995, 0.9, None, "u0002")]
    (tmp_path / "talk.stm").write_text(stm_text(utterances_of(words), {"SPEAKER_00": "Unknown"}, "talk"), "utf-8")
    assert [segment.speaker for segment in read_transcript(tmp_path / "talk.stm")] == ["Unknown_", None]


def test_a_name_with_nothing_to_show_is_the_label() -> None:
    assert display("SPEAKER_00", {"SPEAKER_00": "\u202e\x00 "}) == "SPEAKER_00"
    assert display("SPEAKER_00", {"SPEAKER_00": " Ann\n Lee "}) == "Ann Lee"
