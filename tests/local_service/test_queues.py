"""What people can steer, on a service as `earwitness up` starts it, where one recording is processed at a time."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from tests.runs import wait_until
from tests.service_machine import Machine

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

LONG_S = 900
"""A recording on which engines work for longer than this test takes."""
SOON_S = 30.0
"""A machine that does other things too may need longer than the 3 s that an idle one takes."""


class Service:
    """Prefect's API of a machine."""

    def __init__(self, machine: Machine) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{machine.port}/api", timeout=60)

    def run(self, deployment: str, **parameters: Any) -> str:
        """As the UI's form starts it."""
        made = self._client.get(f"/deployments/name/{deployment}/{deployment}").raise_for_status().json()
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        answer = self._client.post(f"/deployments/{made['id']}/create_flow_run", json=body).raise_for_status()
        return str(answer.json()["id"])

    def cancel(self, run: str) -> None:
        """As the UI's button does it."""
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        assert self._client.post(f"/flow_runs/{run}/set_state", json=state).raise_for_status().json()["state"]

    def read(self, run: str) -> dict[str, Any]:
        return dict(self._client.get(f"/flow_runs/{run}").raise_for_status().json())

    def at_work(self, run: str) -> set[str]:
        """Stages of a run that are under way."""
        query = {"flow_runs": {"id": {"any_": [run]}}}
        tasks = self._client.post("/task_runs/filter", json=query).raise_for_status().json()
        return {task["name"] for task in tasks if task["state_type"] == "RUNNING"}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    up = made("up", tmp_path / "drops", "--port", str(made.port), "--at-once", "1")
    assert up.returncode == 0, up.stderr
    yield made
    made("down")


def engines(machine: Machine) -> list[str]:
    """Native work that is going on for this machine."""
    home = f"EARWITNESS_HOME={machine.folder / 'home'}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "loky" in command and home in (entry / "environ").read_bytes().split(b"\0"):
                found.append(command)
        except OSError:
            continue  # it has ended
    return found


def test_a_cancelled_run_gives_its_place_to_the_one_that_overtakes(
    machine: Machine, tmp_path: Path, phone_call: Path
) -> None:
    sound, rate = soundfile.read(phone_call, dtype="int16")
    with soundfile.SoundFile(tmp_path / "long.wav", "w", rate, 1) as file:
        for _ in range(LONG_S * rate // len(sound)):
            file.write(sound)
    for name in ("queued.mp3", "urgent.mp3"):
        (tmp_path / name).write_text("no sound at all")
    service = Service(machine)
    at_work = service.run("recording", path=str(tmp_path / "long.wav"))
    wait_until(lambda: "diarize" in service.at_work(at_work), 180, lambda: str(service.read(at_work)["state"]))
    queued = service.run("batch", paths=[str(tmp_path / "queued.mp3")])
    urgent = service.run("recording", path=str(tmp_path / "urgent.mp3"))
    wait_until(lambda: engines(machine) != [], 60)

    cancelled = time.time()
    service.cancel(at_work)
    wait_until(lambda: engines(machine) == [], SOON_S, lambda: "; ".join(engines(machine)))
    wait_until(lambda: service.read(urgent)["start_time"] is not None, SOON_S)
    wait_until(lambda: service.read(at_work)["state_name"] == "Cancelled", SOON_S)
    began = datetime.fromisoformat(service.read(urgent)["start_time"]).timestamp()
    assert 0 < began - cancelled < SOON_S
    wait_until(lambda: service.read(queued)["start_time"] is not None, 2 * SOON_S)
    assert service.read(urgent)["start_time"] < service.read(queued)["start_time"]
