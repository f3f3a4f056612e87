"""Processes that are found again, and stopped together with what they have started."""

import os
import signal
import sys
from pathlib import Path

import pytest

from earwitness.local_service.processes import Part, is_running, mark_of
from earwitness.storage.whole import write_whole
from tests.runs import wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="relatives are found in /proc")

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def start(part: Part, code: str, folder: Path) -> int:
    started = part.start([sys.executable, "-c", code], os.environ, folder)
    wait_until(lambda: part.log.read_text().strip() != "")
    return started.pid


def test_it_is_found_again_and_stopped_with_its_children(tmp_path: Path) -> None:
    part = Part(tmp_path, "worker")
    assert part.state() == "stopped"
    pid = start(part, PARENT, tmp_path)
    child = int(part.log.read_text())
    assert os.getsid(pid) == pid  # no terminal ends it
    assert Part(tmp_path, "worker").state() == "running"
    assert part.stop()
    assert mark_of(pid) is None
    assert mark_of(child) is None
    assert part.state() == "stopped"
    assert not part.stop()


def test_what_a_killed_process_leaves_is_stopped_too(tmp_path: Path) -> None:
    part = Part(tmp_path, "worker")
    pid = start(part, PARENT, tmp_path)
    child = int(part.log.read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: part.state() == "died")
    assert mark_of(child) is not None
    assert part.stop()
    assert mark_of(child) is None


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    part = Part(tmp_path, "server")
    pid = start(part, STUBBORN, tmp_path)
    assert part.stop(patience_s=0.3)
    assert mark_of(pid) is None


def test_another_process_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    part, other = Part(tmp_path, "worker"), Part(tmp_path, "other")
    pid = start(other, STUBBORN, tmp_path)
    start(part, STUBBORN, tmp_path)
    mine = part.started()
    assert mine is not None
    part.stop(patience_s=0.1)
    recycled = mine.model_copy(update={"pid": pid})
    write_whole(part.file, recycled.model_dump_json().encode())
    assert not is_running(pid, mine.mark)
    assert part.state() == "died"
    assert not part.stop(patience_s=0.1)
    assert other.state() == "running"
    other.stop(patience_s=0.1)
