"""The notes that players may read hold nothing that they must not know."""

from pathlib import Path
from typing import Any

import pytest

from earwitness.clips.choose import choose_moments
from earwitness.errors import UsageError
from earwitness.memory.memory import Memory
from earwitness.notes.markdown import notes_markdown
from earwitness.notes.notes import Summarized
from earwitness.notes.private import Censor, Secrets, private_ids
from earwitness.notes.summarize import choose_writer
from earwitness.notes.write import write_notes
from earwitness.options import Profile, RunOptions
from earwitness.profiles import resolve
from earwitness.settings import ClipSettings, SummarizeSettings
from earwitness.words.cast import Cast, CastMember, Speaker
from earwitness.words.transcript import Utterance
from tests.chat_server import ChatService, point

SPEAKERS = [
    Speaker(label="SPEAKER_00", name="Matt", role="game master", named_by="cast"),
    Speaker(label="SPEAKER_01", name="Sam", character="Nott", role="player", named_by="cast"),
    Speaker(label="SPEAKER_02", name="Dana", named_by="cast"),
]
CAST = Cast(members=[CastMember(person=s.name, character=s.character, role=s.role) for s in SPEAKERS])
TALK = [
    ("SPEAKER_00", "The caravan reaches the gates of Zadash as the snow begins to fall on the towers."),
    ("SPEAKER_01", "I steal twelve gold pieces from the innkeeper Lorenzo while he sleeps in his chair."),
    ("SPEAKER_00", "Between us, Dana: Lorenzo is the assassin Vexhelm and serves the cobra cult."),
    ("SPEAKER_02", "Then the poisoned chalice waits for Nott in the crypt below the temple."),
    ("SPEAKER_00", "Back to all of you: the innkeeper wakes up and screams for the guards of the city."),
    ("SPEAKER_01", "We run through the snow to the caravan and hide below the blankets of the wagon."),
    ("SPEAKER_00", "A letter of the Raven Queen lies there, sealed with black wax and silver thread."),
    ("SPEAKER_01", "I open the letter of the Raven Queen and I read it aloud to all of us, slowly."),
    ("SPEAKER_00", "The guards of the city search every wagon that waits at the gates of Zadash tonight."),
]
HIDDEN = ["vexhelm", "assassin", "cobra", "cult", "poisoned", "chalice", "crypt", "u0003", "u0004", "dana"]
SECRET = ["raven", "queen", "u0007", "u0008"]


def heard(timed: bool = True) -> list[Utterance]:
    return [
        Utterance(f"u{n:04d}", label, n * 4_000 if timed else None, n * 4_000 + 3_500 if timed else None, text)
        for n, (label, text) in enumerate(TALK, 1)
    ]


def written(cast: Cast = CAST, timed: bool = True, memory: Memory | None = None, **given: Any) -> Summarized:
    settings = SummarizeSettings.model_validate({"words": 200, **given})
    wanted = resolve(RunOptions(profile=Profile.TABLETOP, summarize=settings)).summarize
    return write_notes(heard(timed), SPEAKERS, cast, Profile.TABLETOP, wanted, choose_writer(wanted), memory=memory)


def read_by_players(made: Summarized) -> str:
    """All that players are given, case-folded."""
    assert made.players is not None
    notes = made.players.notes
    page = notes_markdown(notes, heard(), made.players.speakers, players=True)
    return f"{page}\n{notes.model_dump_json()}".casefold()


WAYS: list[dict[str, Any]] = [
    {"private": ["0:12-0:19.6"]},
    {"private_marks": ["Between us", "Back to all of you"]},
    {"cast": CAST.model_copy(update={"private": ["12-19.6"]})},
]


@pytest.mark.parametrize("way", WAYS, ids=["spans", "marks", "cast"])
def test_private_talk_is_nowhere_in_the_players_notes(way: dict[str, Any]) -> None:
    made = written(**way)
    text = read_by_players(made)
    found = [word for word in HIDDEN if word in text]
    assert found == []
    assert "twelve gold pieces" in text
    assert "the guards of the city search every wagon" in text
    assert made.notes.private[:2] == ["u0003", "u0004"]
    game_masters = notes_markdown(made.notes, heard(), SPEAKERS).casefold()
    assert "vexhelm" in game_masters
    assert "players must not know" in game_masters


def test_what_names_a_secret_is_nowhere_either() -> None:
    for made in (written(secrets=["Raven Queen"]), written(CAST.model_copy(update={"secrets": ["the raven-queen's"]}))):
        text = read_by_players(made)
        assert made.notes.private == ["u0007", "u0008"]
        assert [word for word in SECRET if word in text] == []
        assert "twelve gold pieces" in text


def test_without_secrets_there_is_no_version_for_players() -> None:
    assert written().players is None
    assert written().notes.private == []


def test_spans_need_times() -> None:
    with pytest.raises(UsageError, match="no times"):
        written(private=["0:12-0:19"], timed=False)
    with pytest.raises(UsageError, match="span"):
        written(CAST.model_copy(update={"private": ["soon"]}))
    with pytest.raises(UsageError, match="word"):
        written(secrets=["!!"])


