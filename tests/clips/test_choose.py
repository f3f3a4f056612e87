import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.clips.choose import choose_moments, score_of, weights_of
from earwitness.clips.presets import PRESETS, limits_s
from earwitness.clips.sound import sound_of
from earwitness.clips.telling import hashtags_for
from earwitness.clips.units import units_of
from earwitness.errors import UsageError
from earwitness.notes.notes import Claim, Notes, Section
from earwitness.options import Profile
from earwitness.settings import ClipSettings
from earwitness.speech.turns import Turn
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance, Word

SYLLABLES = ("ka", "lo", "mi", "ren", "sa", "tu", "vor", "zel", "bra", "dun")


def settings(count: int = 3, min_s: float = 12, max_s: float = 60) -> ClipSettings:
    return ClipSettings(count=count, min_s=min_s, max_s=max_s, video=False)


def spoken(number: int, start_ms: int, text: str, speaker: str = "SPEAKER_00", word_ms: int = 300) -> Utterance:
    key = f"u{number:04d}"
    words = tuple(
        Word(word, start_ms + n * word_ms, start_ms + (n + 1) * word_ms - 40, 1.0, speaker, key)
        for n, word in enumerate(text.split())
    )
    return Utterance(key, speaker, start_ms, words[-1].end_ms, text, words)


PEOPLE = [Speaker(label="SPEAKER_00", name="Sam", named_by="cast")]
LINES = (
    "Where did the {0} hide the {1} of {2}?",
    "It sleeps under the {3}, and {0} has not seen a {4} for a hundred years.",
    "And then we walked to the {4} for a while.",
    "The {1} was never in the {3}, because the {4} had sold {2} to the {0}.",
    "That changes everything for {2}!",
)


def made_up(number: int) -> str:
    """A word that nobody has said before."""
    return "".join(SYLLABLES[int(digit)] for digit in f"{number:04d}").capitalize()


def talk(utterances: int, *, repeating: bool = False) -> list[Utterance]:
    found, at = [], 0
    for n in range(utterances):
        about = 0 if repeating else n // 5
        text = LINES[n % 5].format(*(made_up(5 * about + place) for place in range(5)))
        utterance = spoken(n + 1, at, text, f"SPEAKER_0{n % 2}")
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
    best = choose_moments(talk(15), None, settings(1, 10, 16), profile=Profile.PODCAST).moments[0]
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
    assert "nobody is heard" in choose_moments([], None, settings()).reason
    assert "asked for" in choose_moments(talk(9), None, settings(0)).reason


def test_fewer_than_asked_for_is_said() -> None:
    choice = choose_moments(talk(9), None, settings(20, 12, 30))
    assert 0 < len(choice.moments) < 20
    assert choice.reason.startswith(f"{len(choice.moments)} of 20")


def test_no_two_clips_say_the_same() -> None:
    choice = choose_moments(talk(120, repeating=True), None, settings(5))
    assert len(choice.moments) == 1
    assert "no other" in choice.reason


def test_each_clip_tells_what_it_is_made_of_and_what_it_lacks() -> None:
    best = choose_moments(talk(40), None, settings(1, 10, 16), speakers=PEOPLE[:1], profile=Profile.PODCAST).moments[0]
    assert {"hook", "answer", "salience", "standalone", "exchange"} <= best.features.keys()
    assert not {"energy", "laughter", "pace", "flow"} & best.features.keys()
    assert all(0 <= value <= 1 for value in best.features.values())
    assert best.score == score_of(best.features, weights_of(Profile.PODCAST, "audio"))
    assert best.title.endswith("?")
    assert "With Sam" in best.description
    assert "#podcast" in best.hashtags
    assert any("no name" in lack for lack in best.lacks)


def test_tags_are_names_and_words_that_come_up_again() -> None:
    text = "Sam wrote that the harbour bell rang. Nobody rings that bell but Ines Calloway, and she left quickly."
    tags = hashtags_for(units_of([spoken(1, 0, text)]), 0, 1, ["podcast"])
    assert {"#bell", "#podcast"} <= set(tags)
    assert not {"#wrote", "#left", "#quickly"} & set(tags)


def test_a_start_that_points_back_is_said() -> None:
    text = "He had the key to the harbour all along and he never told a soul about it at all."
    (only,) = choose_moments([spoken(1, 0, text)], None, settings(1, 3, 12)).moments
    assert any("“he”" in lack for lack in only.lacks)
    question = spoken(1, 0, "Who had the key to the harbour?")
    answer = spoken(2, 2_200, "Sam had the key to the harbour in the old blue box.", "SPEAKER_01")
    answered = choose_moments([question, answer], None, settings(5, 3, 5)).moments
    assert any("question that it answers" in lack for moment in answered for lack in moment.lacks)


def test_genre_and_platform_move_the_weights() -> None:
    assert weights_of(Profile.WORKPLACE, "audio")["laughter"] == 0
    assert weights_of(Profile.PODCAST, "tiktok")["hook"] > weights_of(Profile.PODCAST, "square")["hook"]
    for profile in Profile:
        for preset in (*PRESETS, "audio"):
            assert weights_of(profile, preset).keys() == weights_of(Profile.TABLETOP, "audio").keys()


