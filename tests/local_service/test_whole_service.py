"""The service of one machine from beginning to end: up, a dropped file, a killed part, up again, down."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from earwitness.local_service.processes import mark_of
from tests.runs import wait_until
from tests.service_machine import Machine

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made("down")


def test_up_processes_what_is_dropped_and_down_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    up = machine("up", tmp_path / "drops", "--port", str(machine.port))
    assert up.returncode == 0, up.stderr
    first = machine.status()
    assert first["ok"] is True, first
    assert first["drop_folder"] == str(tmp_path / "drops" / "incoming")
    pids = machine.pids()

    os.kill(int(pids["upkeep"] or 0), signal.SIGKILL)
    wait_until(lambda: mark_of(int(pids["upkeep"] or 0)) is None)
    assert {part["name"]: part["state"] for part in machine.status()["parts"]} == {
        "server": "running", "starter": "running", "worker": "running", "upkeep": "died", "watcher": "running",
    }  # fmt: skip
    (tmp_path / "drops" / "incoming" / "talk.mp3").write_text("no sound at all")
    again = machine("up")  # remembers the folder and the port
    assert again.returncode == 0, again.stderr
    assert "upkeep: started" in again.stderr
    now = machine.pids()
    assert {name: now[name] for name in ("server", "starter", "worker", "watcher")} == {
        name: pids[name] for name in ("server", "starter", "worker", "watcher")
    }

    reason = tmp_path / "drops" / "rejected" / "talk.mp3.reason.txt"
    watcher_log = Path(next(part["log"] for part in first["parts"] if part["name"] == "watcher"))
    wait_until(reason.exists, 240, watcher_log.read_text)
    assert "not a recording" in reason.read_text()
    starter_log = (tmp_path / "home" / "service" / "starter.log").read_text()
    assert "copied: process" in starter_log
    assert "declined" not in starter_log

    assert machine("down").returncode == 0
    assert [mark_of(pid) for pid in now.values() if pid] == [None] * 5
    assert [part["state"] for part in machine.status()["parts"]] == ["stopped"] * 5
