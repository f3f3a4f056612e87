"""The server on SQLite goes on while one of its connections waits for the write lock."""

import subprocess
import sys
import time
from pathlib import Path

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
