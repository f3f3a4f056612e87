"""The service of one machine from beginning to end: up, a dropped file, a killed part, up again, down."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from earwitness.local_service.processes import mark_of
from tests.prefect_server import prefect_home
from tests.runs import wait_until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """A user's machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": prefect_home(folder / "prefect"),
        }

    def __call__(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from earwitness.cli import main; main()", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
            cwd=self.folder,
            env=self.environment,
        )

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return answer

    def pids(self) -> dict[str, int | None]:
        return {part["name"]: part["pid"] for part in self.status()["parts"]}


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
        "server": "running", "worker": "running", "upkeep": "died", "watcher": "running",
    }  # fmt: skip
    (tmp_path / "drops" / "incoming" / "talk.mp3").write_text("no sound at all")
    again = machine("up")  # remembers the folder and the port
    assert again.returncode == 0, again.stderr
    assert "upkeep: started" in again.stderr
    now = machine.pids()
    assert {name: now[name] for name in ("server", "worker", "watcher")} == {
        name: pids[name] for name in ("server", "worker", "watcher")
    }

    reason = tmp_path / "drops" / "rejected" / "talk.mp3.reason.txt"
    watcher_log = Path(next(part["log"] for part in first["parts"] if part["name"] == "watcher"))
    wait_until(reason.exists, 240, watcher_log.read_text)
    assert "not a recording" in reason.read_text()

    assert machine("down").returncode == 0
    assert [mark_of(pid) for pid in now.values() if pid] == [None] * 4
    assert [part["state"] for part in machine.status()["parts"]] == ["stopped"] * 4