def test_laughter_and_energy_of_the_sound_decide_between_equal_words() -> None:
    utterances = [
        spoken(n, n * 6_000, f"{made_up(9 * n)} was at the {made_up(9 * n + 1)} of {made_up(9 * n + 2)}.")
        for n in range(1, 30)
    ]
    levels = np.full(2_000, 10, np.float32)
    words = [(w.start_ms, w.end_ms) for u in utterances for w in u.words]
    for start, end in words:
        levels[start // 100 : end // 100 + 1] = 100
    laughed = utterances[20]
    assert laughed.end_ms is not None
    levels[laughed.end_ms // 100 + 4 : laughed.end_ms // 100 + 24] = 400
    best = choose_moments(utterances, None, settings(1, 3, 10), sound_of(levels, words)).moments[0]
    assert laughed.id in best.evidence
    assert best.features["laughter"] > 0.4
    assert "laughing" in best.reason


def test_without_words_turns_and_sound_decide_and_it_is_said() -> None:
    turns = [Turn(start_ms=n * 9_000, end_ms=n * 9_000 + 7_000, speaker=f"SPEAKER_0{n % 2}") for n in range(20)]
    levels = np.full(1_800, 50, np.float32)
    levels[900:1_050] = 500
    choice = choose_moments([], None, settings(2, 12, 40), sound_of(levels, ()), turns=turns)
    assert len(choice.moments) == 2
    assert "no words" in choice.reason
    starts, ends = {turn.start_ms for turn in turns}, {turn.end_ms for turn in turns}
    for moment in choice.moments:
        assert moment.start_ms in starts
        assert moment.end_ms in ends
        assert "sound alone" in moment.reason
        assert moment.lacks
    assert choice.moments[0].start_ms <= 90_000 < choice.moments[0].end_ms


def test_a_platforms_own_limit_holds_and_an_impossible_one_is_refused() -> None:
    long = ClipSettings(count=1, min_s=12, max_s=600, video=True, presets=("youtube", "shorts"))
    assert limits_s(long) == (12, 180)
    with pytest.raises(UsageError, match="shorts takes 180 s"):
        limits_s(long.model_copy(update={"min_s": 200}))


def test_a_five_hour_recording_takes_seconds() -> None:
    utterances = talk(4_000)
    started = time.process_time()
    assert choose_moments(utterances, None, settings(5)).moments
    assert time.process_time() - started < 20


def monologue(words: int, *, punctuated: bool) -> list[Utterance]:
    """One person, with a breath after every nine words."""
    found, at = [], 0
    for n in range(words // 9):
        text = " ".join(made_up(9 * n + place).lower() for place in range(9)) + ("." if punctuated else "")
        found.append(spoken(n + 1, at, text))
        at = (found[-1].end_ms or 0) + 700
    return found


def turn(start_s: int, end_s: int) -> Turn:
    return Turn(start_ms=start_s * 1000, end_ms=end_s * 1000, speaker="SPEAKER_00")


LAUGHING_CROWD = [spoken(n, n * 2_000, "Thank you.") for n in range(1, 200)]


@pytest.mark.parametrize(
    ("name", "utterances", "turns", "clips", "said"),
    [
        ("nothing at all", [], [], 0, "no words and nobody is heard"),
        ("shorter than a clip", talk(2), [], 0, "s of talk; a clip has at least 12 s."),
        ("as long as one clip", talk(5), [], 1, "1 of 3"),
        ("one speaker", monologue(900, punctuated=True), [], 3, ""),
        ("one speaker, no punctuation", monologue(900, punctuated=False), [], 3, ""),
        ("no words", [], [turn(n * 8, n * 8 + 7) for n in range(30)], 3, "There are no words"),
        ("no words, one endless turn", [], [turn(0, 900)], 0, "No run of whole"),
        ("no times", [Utterance("u0001", None, None, None, "No times at all.")], [], 0, "has no times"),
        ("a loop over music", LAUGHING_CROWD, [], 3, ""),
    ],
)
def test_every_kind_of_recording_gives_clips_or_says_why_not(
    name: str, utterances: list[Utterance], turns: list[Turn], clips: int, said: str
) -> None:
    choice = choose_moments(utterances, None, settings(3), turns=turns)
    assert len(choice.moments) == clips, (name, choice)
    assert said in choice.reason
    assert len(choice.moments) == 3 or choice.reason
    assert all(12_000 <= moment.end_ms - moment.start_ms <= 60_000 for moment in choice.moments)


def doubted(utterances: list[Utterance], every: int, score: float = 0.2) -> list[Utterance]:
    """With every so-manieth word doubtful."""
    return [
        replace(u, words=tuple(replace(w, score=score) if n % every == 0 else w for n, w in enumerate(u.words)))
        for u in utterances
    ]


def test_doubtful_words_are_said_and_kept_out_of_title_and_tags() -> None:
    sure = choose_moments(talk(40), None, settings(1)).moments[0]
    doubt = [f"{n}" for n in sure.lacks if "doubtful" in n]
    assert not doubt
    named = sure.hashtags[0].removeprefix("#").casefold()
    unsure = [
        replace(u, words=tuple(replace(w, score=0.1) if named in w.text.casefold() else w for w in u.words))
        for u in talk(40)
    ]
    other = choose_moments(unsure, None, settings(1)).moments[0]
    assert (other.start_ms, other.end_ms) == (sure.start_ms, sure.end_ms)
    assert named not in " ".join([other.title, *other.hashtags]).casefold()
    many = choose_moments(doubted(talk(40), 2), None, settings(1)).moments[0]
    assert any("words are doubtful: listen" in lack for lack in many.lacks)
    few = choose_moments(doubted(talk(40), 9), None, settings(1)).moments[0]
    assert not any("doubtful" in lack for lack in few.lacks)


def test_words_of_the_bundled_recogniser_are_said_to_be_misheard_and_make_no_tags() -> None:
    heard = choose_moments(talk(40), None, settings(1), misheard=True).moments[0]
    assert "mishears many" in heard.lacks[0]
    assert heard.hashtags == ("#ttrpg",)
