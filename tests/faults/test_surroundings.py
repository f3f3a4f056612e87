"""Prefect's server or database fails, or the clock is wrong: computed work stays, and the message has a remedy."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.conftest import QUICK_ARGUMENTS, MakeMachine
from tests.plugins.clock_faults import main_with_the_clock_moved
from tests.plugins.server_faults import main_with_a_lost_answer
from tests.plugins.stage_faults import main_with
from tests.ports import free_port
from tests.prefect_server import sqlite_server
from tests.runs import bundle_digests, leftovers, wait_until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]


def test_server_that_can_not_be_reached(machine: MakeMachine) -> None:
    here = machine()
    address = f"http://127.0.0.1:{free_port()}/api"
    child = here.place.run(here.recording, *QUICK_ARGUMENTS, PREFECT_API_URL=address)
    assert child.process.returncode == 4, child.stderr
    assert address in child.stderr
    assert "Traceback" not in child.stderr, child.stderr
    assert leftovers(here.place.out) == []


def test_server_that_goes_away_in_the_middle(machine: MakeMachine, expected: dict[str, str], tmp_path: Path) -> None:
    here = machine("summarize", "publish")
    mark = tmp_path / "waiting"
    with sqlite_server(here.place.folder / "prefect") as (address, server):
        child = here.place.start(
            here.recording,
            *QUICK_ARGUMENTS,
            main=main_with("summarize", "wait_for", str(mark), str(tmp_path / "go")),
            PREFECT_API_URL=address,
            PREFECT_CLIENT_MAX_RETRIES="1",
            PREFECT_LOGGING_LEVEL="CRITICAL",  # as the command sets it; the fault imports Prefect before that
        )
        child.until(mark.exists)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        (tmp_path / "go").touch()
        code = child.wait(240)
    assert code in {0, 4}, child.stderr
    assert "Traceback" not in child.stderr, child.stderr
    assert leftovers(here.place.out) == []

    again = here.run()
    assert again.stages["summarize"].state == "cached", "it was computed when the server was gone already"
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected


def test_answer_of_the_server_that_is_lost(machine: MakeMachine, expected: dict[str, str]) -> None:
    """The server takes the run's last state, Prefect asks again, and is told of a state without the result."""
    here = machine("publish")
    main = main_with_a_lost_answer("/set_state", '"COMPLETED"')
    child = here.place.run(here.recording, *QUICK_ARGUMENTS, main=main)
    assert child.process.returncode == 0, child.stderr
    assert child.result["outcome"] == "done"
    assert bundle_digests(Path(child.result["bundle"])) == expected


def test_database_that_is_locked(machine: MakeMachine, expected: dict[str, str]) -> None:
    """Another program holds Prefect's SQLite file for some seconds: the run waits, or ends with a remedy."""
    here = machine("publish")
    with sqlite_server(here.place.folder / "prefect") as (address, _):
        with closing(sqlite3.connect(here.place.folder / "prefect" / "prefect.db", timeout=60)) as database:
            database.execute("BEGIN EXCLUSIVE")
            child = here.place.start(here.recording, *QUICK_ARGUMENTS, PREFECT_API_URL=address)
            locked_until = time.monotonic() + 10
            wait_until(lambda: child.process.poll() is not None or time.monotonic() > locked_until, 60)
            database.rollback()
        assert child.wait(240) in {0, 4}, child.stderr
        assert "Traceback" not in child.stderr, child.stderr
    again = here.run()
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected


def test_database_that_is_gone(machine: MakeMachine, expected: dict[str, str]) -> None:
    """Checkpoints are files of their own: Prefect's database has no part in them."""
    here = machine()
    with sqlite_server(here.place.folder / "prefect") as (address, _):
        for file in (here.place.folder / "prefect").glob("prefect.db*"):
            file.unlink()
        child = here.place.run(here.recording, *QUICK_ARGUMENTS, PREFECT_API_URL=address)
    assert child.process.returncode in {0, 4}, child.stderr
    assert "Traceback" not in child.stderr, child.stderr

    again = here.run()
    assert {run.state for stage, run in again.stages.items() if stage != "publish"} == {"cached"}
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected


def test_clock_moved_back(machine: MakeMachine, expected: dict[str, str]) -> None:
    """Files from the future, and a run that believes it is yesterday: checkpoints and locks go by content."""
    here = machine("summarize")
    tomorrow = time.time() + 86_400
    for path in here.place.home.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    child = here.place.run(here.recording, *QUICK_ARGUMENTS, main=main_with_the_clock_moved(-86_400))
    assert child.process.returncode == 0, child.stderr
    states = child.states()
    assert {stage for stage, state in states.items() if state == "computed"} == {"summarize", "publish"}
    assert bundle_digests(Path(child.result["bundle"])) == expected
