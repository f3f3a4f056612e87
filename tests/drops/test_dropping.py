"""A drop folder through its public doors: what is taken, what is left alone, and what a kill leaves."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from earwitness.drops.arrivals import Arrivals, Patience, is_junk
from earwitness.drops.folder import Drop, DropFolder
from earwitness.drops.health import drop_state
from earwitness.drops.watch import TOGETHER, TOGETHER_BYTES, RunState, Watcher, is_watched, watching
from earwitness.drops.work import MAX_TRIES, Work, work_on
from earwitness.errors import ExitCode, ServerUnavailable, UsageError
from earwitness.options import Profile
from earwitness.result import ErrorInfo, Outcome, RunResult
from tests.runs import wait_until

AT_ONCE = Patience(settle_s=0, cut_off_s=0)


class Counter:
    """An office that only counts, and can be closed."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.groups: list[list[str]] = []
        self.closed = False
        self.known: dict[str, RunState] = {}

    def hand_over(self, folder: DropFolder, drops: Sequence[Drop]) -> None:
        if self.closed:
            raise ServerUnavailable("closed", "Come back later.")
        self.given += [drop.ticket for drop in drops]
        self.groups.append([drop.name for drop in drops])

    def runs(self, folder: DropFolder) -> Mapping[str, RunState]:
        if self.closed:
            raise ServerUnavailable("closed", "Come back later.")
        return self.known


@pytest.fixture
def folder(tmp_path: Path) -> DropFolder:
    made = DropFolder(tmp_path / "drops")
    made.make()
    return made


def put(folder: DropFolder, name: str, content: bytes = b"") -> Path:
    path = folder.incoming / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or name.encode())
    return path


def watcher(folder: DropFolder, office: Counter, **options: Any) -> Watcher:
    return Watcher(folder, office, patience=AT_ONCE, **{"lost_s": 1000.0, **options})


def result(outcome: Outcome, bundle: Path | None = None, code: ExitCode | None = None) -> RunResult:
    error = ErrorInfo(code="x", message="It is broken.", remedy="Mend it.", exit_code=int(code)) if code else None
    return RunResult(outcome=outcome, source="x", bundle=bundle, profile="archive", seconds=1, error=error)


@contextmanager
def at_work(folder: DropFolder, drop: Drop) -> Iterator[Work | None]:
    with folder.in_hand([drop.ticket]) as (mine,), work_on(folder, mine) as work:
        yield work


def finish(folder: DropFolder, drop: Drop, answer: RunResult) -> None:
    with at_work(folder, drop) as work:
        assert work is not None
        work.conclude(answer)


def lies(folder: DropFolder) -> set[str]:
    """Everything outside our own hidden files."""
    return {
        path.relative_to(folder.root).as_posix()
        for path in folder.root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder.root).parts)
    }


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store", "._talk.wav", "~$talk.docx", "talk.wav.part", "talk.mp3.crdownload", "Thumbs.db", "desktop.ini",
        "@eaDir", "__MACOSX", "talk.sync-conflict-20260101-1.wav", "talk.wav.filepart", ".talk.wav.aB3dE", "talk.wav~",
        ".stfolder", "~syncthing~talk.wav.tmp",
    ],
)  # fmt: skip
def test_junk_of_systems_and_synchronisers_is_known(name: str) -> None:
    assert is_junk(name)


@pytest.mark.parametrize("name", ["talk.wav", "Sitzung vom 3. März.m4a", "2026-01-01 part 1.wav", "REC0001", "a.zip"])
def test_recordings_are_no_junk(name: str) -> None:
    assert not is_junk(name)


def test_only_whole_recordings_are_taken(folder: DropFolder, tmp_path: Path) -> None:
    put(folder, "talk.wav")
    put(folder, "sub/more.mp3")
    put(folder, "later.srt")
    put(folder, ".hidden.wav")
    put(folder, "@eaDir/x.wav")
    (tmp_path / "secret.wav").write_text("secret")
    (folder.incoming / "link.wav").symlink_to(tmp_path / "secret.wav")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.wav").write_text("x")
    (folder.incoming / "linked").symlink_to(tmp_path / "outside")
    os.mkfifo(folder.incoming / "pipe.wav")
    found = Arrivals(folder.incoming, AT_ONCE).whole()
    assert {path.relative_to(folder.incoming).as_posix() for path in found} == {"talk.wav", "sub/more.mp3"}


