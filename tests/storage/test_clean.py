"""Cleaning takes what nothing needs, never what somebody needs, and recognises what the dead left."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earwitness.cli import cli
from earwitness.home import (
    CRASH_PREFIX,
    calls_path,
    checkpoints_path,
    leases_path,
    locks_path,
    scratch_path,
    store_path,
)
from earwitness.storage.checkpoints import read_checkpoint, write_checkpoint
from earwitness.storage.clean import clean, find_waste, remove_waste, size_of, sweep_leftovers
from earwitness.storage.leases import give_up, left_behind, take_lease, using_store
from earwitness.storage.locks import FileLocks
from earwitness.storage.needed import note_needs
from earwitness.storage.store import FileRef, keep, workspace

DAY_S = 86_400
IN_TWO_HOURS_NS = 2 * 3_600 * 10**9


def kept(text: str, suffix: str = ".txt") -> FileRef:
    with workspace("test") as folder:
        path = Path(folder) / f"made{suffix}"
        path.write_text(text)
        return keep(path)


def finished(key: str, *files: FileRef) -> Path:
    """A finished stage, as Prefect writes it: JSON within JSON."""
    result = json.dumps({"data": {"files": [json.loads(ref.model_dump_json()) for ref in files]}})
    write_checkpoint(key, json.dumps({"metadata": {}, "result": result}).encode())
    return checkpoints_path() / key


def in_days(days: float) -> int:
    return time.time_ns() + round(days * DAY_S * 1e9)


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and path.name != "gate"}


def test_old_checkpoints_go_with_the_files_that_only_they_name(own_home: Path) -> None:
    shared, own = kept("shared"), kept("own")
    old, young = finished("old", shared, own), finished("young", shared)
    before = find_waste(30 * DAY_S, now_ns=in_days(29))
    assert before == []
    # the younger one was used in the meantime, which `now_ns` can't fake
    found = {item.path for item in find_waste(30 * DAY_S, now_ns=in_days(31))}
    assert found == {old, young, shared.path, own.path}
    young.unlink()
    assert {item.path for item in find_waste(30 * DAY_S, now_ns=in_days(29))} == set()
    assert remove_waste(find_waste(30 * DAY_S, now_ns=in_days(31))) == []
    assert everything(own_home) == set()


def test_a_file_that_a_living_checkpoint_names_stays(own_home: Path) -> None:
    ref = kept("old but needed")
    path = finished("needed", ref)
    assert ref.path not in {item.path for item in find_waste(365 * DAY_S, now_ns=in_days(300))}
    orphan = kept("needed by nothing")
    assert find_waste(365 * DAY_S) == []
    assert [item.path for item in find_waste(365 * DAY_S, now_ns=in_days(1))] == [orphan.path]
    assert path.exists()


def test_a_run_in_progress_keeps_what_it_used(own_home: Path) -> None:
    before = finished("before", kept("before"))
    with using_store("test"):
        used = kept("used by the run")
        touched = finished("touched", used)
        read_checkpoint("before")
        assert find_waste(0, now_ns=in_days(365)) == []
        assert clean(0).items == []
    assert {item.path for item in find_waste(0, now_ns=in_days(365))} >= {before, touched, used.path}


def test_what_a_killed_run_made_stays_until_it_is_seen_to(own_home: Path) -> None:
    run = take_lease("recording", run="0b0e5a54-1111-2222-3333-444455556666")
    used = kept("used by the run")
    touched = finished("touched", used)
    give_up(run)
    assert clean(0).items == []
    (left,) = left_behind()
    left.forget()
    assert {item.path for item in clean(0).items} == {touched, used.path}


def test_what_a_bundle_was_made_of_stays_as_long_as_the_bundle(own_home: Path, tmp_path: Path) -> None:
    speech, other = kept("speech"), kept("other")
    path, old = finished("align-1", speech), finished("align-0", speech, other)
    bundle = tmp_path / "out" / "call-0123456789ab"
    bundle.mkdir(parents=True)
    (bundle / "manifest-sha256.txt").write_text("")
    note_needs(bundle, ["align-1", "publish-1"])
    assert {item.path for item in find_waste(0, now_ns=in_days(999))} == {old, other.path}
    promised = find_waste(0, now_ns=in_days(999), of_bundles=True)
    assert {item.path for item in promised} == {old, other.path, path, speech.path}
    assert remove_waste(find_waste(0, now_ns=in_days(999))) == []
    assert FileRef.model_validate_json(speech.model_dump_json()) == speech
    (bundle / "manifest-sha256.txt").unlink()  # the bundle was deleted
    assert remove_waste(find_waste(0, now_ns=in_days(999))) == []
    assert remove_waste(find_waste(0, now_ns=in_days(999))) == []  # now its note
    assert everything(own_home) == set()


def test_a_sweep_takes_leftovers_and_nothing_that_is_finished(own_home: Path, tmp_path: Path) -> None:
    path = finished("old", kept("old"))
    (scratch_path() / "listen-x").mkdir()
    (tmp_path / ".call-0123456789ab.0a1b2c3d.part").mkdir()
    done = sweep_leftovers(tmp_path)
    assert sorted(item.kind for item in done.items) == ["bundle", "scratch"]
    assert path.exists()
    assert list(tmp_path.iterdir()) == []


def test_answers_that_were_paid_for_stay_and_half_written_ones_go(own_home: Path) -> None:
    folder = calls_path() / "ab"
    folder.mkdir(parents=True)
    whole, half = folder / f"{'ab' * 32}.json", folder / f"{'ab' * 32}.json.0a1b2c3d.part"
    whole.write_text("{}")
    half.write_text("{")
    assert find_waste(0) == []  # somebody may be writing it
    assert [item.path for item in find_waste(0, now_ns=in_days(999))] == [half]


def test_half_written_files_of_older_versions_go(own_home: Path) -> None:
    ref = kept("whole")
    part = ref.path.with_name(f"{ref.path.name}.0a1b2c3d.part")
    part.write_text("ha")
    finished("named", ref)
    assert find_waste(30 * DAY_S) == []
    assert [item.path for item in find_waste(30 * DAY_S, now_ns=in_days(1))] == [part]


def test_what_came_into_use_after_it_was_found_is_spared(own_home: Path) -> None:
    ref = kept("late")
    path = finished("late", ref)
    waste = find_waste(0, now_ns=in_days(1))
    assert {item.path for item in waste} == {path, ref.path}
    read_checkpoint("late")
    assert {item.path for item in remove_waste(waste)} == {path, ref.path}
    assert ref.path.read_text() == "late"
    again = find_waste(0, now_ns=in_days(1))
    kept("late")
    assert {item.path for item in remove_waste(again)} == {ref.path}


def test_reading_to_verify_or_back_up_is_no_use(own_home: Path) -> None:
    path = finished("old", kept("old"))
    used = path.stat().st_ctime_ns
    for file in everything(own_home):
        file.read_bytes()
    assert path.stat().st_ctime_ns == used


def test_foreign_files_are_left_alone(own_home: Path, tmp_path: Path) -> None:
    (store_path() / "ab").mkdir(parents=True)
    (tmp_path / "mine").write_text("mine")
    (store_path() / "ab" / "notes.txt").write_text("mine")
    (store_path() / "README").write_text("mine")
    (store_path() / "ab" / f"{'ab' * 32}.txt").symlink_to(tmp_path / "mine")
    assert find_waste(0, now_ns=in_days(999)) == []


LIVE = """
import os, sys, tempfile, fcntl
from pathlib import Path
from earwitness.storage.leases import using_store
from earwitness.storage.store import keep, workspace
from earwitness.storage.locks import FileLocks
from earwitness.home import CRASH_PREFIX, locks_path
with using_store("doomed"), workspace("doomed") as folder:
    made = Path(folder) / "made.txt"
    made.write_text("half " + sys.argv[1])
    kept = Path(folder) / "kept.txt"
    kept.write_text("kept " + sys.argv[1])
    ref = keep(kept)
    FileLocks(locks_path()).try_acquire("doomed", "me")
    descriptor, crash = tempfile.mkstemp(prefix=CRASH_PREFIX)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    print(ref.path, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    child = subprocess.Popen(
        [sys.executable, "-c", LIVE, "x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    orphan = Path(child.stdout.readline().strip())
    made = everything(own_home) | everything(temporary)
    assert len(made) == 5  # the lease, its lock, half and whole file, the crash file
    assert clean(0).items == []
    assert find_waste(0, now_ns=in_days(1)) == []
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = clean(0)
    assert {item.kind for item in done.items} == {"scratch", "lease", "lock"}
    assert everything(own_home) == {orphan}  # within the hour a script without a lease could still want it
    assert [item.path for item in find_waste(0, now_ns=time.time_ns() + IN_TWO_HOURS_NS)] == [orphan]
    assert len(everything(temporary)) == 1  # young: its maker might be about to lock it


def test_a_dead_crash_file_goes_after_a_minute(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{CRASH_PREFIX}12345678").write_text("Fatal Python error")
    (tmp_path / "earwitness-notes.txt").write_text("mine")
    assert clean(0).items == []
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 120 * 10**9)
    assert [item.kind for item in clean(0).items] == ["crash"]
    assert [path.name for path in tmp_path.iterdir()] == ["earwitness-notes.txt"]


def test_half_placed_bundles_of_the_dead_go_and_whole_ones_stay(own_home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dead = out / ".call-0123456789ab.0a1b2c3d.part"
    dead.mkdir(parents=True)
    (dead / "audio.flac").write_bytes(b"x" * 100)
    whole = out / "call-0123456789ab"
    whole.mkdir()
    (whole / "recording.json").write_text("{}")
    aside = out / ".talk-0123456789ab.0a1b2c3d.old"
    aside.mkdir()
    (aside / "recording.json").write_text("{}")
    assert [(item.path, item.bytes) for item in clean(0, out, dry_run=True).items] == [(dead, 100)]
    clean(0, out)
    assert sorted(path.name for path in out.iterdir()) == ["call-0123456789ab", "talk-0123456789ab"]


def test_a_lock_that_was_cleaned_away_is_never_handed_out_twice(own_home: Path) -> None:
    first, second = FileLocks(locks_path()), FileLocks(locks_path())
    assert first.try_acquire("key", "me")
    first.release("key", "me")
    waste = [item for item in find_waste(0, now_ns=in_days(1)) if item.kind == "lock"]
    assert len(waste) == 1
    assert first.try_acquire("key", "me")
    assert len(remove_waste(waste)) == 1
    assert not second.try_acquire("key", "you")
    first.release("key", "me")
    assert remove_waste(waste) == []
    assert second.try_acquire("key", "you")
    assert not first.try_acquire("key", "me")


def test_locks_hold_while_somebody_cleans_them_away(own_home: Path) -> None:
    inside, most, stop = [0], [0], threading.Event()
    guard = threading.Lock()

    def work() -> None:
        locks = FileLocks(locks_path())
        done = 0
        while done < 60:
            if not locks.try_acquire("key", "me"):
                continue
            with guard:
                inside[0] += 1
                most[0] = max(most)
                most.append(inside[0])
            with guard:
                inside[0] -= 1
            locks.release("key", "me")
            done += 1

    def sweep() -> None:
        while not stop.is_set():
            remove_waste([item for item in find_waste(0, now_ns=in_days(1)) if item.kind == "lock"])

    workers = [threading.Thread(target=work) for _ in range(4)]
    sweeper = threading.Thread(target=sweep)
    for thread in (sweeper, *workers):
        thread.start()
    for thread in workers:
        thread.join(120)
    stop.set()
    sweeper.join(60)
    assert len(most) == 1 + 4 * 60
    assert max(most) == 1


def _runs(number: int, rounds: int) -> None:
    """Runs that make, finish and use stages, and look at every file that they rely on."""
    for turn in range(rounds):
        with using_store(f"worker {number}"):
            shared = kept(f"shared by all in round {turn}")
            own = kept(f"{number} {turn}")
            key = f"stage-{turn % 4}"
            try:
                content = read_checkpoint(key)
            except FileNotFoundError:
                finished(key, shared, own)
                content = read_checkpoint(key)
            record = json.loads(json.loads(content)["result"])
            refs = [FileRef.model_validate(item) for item in record["data"]["files"]]
            for _ in range(3):
                for ref in (shared, own, *refs):
                    assert ref.path.stat().st_size == ref.size, f"{ref.path} vanished"
                    assert FileRef.model_validate_json(ref.model_dump_json()) == ref


def test_nothing_that_a_run_uses_vanishes_while_others_clean_without_mercy(own_home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_runs, args=(number, 40)) for number in range(3)]
    for worker in workers:
        worker.start()
    removed = 0
    while any(worker.is_alive() for worker in workers):
        # whatever is finished may go: only leases and last looks stand between a file and its end
        waste = find_waste(0)
        removed += len(waste) - len(remove_waste(waste))
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert removed
    remove_waste(find_waste(0, now_ns=in_days(365)))
    assert everything(own_home) == set()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contents=st.lists(st.text(max_size=50), max_size=6),
    named=st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=4),
    days=st.sampled_from([0, 1, 29, 31, 60]),
)
def test_dry_run_and_clean_agree_and_sizes_add_up(
    contents: list[str], named: list[list[int]], days: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("EARWITNESS_HOME", str(home))
        refs = [kept(text) for text in contents]
        for number, files in enumerate(named):
            finished(f"stage-{number}", *(refs[at] for at in files if at < len(refs)))
        real = time.time_ns
        patch.setattr(time, "time_ns", lambda: real() + days * DAY_S * 10**9)
        before = everything(home)
        size = sum(path.stat().st_size for path in before)
        promised = clean(30 * DAY_S, dry_run=True)
        assert everything(home) == before
        done = clean(30 * DAY_S)
        assert done.items == promised.items
        assert done.bytes == promised.bytes == size - sum(path.stat().st_size for path in everything(home))
        expected = {ref.path for ref in refs} if days >= 31 else set()
        if days in {1, 29}:
            used = {refs[at].path for files in named for at in files if at < len(refs)}
            expected = {ref.path for ref in refs} - used
        assert {item.path for item in done.items if item.kind == "file"} == expected


def test_the_size_of_a_folder_counts_each_file_and_no_link(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"x" * 10)
    (tmp_path / "a" / "b" / "two").write_bytes(b"x" * 5)
    (tmp_path / "a" / "link").symlink_to("/etc")
    assert size_of(tmp_path / "a") == 15
    assert size_of(tmp_path / "gone") == 0


def test_the_command_lists_the_same_with_and_without_doing_it(own_home: Path, tmp_path: Path) -> None:
    finished("old", kept("old"))
    arguments = ["clean", "--older-than", "0s", "--out", str(tmp_path)]
    dry = CliRunner().invoke(cli, [*arguments, "--dry-run"])
    assert len(everything(own_home)) == 2
    wet = CliRunner().invoke(cli, arguments)
    nothing = CliRunner().invoke(cli, [*arguments, "--json"])
    assert dry.exit_code == wet.exit_code == 0
    assert dry.output.splitlines()[:-1] == wet.output.splitlines()[:-1]
    assert "would be removed" in dry.output
    assert everything(own_home) == set()
    assert json.loads(nothing.output)["items"] == []


@pytest.mark.parametrize("age", ["30", "days", "-1d", "1y"])
def test_an_age_that_makes_no_sense_is_refused(age: str) -> None:
    result = CliRunner().invoke(cli, ["clean", "--older-than", age])
    assert result.exit_code == 2
    assert "such as 30d" in result.output


def test_dead_leases_and_scratch_do_not_outlive_the_next_clean(own_home: Path) -> None:
    leases_path().mkdir()
    (leases_path() / "1-deadbeef.json").write_text("{}")
    (scratch_path() / "listen-x").mkdir(parents=True)
    (scratch_path() / "listen-x" / "half.m4a").write_bytes(b"x" * 7)
    done = clean(30 * DAY_S)
    assert [(item.kind, item.bytes) for item in done.items] == [("lease", 2), ("scratch", 7)]
    assert everything(own_home) == set()
