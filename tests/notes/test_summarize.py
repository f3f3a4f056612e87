import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earwitness.notes.from_transcript import notes_from_transcript
from earwitness.notes.markdown import notes_markdown
from earwitness.notes.notes import Summarized
from earwitness.notes.sentences import count_words, terms, without_markers
from earwitness.notes.summarize import choose_writer, summarize
from earwitness.options import Profile
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Cast, CastMember, Speaker
from earwitness.words.transcript import Utterance

WORLD = (
    "The caravan of {a} reaches the gates of {b} as the snow begins to fall over the towers.",
    "Roll a perception check, please.",
    "You see {a} standing by the altar, and she lifts the silver lantern toward the door.",
    "In the cellar beneath {b} they find the ledger that {a} had hidden from the guild.",
    "I draw my sword and I step in front of {a}!",
    "What do we do about {b}?",
    "Okay, um, yeah.",
)
PLACES = ("Whitestone", "Zadash", "Emon", "Kraghammer")
PEOPLE = ("Lorenzo", "Keg", "Ophelia", "Pike")


def session(utterances: int, timed: bool = False) -> tuple[list[Utterance], list[Speaker]]:
    found = []
    for n in range(utterances):
        text = WORLD[n % len(WORLD)].format(a=PEOPLE[(n // 9) % 4], b=PLACES[(n // 31) % 4]) + f" Item {n}."
        label = "SPEAKER_00" if n % 7 in {0, 1, 2, 3} else f"SPEAKER_0{1 + n % 2}"
        start, end = (n * 4000, n * 4000 + 3500) if timed else (None, None)
        found.append(Utterance(f"u{n + 1:04d}", label, start, end, text))
    speakers = [
        Speaker(label="SPEAKER_00", name="Matt", role="game master", named_by="cast"),
        Speaker(label="SPEAKER_01", name="Sam", character="Nott", role="player", named_by="cast"),
        Speaker(label="SPEAKER_02", name="SPEAKER_02"),
    ]
    return found, speakers


def written(
    utterances: list[Utterance],
    speakers: list[Speaker],
    profile: Profile = Profile.TABLETOP,
    **chosen: object,
) -> Summarized:
    wanted = SummarizeSettings.model_validate({"story": True, **chosen})
    return summarize(utterances, speakers, None, profile, wanted, choose_writer(wanted))


@pytest.mark.parametrize("profile", list(Profile))
def test_every_claim_is_said_where_it_points_to(profile: Profile) -> None:
    utterances, speakers = session(300, timed=True)
    notes = written(utterances, speakers, profile, words=300).notes
    heard = {u.id: u for u in utterances}
    assert notes.claims
    assert [claim.id for claim in notes.claims] == [f"c{n:03d}" for n in range(1, len(notes.claims) + 1)]
    for claim in notes.claims:
        assert claim.supported
        said = terms(without_markers(heard[claim.evidence[0]].text))
        words = terms(re.sub(r"^(Matt|Sam|Nott|SPEAKER_02): ", "", claim.text))
        rest = iter(said)
        assert all(word in rest for word in words)
    listed = [key for section in notes.sections for key in section.claims]
    assert sorted(listed) == [claim.id for claim in notes.claims]
    assert notes.words_read == sum(len(u.text.split()) for u in utterances)


@pytest.mark.parametrize("words", [60, 150, 400, 1000])
def test_the_length_asked_for_is_kept(words: int) -> None:
    notes = written(*session(800), words=words).notes
    assert abs(sum(count_words(claim.text) for claim in notes.claims) - words) <= 0.05 * words


def test_a_length_that_can_not_be_reached_is_said() -> None:
    result = written(*session(4), words=500)
    assert sum(count_words(claim.text) for claim in result.notes.claims) < 475
    assert "has no more" in result.warnings[0]


def test_claims_come_from_the_whole_recording_in_its_order() -> None:
    utterances, speakers = session(800)
    notes = written(utterances, speakers, words=600).notes
    main = [int(c.evidence[0][1:]) for c in notes.claims if c.section == notes.sections[0].heading]
    assert main == sorted(main)
    quarters = {place * 4 // 801 for place in main}
    assert quarters == {0, 1, 2, 3}


def test_the_abstract_repeats_claims() -> None:
    notes = written(*session(300), words=300).notes
    assert notes.abstract
    rest = notes.abstract
    for claim in notes.claims:
        rest = rest.replace(claim.text, "")
    assert not rest.strip()


def test_chapters_are_as_many_as_asked_for_and_carry_times() -> None:
    utterances, speakers = session(400, timed=True)
    notes = written(utterances, speakers, chapters=5).notes
    assert len(notes.chapters) == 5
    assert notes.chapters[0].start_ms == 0
    assert notes.chapters[-1].end_ms == utterances[-1].end_ms
    assert all(chapter.title for chapter in notes.chapters)


def test_to_be_done_holds_obligations_and_stays_empty_without_any() -> None:
    said = ["We talked about the weather.", "I will send the report to Anna by Friday.", "It was a nice day out there."]
    speakers = [Speaker(label="SPEAKER_00", name="Bo", named_by="transcript")]

    def done(lines: list[str]) -> list[str]:
        utterances = [Utterance(f"u{n:04d}", "SPEAKER_00", None, None, line) for n, line in enumerate(lines, 1)]
        notes = written(utterances, speakers, Profile.WORKPLACE, words=40, story=False).notes
        assert [section.heading for section in notes.sections] == ["What was said", "To be done"]
        return [claim.text for claim in notes.claims if claim.section == "To be done"]

    assert done(said * 3)[0] == "I will send the report to Anna by Friday."
    assert done([said[0], said[2]]) == []


def test_a_story_cites_every_paragraph_and_lets_characters_speak() -> None:
    utterances, speakers = session(200)
    story = written(utterances, speakers, words=300).notes.story
    assert story is not None
    paragraphs = [part for part in story.strip().split("\n\n") if not part.startswith("## ")]
    assert paragraphs
    assert all(re.search(r"\[u\d{4}\]$", part) for part in paragraphs)
    assert any(part.startswith('Nott: "') for part in paragraphs)
    assert not any(part.startswith("Matt:") for part in paragraphs)


def test_nothing_heard_makes_honest_empty_notes() -> None:
    notes = written([], []).notes
    assert notes.claims == []
    assert notes.chapters == []
    assert notes.words_read == 0
    assert notes.abstract == "No words were found in this recording."
    assert notes.story is None
    assert "Nothing was found." in notes_markdown(notes, [], [])


def test_one_utterance_is_enough() -> None:
    utterances = [Utterance("u0001", None, None, None, "The ship leaves Emon at dawn.")]
    notes = written(utterances, []).notes
    assert [claim.text for claim in notes.claims] == ["The ship leaves Emon at dawn."]
    assert len(notes.chapters) == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(st.text(max_size=80), max_size=12),
    profile=st.sampled_from(list(Profile)),
    words=st.one_of(st.none(), st.integers(20, 200)),
)
def test_hostile_text_never_breaks_it(texts: list[str], profile: Profile, words: int | None) -> None:
    utterances = [
        Utterance(f"u{n:04d}", f"SPEAKER_0{n % 3}", None, None, text) for n, text in enumerate(texts, start=1)
    ]
    speakers = [Speaker(label="SPEAKER_00", name="{\\an8}<script>\n# x", named_by="transcript")]
    first = written(utterances, speakers, profile, words=words)
    assert first.digest() == written(utterances, speakers, profile, words=words).digest()
    page = notes_markdown(first.notes, utterances, speakers)
    assert "<script>" not in page


def test_other_scripts_are_summarized_too() -> None:
    lines = [
        "Караван достиг города Эмон утром.",
        "Лоренцо спрятал золото в подвале.",
        "Да.",
        "我们在山上看见了一条龙。",
    ]
    utterances = [Utterance(f"u{n:04d}", None, None, None, lines[n % 4] + f" {n}.") for n in range(1, 200)]
    notes = written(utterances, [], words=60).notes
    assert abs(sum(count_words(claim.text) for claim in notes.claims) - 60) <= 3
    assert all(claim.supported for claim in notes.claims)


def test_a_five_hour_session_takes_seconds() -> None:
    utterances, speakers = session(3_000, timed=True)
    assert sum(len(u.text.split()) for u in utterances) > 30_000
    started = time.perf_counter()
    written(utterances, speakers)
    assert time.perf_counter() - started < 10


def test_notes_from_a_transcript_file(tmp_path: Path) -> None:
    transcript = tmp_path / "t.jsonl"
    transcript.write_text(
        '{"speaker": "SAM", "text": "I give Lorenzo the ledger of Zadash."}\n'
        '{"speaker": "MATT", "text": "The gates of Zadash close behind the caravan as the snow falls."}\n',
        "utf-8",
    )
    cast = tmp_path / "cast.yaml"
    cast.write_text("campaign: The Lost Ledger\nmembers: [{person: Sam, character: Nott}]\n", "utf-8")
    notes = notes_from_transcript(transcript, Profile.TABLETOP, 30, cast)
    assert notes.title == "The Lost Ledger"
    assert "Nott: I give Lorenzo the ledger of Zadash." in [claim.text for claim in notes.claims]
    assert {key for claim in notes.claims for key in claim.evidence} == {"u0001", "u0002"}
    assert all(claim.supported for claim in notes.claims)


def test_the_cast_titles_the_notes() -> None:
    wanted = SummarizeSettings(story=False)
    cast = Cast(campaign="Crown", session="12", members=[CastMember(person="Sam")])
    utterances, speakers = session(20)
    result = summarize(utterances, speakers, cast, Profile.TABLETOP, wanted, choose_writer(wanted))
    assert result.notes.title == "Crown, session 12"
