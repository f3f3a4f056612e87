"""Words on the clock: every one placed, in order, by the right person."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.engines.engine import EngineUse
from earwitness.errors import EngineUnavailable
from earwitness.settings import AlignSettings
from earwitness.speech.segments import Segment, Transcribed
from earwitness.speech.turns import CountEstimate, Diarized, Turn
from earwitness.speech.voice_activity import speech_spans
from earwitness.storage.store import FileRef, keep
from earwitness.words.align import align, choose_aligner
from earwitness.words.anchors import match_tokens
from earwitness.words.assign import Attribution, match_names, speakers_of
from earwitness.words.placing import Placed, fill, in_order
from earwitness.words.pronounce import sounds, spoken
from earwitness.words.transcript import Word, read_words, utterances_of
from earwitness.words.utterances import Spoken, into_utterances
from tests.tiny_models import wav2vec2_folder

LINES = (
    ("Diane", 6.68, 7.16, "Hello?"),
    ("Sheila", 7.634, 8.155, "Hello?"),
    ("Diane", 8.436, 8.876, "Oh, hello."),
    ("Diane", 8.916, 9.798, "I didn't know you were there."),
    ("Sheila", 9.838, 10.78, "Neither did I."),
    ("Diane", 10.78, 12.54, "Okay, then I thought you know, I heard a beep."),
    ("Diane", 12.542, 14.184, "This is Diane in New Jersey."),
    ("Sheila", 14.444, 17.769, "And I'm Sheila in Texas, originally from Chicago."),
    ("Diane", 17.789, 20.113, "Oh, I'm originally from Chicago also."),
    ("Diane", 20.173, 21.475, "I'm in New Jersey now though."),
    ("Sheila", 21.935, 23.978, "Well, there isn't that much difference."),
    ("Sheila", 24.058, 28.425, "At least you know, they all call me a Yankee down here, so what can I say?"),
    ("Diane", 28.445, 29.867, "Oh, I don't hear that in New Jersey now."),
)
BUNDLED = AlignSettings(engine="bundled")


@pytest.fixture(scope="module")
def spans(phone_call: Path) -> list[tuple[int, int]]:
    return speech_spans(phone_call)


@pytest.fixture
def voices(tmp_path: Path) -> FileRef:
    path = tmp_path / "none.npz"
    path.write_bytes(b"")
    return keep(path)


def call(spans: list[tuple[int, int]], *, timed: bool = True, named: bool = True) -> Transcribed:
    return transcribed(
        [
            Segment(
                text=text,
                start_ms=round(a * 1000) if timed else None,
                end_ms=round(b * 1000) if timed else None,
                speaker=name if named else None,
            )
            for name, a, b, text in LINES
        ],
        spans,
    )


def transcribed(segments: list[Segment], spans: list[tuple[int, int]]) -> Transcribed:
    engine = EngineUse(name="sidecar", version="1")
    return Transcribed(engine=engine, language="en", segments=segments, speech_spans=spans)


def diarized(turns: list[tuple[float, float, int]], voices: FileRef) -> Diarized:
    made = [Turn(start_ms=round(a * 1000), end_ms=round(b * 1000), speaker=f"SPEAKER_{n:02d}") for a, b, n in turns]
    return Diarized(
        engine=EngineUse(name="reference", version="1"),
        turns=made,
        exclusive=made,
        count=CountEstimate(count=len({t.speaker for t in made}), given=True),
        embeddings=voices,
        speech_ms=sum(t.end_ms - t.start_ms for t in made),
    )


def bundled(phone_call: Path, given_: Transcribed, turns: Diarized | None = None) -> tuple[list[Word], dict[str, str]]:
    result = align(phone_call, given_, turns, BUNDLED, choose_aligner(BUNDLED, "en"))
    return read_words(result.words.path), result.names


def check(words: list[Word], texts: list[str], duration_ms: int = 30_000) -> None:
    assert sorted(w.text for w in words) == sorted(texts)
    assert all(0 <= w.start_ms < w.end_ms <= duration_ms for w in words)
    for utterance in utterances_of(words):
        starts = [w.start_ms for w in utterance.words]
        assert starts == sorted(starts)
        assert len({w.speaker for w in utterance.words}) == 1
    ids = list(dict.fromkeys(w.utterance for w in words))
    assert ids == [f"u{n:04d}" for n in range(1, len(ids) + 1)]


ALL = [word for *_, text in LINES for word in text.split()]


def test_every_word_of_the_call_is_placed_near_its_line(phone_call: Path, spans: list[tuple[int, int]]) -> None:
    words, names = bundled(phone_call, call(spans))
    check(words, ALL)
    assert sum(w.estimated for w in words) <= len(words) * 0.15
    for name, a, b, text in LINES:
        first = text.split()[0]
        near = [w for w in words if w.text == first and abs(w.start_ms / 1000 - a) < 0.35]
        assert near, f"{first!r} near {a} s"
        assert any(names[w.speaker or ""] == name and w.end_ms / 1000 < b + 0.35 for w in near)


def test_same_input_same_bytes(phone_call: Path, spans: list[tuple[int, int]]) -> None:
    engine = choose_aligner(BUNDLED, "en")
    first, second = (align(phone_call, call(spans), None, BUNDLED, engine) for _ in range(2))
    assert first.words.sha256 == second.words.sha256
    assert first.digest() == second.digest()


def test_text_without_times_is_found_in_the_sound(phone_call: Path, spans: list[tuple[int, int]]) -> None:
    words, names = bundled(phone_call, call(spans, timed=False))
    check(words, ALL)
    assert [w.text for w in words] == ALL
    at = 0
    off = []
    for _, a, _, text in LINES:
        off.append(abs(words[at].start_ms / 1000 - a))
        at += len(text.split())
    assert sorted(off)[len(off) // 2] < 0.4
    assert max(off) < 2
    assert set(names.values()) == {"Diane", "Sheila"}


def test_names_go_to_the_voices_they_share_time_with(
    phone_call: Path, spans: list[tuple[int, int]], voices: FileRef
) -> None:
    turns = diarized([(a, b, 1 if name == "Diane" else 0) for name, a, b, _ in LINES], voices)
    _, names = bundled(phone_call, call(spans), turns)
    assert names == {"SPEAKER_00": "Sheila", "SPEAKER_01": "Diane"}


def test_without_names_the_turns_decide(phone_call: Path, spans: list[tuple[int, int]], voices: FileRef) -> None:
    turns = diarized([(a, b, 0 if name == "Diane" else 1) for name, a, b, _ in LINES], voices)
    words, names = bundled(phone_call, call(spans, named=False), turns)
    assert names == {}
    named, labels = bundled(phone_call, call(spans), turns)
    truth = {(w.text, w.start_ms): labels[w.speaker or ""] for w in named}
    right = sum(
        truth[w.text, w.start_ms] == {"SPEAKER_00": "Diane", "SPEAKER_01": "Sheila"}[str(w.speaker)] for w in words
    )
    assert right >= 0.92 * len(words)


def test_nobody_knows_the_speakers(phone_call: Path, spans: list[tuple[int, int]]) -> None:
    words, names = bundled(phone_call, call(spans, named=False))
    assert {w.speaker for w in words} == {None}
    assert names == {}


def test_hard_words_and_hard_times_lose_nothing(phone_call: Path, spans: list[tuple[int, int]]) -> None:
    hard = [
        Segment(text="Xzyqqwk 1813 $5.50 — Привет 日本語 … 🙂 3rd", start_ms=6000, end_ms=9000, speaker="Ann"),
        Segment(text="these words come where nobody speaks at all", start_ms=500, end_ms=2500),
        Segment(text="far behind the end", start_ms=90_000, end_ms=95_000, speaker="SPEAKER_07"),
        Segment(text="many words in no time at all", start_ms=29_990, end_ms=29_991),
        Segment(text="—", start_ms=12_000, end_ms=12_010),
    ]
    result = align(phone_call, transcribed(hard, spans), None, BUNDLED, choose_aligner(BUNDLED, "en"))
    words = read_words(result.words.path)
    check(words, [word for segment in hard for word in segment.text.split()])
    assert result.word_count == len(words)
    assert any("after the recording's end" in warning for warning in result.warnings)
    assert any(doubt.kind == "estimated-times" for doubt in result.doubts)
    assert result.names == {next(w.speaker for w in words if w.text == "1813"): "Ann"}


def test_no_words_at_all(phone_call: Path, spans: list[tuple[int, int]]) -> None:
    words, _ = bundled(phone_call, transcribed([], spans))
    assert words == []


def test_whisperx_aligns_with_a_model_from_a_folder(
    phone_call: Path,
    spans: list[tuple[int, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    choice = AlignSettings(engine="whisperx", model=str(wav2vec2_folder(tmp_path)))
    engine = choose_aligner(choice, "en")
    assert engine.name == "whisperx"
    assert str(tmp_path) not in engine.model
    given_ = call(spans)
    extra = Segment(text="42 — Привет don't", start_ms=1000, end_ms=4000)
    result = align(phone_call, transcribed([extra, *given_.segments], spans), None, choice, engine)
    words = read_words(result.words.path)
    check(words, [*extra.text.split(), *ALL])
    assert any(not w.estimated and w.score > 0 for w in words)
    assert capsys.readouterr().out == ""


def test_whisperx_without_a_model_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="WAV2VEC2_ASR_BASE_960H"):
        choose_aligner(AlignSettings(engine="whisperx"), "en")
    with pytest.raises(EngineUnavailable, match="'xx'"):
        choose_aligner(AlignSettings(engine="whisperx"), "xx")
    engine = choose_aligner(AlignSettings(), "en")
    assert (engine.name, engine.degraded) == ("bundled", True)


def at(text: str, start: int, end: int) -> Placed:
    return Placed(text, start, end, 0.9, estimated=False)


def test_first_word_of_a_turn_follows_the_sentence() -> None:
    words = [
        at("all", 0, 300),
        at("right.", 310, 700),
        at("So", 1000, 1150),
        at("we", 1170, 1300),
        at("go", 1310, 1500),
    ]
    turns = [Turn(start_ms=0, end_ms=1120, speaker="A"), Turn(start_ms=1120, end_ms=1600, speaker="B")]
    assert speakers_of(words, turns) == ["A", "A", "B", "B", "B"]


def test_a_lone_flip_in_a_flowing_sentence_is_smoothed_and_an_answer_is_kept() -> None:
    words = [at("one", 0, 200), at("two", 210, 400), at("three", 410, 600)]
    brief = [Turn(start_ms=0, end_ms=230, speaker="A"), Turn(start_ms=230, end_ms=390, speaker="B"),
             Turn(start_ms=390, end_ms=600, speaker="A")]  # fmt: skip
    assert speakers_of(words, brief) == ["A", "A", "A"]
    answer = [at("sure?", 0, 400), at("Yes.", 1000, 1300), at("Good.", 2000, 2300)]
    turns = [Turn(start_ms=0, end_ms=450, speaker="A"), Turn(start_ms=850, end_ms=1450, speaker="B"),
             Turn(start_ms=1900, end_ms=2500, speaker="A")]  # fmt: skip
    assert speakers_of(answer, turns) == ["A", "B", "A"]


def test_words_far_from_every_turn_have_no_speaker() -> None:
    turns = [Turn(start_ms=1000, end_ms=2000, speaker="A")]
    words = [at("near", 2300, 2500), at("far", 2600, 2900)]
    assert speakers_of(words, turns) == ["A", None]


LONG = Turn(start_ms=0, end_ms=10_000, speaker="A")
INTO_IT = Turn(start_ms=4000, end_ms=5000, speaker="B")
"""Both talk at once; one at a time, the longer turn has it all."""


@pytest.mark.parametrize(
    ("span", "whose"),
    [((4000, 5000), "B"), ((2000, 7000), "A"), ((0, 10_000), "A"), ((3900, 5050), "B"), (None, "B")],
)
def test_a_line_without_a_name_is_whose_turn_it_fills(span: tuple[int, int] | None, whose: str) -> None:
    words = [at("oh", 4050, 4400), at("really", 4450, 4950)]
    assert Attribution([LONG, INTO_IT], [LONG]).speakers_of_line(words, span) == [whose, whose]


def test_a_line_that_spans_two_people_goes_word_by_word() -> None:
    turns = [Turn(start_ms=0, end_ms=9000, speaker="A"), Turn(start_ms=9100, end_ms=10_000, speaker="B")]
    voices = Attribution(turns, turns)
    words = [at("so", 500, 900), at("then?", 8000, 8800), at("well", 9300, 9500), at("yes.", 9550, 9900)]
    assert voices.speakers_of_line(words, (0, 10_000)) == ["A", "A", "B", "B"]
    # a single word there may be one whose time is wrong
    assert voices.speakers_of_line(words[:3], (0, 10_000)) == ["A", "A", "A"]
    half = [Turn(start_ms=0, end_ms=5000, speaker="A"), Turn(start_ms=5000, end_ms=10_000, speaker="B")]
    there = [at("so", 500, 900), at("yes.", 8000, 8800)]
    assert Attribution(half, half).speakers_of_line(there, (0, 10_000)) == ["A", "B"]


def test_names_without_a_voice_get_new_labels() -> None:
    turns = [Turn(start_ms=0, end_ms=1000, speaker="SPEAKER_00")]
    spoken_by = {"Ann": [at("a", 0, 100)], "Bob": [at("b", 200, 900)], "Cy": [at("c", 5000, 6000)]}
    assert match_names(spoken_by, turns) == {"Ann": "SPEAKER_01", "Bob": "SPEAKER_00", "Cy": "SPEAKER_02"}


def test_utterances_end_at_pauses_speakers_and_long_sentences() -> None:
    words = [at("One.", 0, 500), at("two", 2000, 2500), at("three.", 2600, 7900), at("Four", 8000, 9000)]
    said = [Spoken(words, ["A", "A", "A", "A"]), Spoken([at("No", 9100, 9300)], ["B"])]
    found = into_utterances(said, pause_s=1.2, max_utterance_s=5)
    assert [(w.text, w.utterance) for w in found] == [
        ("One.", "u0001"), ("two", "u0002"), ("three.", "u0002"), ("Four", "u0003"), ("No", "u0004"),
    ]  # fmt: skip


def test_endless_text_without_full_stops_is_cut_at_pauses() -> None:
    words = [at("w", t, t + 400) for t in range(0, 100_000, 500)]
    found = utterances_of(into_utterances([Spoken(words, ["A"] * len(words))], pause_s=1, max_utterance_s=10))
    assert all((u.end_ms or 0) - (u.start_ms or 0) <= 15_000 for u in found)
    assert sum(len(u.words) for u in found) == len(words)


@given(
    st.lists(st.none() | st.tuples(st.integers(-2000, 40_000), st.integers(1, 3000)), min_size=1, max_size=40),
    st.integers(0, 30_000),
    st.integers(1, 20_000),
    st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 5000)), max_size=4),
)
def test_whatever_was_heard_words_stay_in_order_inside_the_recording(
    heard: list[tuple[int, int] | None], start: int, length: int, speech: list[tuple[int, int]]
) -> None:
    texts = [f"w{n}" for n in range(len(heard))]
    known = sorted(t for t in heard if t is not None)
    placed = [
        None if h is None else at(texts[n], *(lambda k: (k[0], k[0] + k[1]))(known.pop(0))) for n, h in enumerate(heard)
    ]
    spans = [(a, a + b) for a, b in sorted(speech)]
    found = in_order(fill(texts, placed, start, start + length, spans), 30_000)
    assert [w.text for w in found] == texts
    assert all(0 <= w.start_ms < w.end_ms <= 30_000 for w in found)
    assert all(one.start_ms <= two.start_ms for one, two in itertools.pairwise(found))


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.lists(st.sampled_from("abcdef"), max_size=60))
def test_matched_tokens_agree_and_rise(text: list[str], heard: list[str]) -> None:
    pairs = match_tokens(text, heard)
    assert all(text[i] == heard[j] for i, j in pairs)
    assert all(one[0] < two[0] and one[1] < two[1] for one, two in itertools.pairwise(pairs))


@given(st.text(max_size=30))
def test_any_word_can_be_said_or_is_mere_punctuation(written: str) -> None:
    for word in spoken(written, lambda _: False):
        assert sounds(word)
        assert all(phone.isupper() for phone in sounds(word))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1813", "eighteen thirteen"), ("42%", "forty two percent"), ("3rd", "third"), ("$5", "five dollars"),
        ("2,000,000", "two million"), ("10:30", "ten thirty"), ("BBC", "b. b. c."), ("café,", "cafe"),
        ("dry-read", "dry read"), ("…", ""),
    ],
)  # fmt: skip
def test_how_written_words_are_said(written: str, said: str) -> None:
    assert " ".join(spoken(written, lambda word: word in {"cafe", "dry", "read"})) == said
