"""A lease lives as long as the process of its run, and its file tells how the run ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earwitness.errors import StorageError
from earwitness.storage.leases import (
    Lease,
    give_back,
    give_up,
    is_held,
    leases_path,
    left_behind,
    take_lease,
    taken_up,
    unchanged_for,
)

RUN = "0b0e5a54-1111-2222-3333-444455556666"
OTHER = "0b0e5a54-9999-2222-3333-444455556666"

HOLDER = """
import os, sys
from earwitness.storage.leases import take_lease
take_lease(sys.argv[1], "recording", resumes=sys.argv[2] if len(sys.argv) > 2 else None)
if os.environ.get("FORK") and os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print("held", flush=True)
sys.stdin.read()
"""


def holder(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_lease_is_held_until_it_is_given_back() -> None:
    assert is_held(RUN) is None
    lease = take_lease(RUN, "recording")
    assert take_lease(RUN, "recording") is lease
    assert is_held(RUN) is True
    assert left_behind() == []
    give_back(RUN)
    give_back(RUN)
    assert is_held(RUN) is None
    assert list(leases_path().iterdir()) == []


def test_a_killed_process_leaves_its_lease_to_one_of_many() -> None:
    process = holder(RUN)
    assert is_held(RUN) is True
    assert left_behind() == []
    kill(process)
    assert is_held(RUN) is False
    (left,) = left_behind()
    assert left.lease.run == RUN
    assert left.lease.pid == process.pid
    assert left.lease.folder == str(Path.cwd())
    assert left_behind() == []  # somebody has it
    left.leave()
    (again,) = left_behind()
    again.forget()
    assert left_behind() == []
    assert is_held(RUN) is None


def test_a_forked_child_does_not_keep_the_lease_of_its_dead_parent() -> None:
    process = holder(RUN, FORK="1")
    kill(process)
    deadline = time.monotonic() + 5
    while not (found := left_behind()):
        assert time.monotonic() < deadline, "the child keeps the lease"
    found[0].forget()
    assert process.stdin is not None
    process.stdin.close()  # ends the child


def test_a_run_that_gives_up_is_left_for_others_while_its_process_lives() -> None:
    take_lease(RUN, "recording")
    give_up(RUN)
    (left,) = left_behind()
    assert left.lease.reported
    left.forget()


def test_a_lease_of_another_machine_says_nothing_here() -> None:
    kill(holder(RUN))
    path = leases_path() / f"{RUN}.json"
    lease = Lease.model_validate_json(path.read_bytes())
    path.write_text(lease.model_copy(update={"host": "elsewhere", "boot": "another"}).model_dump_json())
    assert is_held(RUN) is None
    assert left_behind() == []
    path.write_text(lease.model_copy(update={"boot": "before the last start"}).model_dump_json())
    (left,) = left_behind()
    left.forget()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run": "../../etc"}'])
def test_an_unreadable_lease_stops_nothing(content: bytes) -> None:
    leases_path().mkdir()
    (leases_path() / f"{RUN}.json").write_bytes(content)
    kill(holder(OTHER))
    assert is_held(RUN) is None
    assert taken_up() == set()
    (left,) = left_behind()
    assert left.lease.run == OTHER
    left.forget()


def test_who_takes_up_whom_is_known_while_both_are_there() -> None:
    process = holder(OTHER, RUN)
    assert taken_up() == {RUN}
    kill(process)
    assert taken_up() == {RUN}


def test_leftovers_of_making_a_lease_are_swept_up() -> None:
    leases_path().mkdir()
    young, old = leases_path() / f".{RUN}.1.part", leases_path() / f".{OTHER}.1.part"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert left_behind() == []
    assert young.exists()
    assert not old.exists()


def test_a_home_that_can_not_be_written_is_a_storage_error(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_home / "file").touch()
    monkeypatch.setenv("EARWITNESS_HOME", str(own_home / "file"))
    with pytest.raises(StorageError, match="lease"):
        take_lease(RUN, "recording")


def test_silence_is_measured_from_the_first_time_that_we_see_the_same_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("earwitness.storage.leases.time.time", lambda: now[0])
    assert unchanged_for({RUN: "beat 1"}) == {RUN: 0}
    now[0] += 100
    assert unchanged_for({RUN: "beat 1", OTHER: "beat 9"}) == {RUN: 100, OTHER: 0}
    now[0] += 100
    assert unchanged_for({RUN: "beat 2", OTHER: "beat 9"}) == {RUN: 0, OTHER: 100}
    now[0] -= 500  # the clock was set back
    assert unchanged_for({OTHER: "beat 9"}) == {OTHER: 0}
    assert json.loads((leases_path() / ".elsewhere").read_text()).keys() == {OTHER}


def test_a_damaged_note_of_signs_starts_anew() -> None:
    leases_path().mkdir()
    (leases_path() / ".elsewhere").write_text('{"x": 3}')
    assert unchanged_for({RUN: "beat"}) == {RUN: 0}
