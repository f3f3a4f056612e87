"""The server on SQLite serves more than one client at a time."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from tests.prefect_server import sqlite_server
from tests.runs import ROOT

WAIT_S = 6.0
"""SQLite's patience with a lock."""

SCENE = f"""
import gc, sqlite3, sys, threading, time
from deployments.server import collect_in_own_thread
collect_in_own_thread(young_s=0.05)

class Row:
    pass

def connect():
    return sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)

has, waits = connect(), connect()
has.execute("pragma journal_mode = wal")
has.execute("create table t (x)")
row = Row()
row.cursor = waits.cursor()
row.itself = row
has.execute("begin immediate")
waits.execute("pragma busy_timeout = 1")
try:
    row.cursor.execute("insert into t values (1)")
    raise AssertionError("it was not locked")
except sqlite3.OperationalError:  # from now on the cursor keeps its statement
    waits.execute("pragma busy_timeout = {round(1000 * WAIT_S)}")
thread = threading.Thread(target=lambda: waits.execute("begin immediate"))
thread.start()
time.sleep(0.5)
del row
kept = [[] for _ in range(200_000)]  # somewhere here Python collects garbage
has.execute("commit")
print("committed", flush=True)
thread.join()
"""


def takes_s(folder: Path) -> float:
    """Until whoever has the lock has given it back."""
    began = time.monotonic()
    command = [sys.executable, "-c", SCENE, str(folder / "some.db")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "committed\n"
        took_s = time.monotonic() - began
        process.kill()
    return took_s


def test_garbage_of_a_waiting_connection_holds_nobody_up(tmp_path: Path) -> None:
    """With Python's own collector it takes WAIT_S (3.11)."""
    assert takes_s(tmp_path) < WAIT_S / 2


@pytest.mark.slow
@pytest.mark.server
def test_clients_that_write_in_the_same_moment_wait_for_one_another(tmp_path: Path) -> None:
    """With `prefect server start` most of these answers are 503."""
    clients = 4
    together = Barrier(clients)

    def take_and_give_back(api: str, number: int) -> set[int]:
        answers = set()
        with httpx.Client(base_url=api, timeout=60) as client:
            answers.add(client.post("/v2/concurrency_limits/", json={"name": f"l{number}", "limit": 1}).status_code)
            for _ in range(5):
                together.wait(60)
                took = client.post(
                    "/v2/concurrency_limits/increment-with-lease",
                    json={"names": [f"l{number}"], "slots": 1, "mode": "concurrency", "lease_duration": 60},
                )
                answers.add(took.status_code)
                if took.status_code == 200:
                    given = {"lease_id": took.json()["lease_id"]}
                    answers.add(client.post("/v2/concurrency_limits/decrement-with-lease", json=given).status_code)
        return answers

    with sqlite_server(tmp_path / "prefect") as (api, _), ThreadPoolExecutor(clients) as pool:
        answers = pool.map(lambda number: take_and_give_back(api, number), range(clients))
        assert set().union(*answers) <= {200, 201, 204}
