"""A lease lives as long as the process of its run, and its file tells how the run ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earwitness.errors import StorageError
from earwitness.home import leases_path
from earwitness.maintenance.silence import unchanged_for
from earwitness.storage.leases import (
    WAITING_S,
    Lease,
    give_back,
    give_up,
    is_alive,
    killed_runs,
    left_behind,
    living_leases,
    needed_since_ns,
    take_lease,
    taken_up,
    useless_leases,
    using_store,
)

RUN = "0b0e5a54-1111-2222-3333-444455556666"
OTHER = "0b0e5a54-9999-2222-3333-444455556666"

HOLDER = """
import os, sys
from earwitness.storage.leases import take_lease
take_lease("recording", run=sys.argv[1], resumes=sys.argv[2] if len(sys.argv) > 2 else None)
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
    assert is_alive(RUN) is None
    assert take_lease("recording", run=RUN) == RUN
    before = (leases_path() / f"{RUN}.json").read_bytes()
    assert take_lease("recording", run=RUN) == RUN
    assert (leases_path() / f"{RUN}.json").read_bytes() == before
    assert is_alive(RUN) is True
    assert left_behind() == []
    give_back(RUN)
    give_back(RUN)
    assert is_alive(RUN) is None
    assert list(leases_path().iterdir()) == []


def test_a_killed_process_leaves_its_lease_to_one_of_many() -> None:
    process = holder(RUN)
    assert is_alive(RUN) is True
    assert left_behind() == []
    kill(process)
    assert is_alive(RUN) is False
    (left,) = left_behind()
    assert left.lease.run == RUN
    assert left.lease.pid == process.pid
    assert left.lease.folder == str(Path.cwd())
    assert left_behind() == []  # somebody has it
    left.leave()
    (again,) = left_behind()
    again.forget()
    assert left_behind() == []
    assert is_alive(RUN) is None


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
    take_lease("recording", run=RUN)
    give_up(RUN)
    (left,) = left_behind()
    assert left.lease.reported
    left.forget()


def test_a_lease_of_another_machine_says_nothing_here() -> None:
    kill(holder(RUN))
    path = leases_path() / f"{RUN}.json"
    lease = Lease.model_validate_json(path.read_bytes())
    path.write_text(lease.model_copy(update={"host": "elsewhere", "boot": "another"}).model_dump_json())
    assert is_alive(RUN) is None
    assert left_behind() == []
    path.write_text(lease.model_copy(update={"boot": "before the last start"}).model_dump_json())
    (left,) = left_behind()
    left.forget()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run": "../../etc"}'])
def test_an_unreadable_lease_stops_nothing(content: bytes) -> None:
    leases_path().mkdir()
    (leases_path() / f"{RUN}.json").write_bytes(content)
    kill(holder(OTHER))
    assert is_alive(RUN) is None
    assert taken_up() == set()
    (left,) = left_behind()
    assert left.lease.run == OTHER
    left.forget()


def test_who_takes_up_whom_is_known_while_both_are_there() -> None:
    process = holder(OTHER, RUN)
    assert taken_up() == {RUN}
    kill(process)
    assert taken_up() == {RUN}


def test_a_home_that_can_not_be_written_is_a_storage_error(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own_home / "file").touch()
    monkeypatch.setenv("EARWITNESS_HOME", str(own_home / "file"))
    with pytest.raises(StorageError, match="lease"):
        take_lease("recording", run=RUN)


def test_a_lease_that_begins_while_a_dead_one_is_seen_to_is_not_taken_away() -> None:
    """Somebody presses "Retry" in Prefect's UI: the same run, another process."""
    kill(holder(RUN))
    (left,) = left_behind()
    again = holder(RUN)
    assert left_behind() == []
    left.forget()
    assert is_alive(RUN) is True
    kill(again)
    (found,) = left_behind()
    found.forget()
    assert list(leases_path().iterdir()) == []


def test_two_processes_of_one_run_have_a_lease_each() -> None:
    first, second = holder(RUN), holder(RUN)
    assert len(living_leases()) == 2
    kill(first)
    assert is_alive(RUN) is True
    assert left_behind() == []  # somebody works on it
    kill(second)
    assert is_alive(RUN) is False
    for left in left_behind():
        left.forget()
    assert killed_runs() == []


def test_a_paused_process_keeps_its_lease() -> None:
    process = holder(RUN)
    process.send_signal(signal.SIGSTOP)
    try:
        assert is_alive(RUN) is True
        assert left_behind() == []
        assert needed_since_ns() < time.time_ns()
    finally:
        process.send_signal(signal.SIGCONT)
        kill(process)


def test_what_a_killed_run_made_is_needed_for_a_week_and_what_a_killed_script_made_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = time.time_ns()
    kill(holder(RUN))
    assert before - 2e9 < needed_since_ns() < time.time_ns()
    assert useless_leases() == []
    later = time.time_ns() + round((WAITING_S + 60) * 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert needed_since_ns() > later
    assert [lease.run for lease in killed_runs()] == [RUN]  # maintenance still has to see to it
    assert useless_leases() == []


def test_a_clock_that_is_set_back_during_a_run_takes_nothing_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.time_ns()
    with using_store("test"):
        for step_s in (-3600, 3600):
            monkeypatch.setattr(time, "time_ns", lambda step_s=step_s: began + step_s * 10**9)
            # stamps are dated by the clock as it is now, and as it was when the run began
            assert needed_since_ns() < began + min(step_s, 0) * 10**9
    assert needed_since_ns() > began


def test_the_lease_of_a_machine_that_never_comes_back_does_not_stop_cleaning_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kill(holder(RUN))
    path = leases_path() / f"{RUN}.json"
    lease = Lease.model_validate_json(path.read_bytes())
    path.write_text(lease.model_copy(update={"host": "elsewhere", "boot": "another"}).model_dump_json())
    assert needed_since_ns() < time.time_ns()
    assert useless_leases() == []
    later = time.time_ns() + round((WAITING_S + 60) * 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert needed_since_ns() > later
    assert useless_leases() == [path]


def test_silence_is_measured_from_the_first_time_that_we_see_the_same_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("earwitness.maintenance.silence.time.time", lambda: now[0])
    assert unchanged_for({RUN: "beat 1"}, 450) == {RUN: 0}
    now[0] += 100
    assert unchanged_for({RUN: "beat 1", OTHER: "beat 9"}, 450) == {RUN: 100, OTHER: 0}
    now[0] += 100
    assert unchanged_for({RUN: "beat 2", OTHER: "beat 9"}, 450) == {RUN: 0, OTHER: 100}
    now[0] -= 500  # the clock was set back
    assert unchanged_for({OTHER: "beat 9"}, 450) == {OTHER: 100}
    now[0] += 36_000  # this machine was asleep, or the server was down: nobody could have heard a beat
    assert unchanged_for({OTHER: "beat 9"}, 450) == {OTHER: 550}
    assert unchanged_for({RUN: "beat 2"}, 450) == {RUN: 0}


def test_a_damaged_note_of_signs_starts_anew(own_home: Path) -> None:
    (own_home / "silence.json").write_text('{"x": 3}')
    assert unchanged_for({RUN: "beat"}, 450) == {RUN: 0}