def test_secrets_stay_secret_in_later_sessions(own_home: Path) -> None:
    memory = Memory(scope="s", recordings=[])
    facts = written(private=["0:12-0:19.6"], memory=memory).facts
    assert facts is not None
    secret = {told.name for told in facts.told if told.secret}
    assert "Vexhelm" in secret
    assert "Zadash" not in secret


@pytest.fixture
def service(chat_service: ChatService) -> ChatService:
    chat_service.answer = lambda _: ANSWER
    return chat_service


ANSWER = {
    "title": point("The assassin of the cobra cult", "u0003"),
    "chapters": [{"title": "Zadash", "first": "u0001"}, {"title": "The cobra cult", "first": "u0003"}],
    "recap": [
        point("Nott stole twelve gold pieces from the innkeeper Lorenzo.", "u0002"),
        point("Lorenzo is the assassin Vexhelm.", "u0003"),
        point("The innkeeper Lorenzo, an assassin, wakes up and screams for the guards.", "u0005", "u0002"),
        point("A letter of the Raven Queen lies in the wagon.", "u0007"),
    ],
    "people": [
        point("He is an innkeeper who sleeps in his chair.", "u0002", name="Lorenzo"),
        point("The assassin serves the cobra cult.", "u0003", name="Vexhelm"),
    ],
    "places": [point("The chalice waits in the crypt.", "u0004", name="crypt")],
    "loot": [point("The poisoned chalice waits for Nott.", "u0004", name="chalice")],
    "threads": [point("The poisoned chalice waits for Nott.", "u0004")],
    "quotes": [
        point("Lorenzo is the assassin Vexhelm and serves the cobra cult", "u0003", speaker="Matt"),
        point("I open the letter of the Raven Queen", "u0008", speaker="Nott"),
    ],
    "kinds": [
        {"kind": "in-world", "first": "u0001", "last": "u0002"},
        {"kind": "private", "first": "u0003", "last": "u0004"},
    ],
    "story": [
        point("The caravan reached the gates of Zadash as snow began to fall.", "u0001"),
        point("Lorenzo was the assassin Vexhelm.", "u0003"),
    ],
}


def test_a_chat_models_words_are_held_back_as_well(service: ChatService) -> None:
    chat: dict[str, Any] = {"engine": "chat", "model": "a-model", "base_url": service.address, "words": None}
    made = written(**chat, secrets=["Raven Queen"])
    assert made.notes.private == ["u0003", "u0004", "u0007", "u0008"]
    assert any("Vexhelm" in claim.text for claim in made.notes.claims)
    text = read_by_players(made)
    assert [word for word in [*HIDDEN, *SECRET] if word in text] == []
    assert made.players is not None
    assert [claim.text for claim in made.players.notes.claims] == [
        "Nott stole twelve gold pieces from the innkeeper Lorenzo.",
        "Lorenzo: He is an innkeeper who sleeps in his chair.",
    ]
    assert made.players.notes.story is not None
    assert "The caravan reached the gates" in made.players.notes.story
    assert made.players.notes.dropped == []


def test_clips_show_nothing_private() -> None:
    made = written(private=["0:12-0:19.6"])
    settings = ClipSettings.model_validate({"count": 5, "min_s": 3, "max_s": 30, "video": False, "presets": ["square"]})
    for notes in (made.for_clips().notes, made.notes):
        moments = choose_moments(heard(), notes, settings).moments
        assert moments
        for moment in moments:
            assert {"u0003", "u0004"}.isdisjoint(moment.evidence)
            assert moment.end_ms <= 12_000 or moment.start_ms >= 19_500
    shown = choose_moments(heard(), made.for_clips().notes, settings).moments
    assert not [
        word for word in HIDDEN for moment in shown if word in f"{moment.title} {moment.description}".casefold()
    ]
    most = settings.model_copy(update={"min_s": 30.0, "max_s": 40.0})  # no stretch as long leaves them out
    free = choose_moments(heard(), made.notes.model_copy(update={"private": []}), most).moments
    assert {"u0003", "u0004"} <= set(free[0].evidence)
    assert choose_moments(heard(), made.notes, most).moments == []


@pytest.mark.parametrize(
    ("text", "evidence", "may"),
    [
        ("The guards of the city search the wagon.", ["u0009"], True),
        ("The guards of the city search the wagon.", ["u0009", "u0003"], False),  # said in private
        ("The guards of the city search the wagon. [u0003]", [], False),
        ("The silver gates of the towers.", ["u0001"], False),  # a secret of words that are all said in public
        ("The towers have silver gates.", ["u0001"], True),
        ("The guards search for the chalice.", ["u0009"], False),  # a word that is said in private only
    ],
)
def test_what_players_may_read(text: str, evidence: list[str], may: bool) -> None:
    secrets = Secrets(names=(("silver", "gates", "of", "the", "towers"),), spans_ms=((12_000, 19_600),), marks=None)
    censor = Censor(heard(), private_ids(heard(), secrets), secrets)
    assert censor.passes(text, evidence) is may