def test_a_file_that_grows_is_waited_for(folder: DropFolder) -> None:
    arrivals = Arrivals(folder.incoming, Patience(settle_s=0.2, cut_off_s=60))
    path = put(folder, "talk.mp3")
    for number in range(5):
        assert arrivals.whole() == []
        path.write_bytes(b"x" * (number + 1))
    wait_until(lambda: arrivals.whole() == [path], 10)


def test_a_file_that_is_shorter_than_its_header_says_is_waited_for_longer(folder: DropFolder, phone_call: Path) -> None:
    sound = phone_call.read_bytes()
    path = put(folder, "talk.wav", sound[: len(sound) // 2])
    assert Arrivals(folder.incoming, Patience(settle_s=0, cut_off_s=60)).whole() == []
    assert Arrivals(folder.incoming, AT_ONCE).whole() == [path]
    path.write_bytes(sound)
    assert Arrivals(folder.incoming, Patience(settle_s=0, cut_off_s=60)).whole() == [path]


def test_a_recording_goes_through_with_its_transcript_and_options(folder: DropFolder, tmp_path: Path) -> None:
    put(folder, "oral/talk.wav", b"sound")
    put(folder, "oral/talk.srt", b"words")
    put(folder, "oral/talk.wav.toml", b'profile = "archive"\nspeakers = 2\nclip.count = 0\n[cast]\nmembers = ["Ann"]\n')
    office = Counter()
    watcher(folder, office, defaults={"profile": "podcast", "clip": {"video": False}}).look()
    (drop,) = folder.drops()
    assert office.given == [drop.ticket]
    options = folder.options(drop)
    assert (options.profile, options.speakers) == (Profile.ARCHIVE, 2)
    assert (options.clip.count, options.clip.video) == (0, False)
    assert options.out == folder.root / "bundles"
    assert options.cast is not None
    assert "Ann" in options.cast.read_text()
    assert folder.recording(drop).read_bytes() == b"sound"
    assert folder.recording(drop).with_suffix(".srt").read_bytes() == b"words"

    (tmp_path / "bundle").mkdir()
    finish(folder, drop, result(Outcome.DONE, tmp_path / "bundle"))
    assert lies(folder) == {"done/oral/talk.wav", "done/oral/talk.srt", "done/oral/talk.wav.toml"}
    assert folder.drops() == []
    (entry,) = folder.journal.entries()
    assert (entry.name, entry.to, entry.bundle) == ("oral/talk.wav", "done", str(tmp_path / "bundle"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile = 'opera'", "profile"),
        ("clip.colour = 1", "known there: artwork, "),
        ("out = '/etc'", "can't decide out"),
        ("transcribe.base_url = 'http://thief'", "can't decide transcribe.base_url"),
        ("diarize.model = '/tmp/evil'", "can't decide diarize.model"),
        ("cast = 'nobody.yaml'", "nobody.yaml"),
        ("this is no toml", "can't be read as TOML"),
    ],
)
def test_options_that_cannot_be_used_reject_the_file_and_say_why(folder: DropFolder, text: str, said: str) -> None:
    put(folder, "talk.wav")
    put(folder, "talk.wav.toml", text.encode())
    office = Counter()
    watcher(folder, office).look()
    assert office.given == []
    assert lies(folder) == {"rejected/talk.wav", "rejected/talk.wav.toml", "rejected/talk.wav.reason.txt"}
    assert said in (folder.root / "rejected" / "talk.wav.reason.txt").read_text()


def test_the_same_content_twice_is_a_duplicate_of_the_first(folder: DropFolder, tmp_path: Path) -> None:
    office = Counter()
    watch = watcher(folder, office)
    put(folder, "talk.wav", b"same")
    watch.look()
    put(folder, "copy.wav", b"same")
    watch.look()
    reason = folder.root / "rejected" / "copy.wav.reason.txt"
    assert "same content as talk.wav, which is being processed" in reason.read_text()
    (tmp_path / "bundle").mkdir()
    finish(folder, folder.drops()[0], result(Outcome.DONE, tmp_path / "bundle"))
    put(folder, "copy.wav", b"same")
    Watcher(DropFolder(folder.root), office, patience=AT_ONCE).look()  # another process, later
    assert str(tmp_path / "bundle") in (folder.root / "rejected" / "copy-2.wav.reason.txt").read_text()
    assert len(office.given) == 1
    assert [entry.outcome.value for entry in folder.journal.entries()] == ["duplicate", "done", "duplicate"]
    (tmp_path / "bundle").rmdir()
    put(folder, "again.wav", b"same")
    watch.look()
    assert len(office.given) == 2  # the bundle is gone, so it is wanted again


def test_what_was_rejected_may_be_dropped_again(folder: DropFolder) -> None:
    office = Counter()
    watch = watcher(folder, office)
    put(folder, "talk.wav")
    watch.look()
    finish(folder, folder.drops()[0], result(Outcome.FAILED, code=ExitCode.BAD_RECORDING))
    assert (folder.root / "rejected" / "talk.wav.reason.txt").read_text() == "It is broken. Mend it.\n"
    put(folder, "talk.wav")
    watch.look()
    assert len(office.given) == 2


def test_names_are_kept_apart(folder: DropFolder) -> None:
    for number in range(3):
        put(folder, "talk.wav", b"%d" % number)
        put(folder, "talk.srt", b"words %d" % number)
        watcher(folder, Counter()).look()
        finish(folder, folder.drops()[0], result(Outcome.DONE))
    assert lies(folder) == {f"done/talk{end}.{suffix}" for end in ("", "-2", "-3") for suffix in ("wav", "srt")}
    assert (folder.root / "done" / "talk-2.srt").read_text() == "words 1"


def test_a_name_that_is_no_text_is_rejected(folder: DropFolder) -> None:
    Path(os.fsdecode(bytes(folder.incoming) + b"/t\xe4lk.wav")).write_bytes(b"sound")
    watcher(folder, Counter()).look()
    (reason,) = (folder.root / "rejected").glob("*.reason.txt")
    assert "not UTF-8" in reason.read_text()
    assert folder.drops() == []
    assert list(folder.incoming.iterdir()) == []


def test_a_server_that_is_down_keeps_the_files(folder: DropFolder) -> None:
    office, said = Counter(), list[str]()
    office.closed = True
    watch = watcher(folder, office, tell=said.append)
    put(folder, "talk.wav")
    put(folder, "more.wav")
    watch.look()
    watch.look()
    assert office.given == []
    assert len([line for line in said if line.startswith("waiting: ")]) == 1
    office.closed = False
    wait_until(lambda: watch.look() >= 0 and len(set(office.given)) == 2, 20)
    assert "going on" in said


def test_no_more_than_wanted_are_taken(folder: DropFolder) -> None:
    office = Counter()
    for number in range(5):
        put(folder, f"{number}.wav")
    said: list[str] = []
    watch = watcher(folder, office, most=2, lost_s=1000.0, tell=said.append)
    assert watch.look() == 2
    assert watch.look() == 0
    assert drop_state(folder.root).full
    finish(folder, folder.drops()[0], result(Outcome.DONE))
    assert watch.look() == 1
    assert len(list(folder.incoming.iterdir())) == 2
    for drop in folder.drops():
        finish(folder, drop, result(Outcome.DONE))
    assert watch.look() == 2
    assert not drop_state(folder.root).full
    assert [line for line in said if "full" in line] == [
        "full: 2 files are in processing (--most), so others wait in incoming",
        "no longer full",
    ]


def test_what_waits_for_room_is_taken_together_too(folder: DropFolder) -> None:
    for number in range(70):
        put(folder, f"{number:02}.wav")
    office = Counter()
    watch = watcher(folder, office, most=40)
    watch.look()
    while drops := folder.drops():
        finish(folder, drops[0], result(Outcome.DONE))
        watch.look()
    assert sorted(name for group in office.groups for name in group) == [f"{number:02}.wav" for number in range(70)]
    assert [len(group) for group in office.groups] == [20, 20, 20, 10]


def test_a_look_at_many_that_wait_takes_time_in_proportion(folder: DropFolder) -> None:
    def look_s() -> float:
        arrivals = Arrivals(folder.incoming, AT_ONCE)
        took = []
        for _ in range(3):
            began = time.process_time()
            arrivals.whole()
            took.append(time.process_time() - began)
        return min(took)

    took = []
    for count in (100, 2000):
        for number in range(count):
            put(folder, f"{number}.wav")
            put(folder, f"{number}.srt")
        took.append(look_s())
    assert took[1] < 60 * took[0], took  # twenty times as many; in proportion to their square it would be 400


def test_a_transcript_that_comes_late_is_waited_for(folder: DropFolder) -> None:
    recording = put(folder, "talk.wav")
    arrivals = Arrivals(folder.incoming, AT_ONCE)
    assert arrivals.whole() == [recording]
    assert arrivals.is_still_whole(recording)
    put(folder, "TALK.SRT")
    assert not arrivals.is_still_whole(recording)
    assert arrivals.whole() == [recording]
    assert arrivals.is_still_whole(recording)


def test_only_one_works_on_a_drop_and_only_one_watches(folder: DropFolder) -> None:
    put(folder, "talk.wav")
    office = Counter()
    watch = watcher(folder, office, lost_s=0.0)
    watch.look()
    (drop,) = folder.drops()
    with folder.in_hand([drop.ticket]) as mine:
        assert mine == [drop]
        assert folder.is_in_hand(drop)
        with DropFolder(folder.root).in_hand([drop.ticket]) as others:
            assert others == []
        watch.find_lost()
    assert len(office.given) == 1
    watch.find_lost()
    assert len(office.given) == 2  # its process has ended without an end of the work
    assert not is_watched(folder)
    with watching(folder):
        assert is_watched(DropFolder(folder.root))
        with pytest.raises(UsageError, match="already"), watching(DropFolder(folder.root)):
            pass


def test_small_files_that_come_at_once_are_one_run(folder: DropFolder) -> None:
    small = [f"{number:02}.wav" for number in range(TOGETHER + 2)]
    for number, name in enumerate(["first.wav", *small, "last.wav"]):
        path = put(folder, name)
        if name not in small:
            os.truncate(path, TOGETHER_BYTES + 1)
        os.utime(path, (number, number))  # the oldest comes first
    office = Counter()
    watch = watcher(folder, office, lost_s=0.0)
    assert watch.look() == TOGETHER + 4
    assert office.groups == [["first.wav"], small[:TOGETHER], small[TOGETHER:], ["last.wav"]]

    with folder.in_hand(office.given[1 : TOGETHER + 1]) as mine:
        assert len(mine) == TOGETHER
        assert watch.find_lost() == 4  # those that wait for their turn in a living process are not lost
    assert {name for group in office.groups[4:] for name in group} == {"first.wav", *small[TOGETHER:], "last.wav"}


def test_troubles_of_the_machine_are_tried_again_a_bounded_number_of_times(folder: DropFolder) -> None:
    put(folder, "talk.wav")
    watch = watcher(folder, Counter(), lost_s=0.0)
    watch.look()
    (drop,) = folder.drops()
    for number in range(1, MAX_TRIES):
        finish(folder, drop, result(Outcome.FAILED, code=ExitCode.UNAVAILABLE))
        assert folder.tries(drop)[0] == number
        assert watch.find_lost() == 0  # not before its time
    finish(folder, drop, result(Outcome.FAILED, code=ExitCode.UNAVAILABLE))
    assert f"tried {MAX_TRIES} times" in (folder.root / "rejected" / "talk.wav.reason.txt").read_text()


def test_a_recording_that_kills_its_process_is_put_aside(folder: DropFolder) -> None:
    put(folder, "talk.wav")
    watcher(folder, Counter()).look()
    (drop,) = folder.drops()
    folder.note_try(drop, MAX_TRIES)
    with at_work(folder, drop) as work:
        assert work is None
    assert "was killed" in (folder.root / "rejected" / "talk.wav.reason.txt").read_text()
    assert folder.journal.entries()[0].outcome is Outcome.QUARANTINED


def test_a_process_that_is_told_to_stop_costs_no_try(folder: DropFolder) -> None:
    put(folder, "talk.wav")
    watcher(folder, Counter()).look()
    (drop,) = folder.drops()
    with pytest.raises(KeyboardInterrupt), at_work(folder, drop):
        raise KeyboardInterrupt
    assert folder.tries(drop)[0] == 0
    with pytest.raises(ZeroDivisionError), at_work(folder, drop):
        raise ZeroDivisionError("a bug")
    assert "A bug: ZeroDivisionError" in (folder.root / "rejected" / "talk.wav.reason.txt").read_text()


def test_a_drop_that_ends_before_its_watcher_has_looked_up_is_all_right(folder: DropFolder) -> None:
    class Quick(Counter):
        def hand_over(self, folder: DropFolder, drops: Sequence[Drop]) -> None:
            super().hand_over(folder, drops)
            for drop in drops:
                finish(folder, drop, result(Outcome.DONE))

    put(folder, "a.wav")
    put(folder, "b.wav")
    office = Quick()
    assert watcher(folder, office).look() == 2
    assert lies(folder) == {"done/a.wav", "done/b.wav"}


def test_a_cancelled_run_rejects_its_file(folder: DropFolder) -> None:
    put(folder, "talk.wav")
    office = Counter()
    watch = watcher(folder, office)
    watch.look()
    office.known[folder.drops()[0].ticket] = "cancelled"
    watch.find_lost()
    assert "cancelled" in (folder.root / "rejected" / "talk.wav.reason.txt").read_text()


class Killed(BaseException):
    """Stands for kill -9: no code of ours catches it."""


@pytest.fixture
def killing_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ends the program before its nth change of the disk."""
    left = [0]
    for name in ("replace", "mkdir"):
        real = getattr(Path, name)

        def change(self: Path, *arguments: Any, _real: Any = real, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return _real(self, *arguments, **named)

        monkeypatch.setattr(Path, name, change)

    def arm(number: int) -> None:
        left[0] = number

    return arm


def test_a_kill_before_any_change_of_the_disk_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, killing_at: Any
) -> None:
    killed = 0
    for number in range(1, 40):
        folder = DropFolder(tmp_path / str(number))
        folder.make()
        for name in ("talk.wav", "talk.srt", "talk.wav.toml", "other.wav"):
            put(folder, name, b"" if name.endswith("wav") else b"speakers = 1")
        office = Counter()
        killing_at(number)
        for _ in range(4):  # each is a new process, as after a restart
            again = DropFolder(folder.root)
            try:
                watcher(again, office, lost_s=0.0).look()
                for drop in again.drops():
                    finish(again, drop, result(Outcome.DONE, tmp_path))
            except Killed:
                killed += 1
        killing_at(0)
        assert lies(folder) == {"done/talk.wav", "done/talk.srt", "done/talk.wav.toml", "done/other.wav"}, number
        assert sorted(entry.name for entry in DropFolder(folder.root).journal.entries()) == ["other.wav", "talk.wav"]
        assert len(folder.journal.path.read_text().splitlines()) == 2
        assert list(folder.processing.iterdir()) == []
    assert killed > 15


def test_a_torn_line_of_the_journal_is_passed_over(folder: DropFolder) -> None:
    for name in ("a.wav", "b.wav"):
        put(folder, name)
        watcher(folder, Counter()).look()
        finish(folder, folder.drops()[0], result(Outcome.DONE))
        with folder.journal.path.open("ab") as file:
            file.write(b'{"ticket": "torn')
    assert [entry.name for entry in DropFolder(folder.root).journal.entries()] == ["a.wav", "b.wav"]
    assert all(json.loads(line) for line in folder.journal.path.read_text().splitlines() if line.endswith("}"))
