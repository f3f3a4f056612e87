"""A campaign from session to session, through the doors that `earwitness notes` uses."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from earwitness.cli import main
from earwitness.errors import StorageError, UnknownValue
from earwitness.home import memory_path
from earwitness.memory.kept import Source as Recording
from earwitness.memory.kept import all_kept, forget, kept_of, recall, remember, rename, whole_memory
from earwitness.memory.memory import Changes, Facts, Told
from earwitness.memory.settings import MemorySettings
from earwitness.memory.threads import is_done
from earwitness.notes.from_transcript import summarized_transcript
from earwitness.notes.markdown import notes_markdown
from earwitness.options import Profile

SESSIONS = [
    [
        ("Matt", "The caravan reaches the gates of Zadash as the snow begins to fall."),
        ("Matt", "In the tavern you meet the innkeeper Lorenzo, who hides a silver lantern under the counter."),
        ("Sam", "We promise to bring the silver lantern to the widow Ophelia before the new moon."),
        ("Laura", "I swear I will find the missing children of Zadash in the old mine."),
    ],
    [
        ("Matt", "You leave Zadash at dawn and walk along the river to the village of Hupperdook."),
        ("Sam", "I hand the silver lantern to the widow Ophelia, so we brought it before the new moon."),
        ("Matt", "Ophelia weeps, and the gnome Kiri plays a flute in the market of Hupperdook."),
        ("Liam", "It is late and I want to sleep at the inn of the village tonight."),
    ],
    [
        ("Laura", "Should we look for the missing children in the mine now?"),
        ("Matt", "In the river below Zadash you see Lorenzo, who stands before a raft."),
        ("Sam", "I knew that Lorenzo was behind it, he is not what he seems to be!"),
    ],
]


@pytest.fixture
def sessions(tmp_path: Path) -> list[Path]:
    paths = []
    for number, lines in enumerate(SESSIONS, 1):
        path = tmp_path / f"session-{number}.jsonl"
        rows = [
            {"speaker": name, "text": text, "start": 10 * place, "end": 10 * place + 5}
            for place, (name, text) in enumerate(lines, 1)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        paths.append(path)
    return paths


def noted(path: Path, number: int | None = None, profile: Profile = Profile.TABLETOP, scope: str = "The Nein") -> Any:
    return summarized_transcript(path, profile, None, None, None, MemorySettings(scope=scope, number=number))


def changes(path: Path, **given: Any) -> Changes:
    found = noted(path, **given)[0].notes.changes
    assert isinstance(found, Changes)
    return found


def names(listed: list[Any]) -> list[str]:
    return [change.text for change in listed]


def test_what_changed_is_told_with_its_sources(sessions: list[Path]) -> None:
    first, *_ = noted(sessions[0])
    assert first.notes.changes is None, "there is nothing to compare the first one with"

    made, utterances, speakers = noted(sessions[1])
    second = made.notes.changes
    assert [earlier.name for earlier in second.earlier] == ["session-1"]
    assert {"Hupperdook", "Ophelia", "Kiri", "Liam"} <= set(names(second.new))
    (zadash,) = [change for change in second.back if change.kind != "speaker"]
    assert (zadash.text, zadash.evidence, zadash.last.name) == ("Zadash", ["u0001"], "session-1")
    (kept,) = second.closed
    assert kept.text.startswith("We promise to bring the silver lantern")
    assert (kept.evidence, kept.first.name, kept.first.utterance) == (["u0002"], "session-1", "u0003")
    assert kept.told == SESSIONS[1][1][1]
    assert names(second.still_open) == ["I swear I will find the missing children of Zadash in the old mine."]

    page = notes_markdown(made.notes, utterances, speakers)
    assert "## What changed" in page
    assert "(session-1 at 0:00:30) → I hand the silver lantern to the widow Ophelia" in page
    assert "- I swear I will find the missing children of Zadash in the old mine. (session-1 at 0:00:40)" in page

    third = changes(sessions[2])
    # asked about, not done: it goes on; who was away for a session comes before who was not
    (mine,) = third.taken_up
    assert mine.text.startswith("I swear I will find")
    assert mine.evidence == ["u0001"]
    assert third.closed == []
    assert names(third.back)[:2] == ["Lorenzo", "Laura"]
    assert names([change for change in third.back if change.kind == "name"]) == ["Lorenzo", "Zadash"]

    remembered = whole_memory(kept_of("the nein"))
    states = {thread.text[:10]: thread.closed.name if thread.closed else None for thread in remembered.threads}
    assert states == {"We promise": "session-2", "I swear I ": None}


def test_a_session_never_knows_those_after_it_and_changes_nothing_when_it_is_run_again(sessions: list[Path]) -> None:
    before = [noted(path)[0].model_dump_json() for path in sessions]
    kept = [path.read_bytes() for path in memory_path().glob("*.json")]
    assert [noted(path)[0].model_dump_json() for path in (sessions[0], sessions[2], sessions[1])] == [
        before[0],
        before[2],
        before[1],
    ]
    assert [path.read_bytes() for path in memory_path().glob("*.json")] == kept


def test_a_number_puts_a_session_where_it_belongs(sessions: list[Path]) -> None:
    noted(sessions[1], number=2)
    assert changes(sessions[2], number=3).earlier[0].name == "session-2"
    assert noted(sessions[0], number=1)[0].notes.changes is None
    assert [earlier.name for earlier in changes(sessions[2]).earlier] == ["session-1", "session-2"]
    assert [kept.source.name for kept in kept_of("The Nein").in_order] == ["session-1", "session-2", "session-3"]


def test_the_same_content_under_another_name_is_the_same_session(sessions: list[Path], tmp_path: Path) -> None:
    noted(sessions[0])
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(sessions[0].read_bytes())
    assert noted(copy)[0].notes.changes is None
    assert len(kept_of("The Nein").recordings) == 1


def test_what_is_forgotten_is_gone(sessions: list[Path]) -> None:
    for path in sessions[:2]:
        noted(path)
    forget("THE NEIN", "session-1")
    (path,) = memory_path().glob("*.json")
    assert "Lorenzo" not in path.read_text()
    assert [earlier.name for earlier in changes(sessions[2]).earlier] == ["session-2"]
    assert "Lorenzo" in names(changes(sessions[2]).new)
    forget("The Nein")
    assert all_kept() == []
    assert list(memory_path().iterdir()) == []
    with pytest.raises(UnknownValue, match="The Nein"):
        forget("The Nein")
    with pytest.raises(UnknownValue):
        kept_of("another")


def test_a_misheard_name_is_put_right_and_two_become_one(sessions: list[Path]) -> None:
    noted(sessions[0])
    rename("The Nein", "Lorenzo", "Lorenz Brevis")
    third = changes(sessions[2])
    assert "Lorenz Brevis" in names(third.back)
    assert "Lorenzo" not in names(third.new)
    rename("The Nein", "lorenz brevis", "Zadash")
    (zadash,) = [e for e in whole_memory(kept_of("The Nein")).entities if e.name == "Zadash"]
    assert zadash.also == ["Lorenzo"]
    with pytest.raises(UnknownValue, match="Nobody"):
        rename("The Nein", "Nobody", "Somebody")


def test_only_its_owner_can_read_it_and_scopes_are_apart(sessions: list[Path]) -> None:
    noted(sessions[0])
    assert noted(sessions[1], scope="Another table")[0].notes.changes is None
    for path in (memory_path(), *memory_path().glob("*.json")):
        assert path.stat().st_mode & 0o077 == 0


def test_many_at_once_lose_nothing() -> None:
    def run(number: int) -> None:
        source = Recording(digest=f"{number:064d}", recording_id=f"talk-{number:012d}", name=f"talk {number}")
        recall("show", source)
        told = Told(kind="name", name=f"Guest{number}", evidence=["u0001"], last="u0001", times=1)
        remember("show", source, Facts(title="", told=[told]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(24)))
    kept = kept_of("show")
    assert sorted(recording.number for recording in kept.recordings) == list(range(1, 25))
    assert {entity.name for entity in whole_memory(kept).entities} == {f"Guest{number}" for number in range(24)}


def test_a_session_that_is_not_finished_is_told_of() -> None:
    first, second = (Recording(digest=f"{n:064d}", recording_id=f"s-{n:012d}", name=f"s{n}") for n in (1, 2))
    recall("show", first)
    memory, (warning,) = recall("show", second)
    assert memory.recordings == []
    assert "s1 comes before this recording" in warning
    remember("show", first, Facts(title="One"))
    assert recall("show", second)[1] == []
    forget("show", "s2")
    assert not remember("show", second, Facts(title="Two")), "what was forgotten meanwhile stays so"


def test_a_damaged_memory_is_said_and_not_overwritten(sessions: list[Path]) -> None:
    noted(sessions[0])
    (path,) = memory_path().glob("*.json")
    path.write_text(path.read_text()[:-40])
    damaged = path.read_bytes()
    with pytest.raises(StorageError, match="can't be read") as caught:
        noted(sessions[1])
    assert "Lorenzo" not in str(caught.value)
    assert path.read_bytes() == damaged


MEETINGS = [
    [("Ann", "Please send the signed contract to Vertex Partners by Friday."),
     ("Bo", "We have decided that we will go with the green design."),
     *(("Ann", f"The packaging of shelf {n} and the green design cost {n} euros a month.") for n in range(60))],
    [("Ann", "The signed contract went out on Thursday, I sent it to Vertex Partners."),
     ("Bo", "Great, then the packaging can be printed at the end of the month.")],
]  # fmt: skip


def test_what_was_to_be_done_at_work_is_followed(tmp_path: Path) -> None:
    found = []
    for number, lines in enumerate(MEETINGS):
        path = tmp_path / f"week-{number}.jsonl"
        path.write_text("".join(json.dumps({"speaker": name, "text": text}) + "\n" for name, text in lines))
        found.append(noted(path, profile=Profile.WORKPLACE, scope="packaging")[0].notes.changes)
    (done,) = found[1].closed
    assert (done.kind, done.text, done.evidence) == ("action", f"Ann: {MEETINGS[0][0][1]}", ["u0001"])
    decided = [t.text for t in whole_memory(kept_of("packaging")).threads if t.kind == "decision"]
    assert decided == [f"Bo: {MEETINGS[0][1][1]}"]


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("I sent the contract to Vertex Partners.", True),
        ("We have found the children.", True),
        ("I have to find out who sent the contract.", False),
        ("I will have sent the contract by then.", False),
        ("I never sent the contract.", False),
        ("They still haven't found it.", False),
        ("Have you sent it?", False),
        ("The contract is on the table.", False),
    ],
)
def test_what_says_that_something_is_done(text: str, done: bool) -> None:
    assert is_done(text) is done


def test_the_command_line(sessions: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    for path in sessions:
        with pytest.raises(SystemExit) as ended:
            main(["notes", str(path), "--set", "memory.scope=The Nein", "--json"])
        assert ended.value.code == 0
        notes = json.loads(capsys.readouterr().out)
    assert notes["changes"]["scope"] == "The Nein"

    def told(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["memory", *arguments])
        assert ended.value.code == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert "2  session-2" in told("list")
    assert "Lorenzo: 2 recordings, last in session-3 at 0:00:30" in told("show", "the nein")
    assert json.loads(told("show", "the nein", "--json"))["recordings"][0]["name"] == "session-1"
    (mine,) = [line.split()[0] for line in told("show", "the nein").splitlines() if "I swear I will find" in line]
    assert "I swear I will find" in told("settle", "The Nein", mine)
    assert "I swear" not in told("show", "The Nein")
    assert "Use one of" in told("settle", "The Nein", mine, code=2)
    assert "Lorenz" in told("rename", "The Nein", "Lorenzo", "Lorenz")
    assert "session-2" in told("forget", "The Nein", "--recording", "session-2")
    assert "Use one of" in told("forget", "The Nein", "--recording", "session-2", code=2)
    assert "forgot session-1, session-3" in told("forget", "The Nein")
    assert "Nothing is remembered." in told("list")
