"""Runs are killed for real, on a real server, and are noticed; live ones are left alone."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from earwitness.alerts.tell import wait_for_alerts
from earwitness.home import leases_path
from earwitness.maintenance.options import MaintainOptions, StepReport
from tests.receivers import Receiver, http_server
from tests.runs import wait_until
from tests.warm import environment, warm_python

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("prefect_server")]

ROOT = Path(__file__).resolve().parents[2]

REAL = """
import sys
from tasks.progress import listening
from flows import run_flow
with listening(lambda event: print(f"{event.stage} {event.kind}\\n", end="", flush=True)):
    run_flow(sys.argv[1], profile="archive", out="out", clip={"count": 0})
"""

LIGHT = """
import os, sys
from pathlib import Path
from prefect import flow, tags
from prefect.context import FlowRunContext
from tasks.alerting import tell_of_bug, tell_of_crash
from tasks.lease import drop_lease, hold_lease

hooks = {} if os.environ.get("EARWITNESS_TEST_FOREIGN") else {
    "on_running": [hold_lease], "on_completion": [drop_lease],
    "on_failure": [drop_lease, tell_of_bug], "on_crashed": [tell_of_crash],
}

@flow(name=os.environ.get("EARWITNESS_TEST_FLOW", "recording"), flow_run_name="{path.name}", **hooks)
def light(path: Path):
    print(FlowRunContext.get().flow_run.id, flush=True)
    said = sys.stdin.readline()
    if said == "fail":
        raise ZeroDivisionError("nobody foresaw this")

@flow(name="batch", **hooks)
def batch(paths: list[Path]):
    print(FlowRunContext.get().flow_run.id, flush=True)
    for path in paths:
        light(path)

with tags(*os.environ.get("EARWITNESS_TEST_TAGS", "").split()):
    if os.environ.get("EARWITNESS_TEST_BATCH"):
        batch([Path(name) for name in sys.argv[1:]])
    else:
        light(Path(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with http_server() as made:
        monkeypatch.setenv("EARWITNESS_ALERT_URLS", f"http://127.0.0.1:{made.port}/T0KEN-hidden")
        monkeypatch.setenv("EARWITNESS_ALERT_SECRET", "a-secret-of-the-webhook")
        monkeypatch.setenv("EARWITNESS_ALERT_ALLOW_HTTP", "loopback")
        monkeypatch.setattr("earwitness.storage.room.LITTLE_ROOM_BYTES", 0)  # whatever this machine has
        monkeypatch.setattr("earwitness.storage.room.NO_ROOM_BYTES", 0)
        yield made


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Runs of other tests on the same server are not looked at."""
    yield
    with client() as api:
        for run in api.read_flow_runs():
            if run.state and not run.state.is_final():
                from prefect.states import Cancelled

                api.set_flow_run_state(run.id, Cancelled(), force=True)


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a script that reports on stdout, as a process of its own on the same server."""
    started: list[subprocess.Popen[str]] = []

    def begin(script: str, *arguments: str | Path, folder: Path = ROOT, **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*warm_python(), "-c", script, *map(str, arguments)],
            cwd=folder,
            env=environment(**{**server(), **variables}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def server() -> dict[str, str]:
    from prefect.settings import PREFECT_API_URL

    return {"PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_LOGGING_LEVEL": "ERROR"}


@contextlib.contextmanager
def client() -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as made:
        yield made


def said(process: "subprocess.Popen[str]", *wanted: str) -> str:
    """The first line that is wanted (any, if none is named)."""
    assert process.stdout is not None
    for line in process.stdout:
        if not wanted or any(each in line for each in wanted):
            return line.strip()
    raise AssertionError(f"it ended with {process.wait()} before it said {wanted or 'anything'}")


def kill(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def maintain(**options: Any) -> StepReport:
    """What maintenance did about killed runs; alerts are out when it returns."""
    from flows.maintain import run_maintenance

    reports = run_maintenance(MaintainOptions(**options))
    assert wait_for_alerts(30)
    assert [report.failed for report in reports if report.failed] == []
    return next(report for report in reports if report.step == "killed runs")


def state_of(run_id: str) -> str:
    from uuid import UUID

    with client() as api:
        state = api.read_flow_run(UUID(run_id)).state
        return str(state.name)


def reaped(receiver: Receiver) -> list[Any]:
    return [got.json for got in receiver.got if got.json["code"] == "run-reaped"]


def test_a_killed_run_is_marked_told_of_and_brought_to_its_end(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver, tmp_path: Path, phone_call: Path
) -> None:
    (tmp_path / "call.wav").write_bytes(phone_call.read_bytes())
    (tmp_path / "call.stm").write_bytes(phone_call.with_suffix(".stm").read_bytes())
    process = start(REAL, "call.wav", folder=tmp_path)
    said(process, "diarize started")
    kill(process)
    (lease,) = leases_path().glob("*.json")
    killed = lease.stem
    assert state_of(killed) == "Running"  # nobody else has noticed
    assert not (tmp_path / "out").exists()

    report = maintain(resume=1, here=True)

    assert report.done == ["call.wav (recording): started again by this maintenance"]
    assert state_of(killed) == "Crashed"
    (told,) = reaped(receiver)
    assert told["severity"] == "warning"
    assert "call.wav" in told["what"]
    assert killed in told["run_url"]
    (bundle,) = (tmp_path / "out").iterdir()
    assert (bundle / "report.html").is_file()
    with client() as api:
        from uuid import UUID

        again = next(run for run in api.read_flow_runs() if f"earwitness-resumes:{killed}" in run.tags)
        assert again.state.is_completed()
        assert "earwitness-resume:1" in again.tags
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        only = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(killed)]))
        assert [task.name for task in api.read_task_runs(flow_run_filter=only) if task.state.is_running()] == []
    assert list(leases_path().glob("*.json")) == []

    assert maintain(resume=1, here=True).done == []
    assert len(reaped(receiver)) == 1


def test_a_live_run_is_left_alone(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver, tmp_path: Path
) -> None:
    process = start(LIGHT, "a.mp3")
    alive = said(process)
    report = maintain(resume=1, here=True, silent_s=0, pending_s=0)
    assert report.done == []
    assert state_of(alive) == "Running"
    process.communicate("end\n", timeout=60)
    assert state_of(alive) == "Completed"
    assert list(leases_path().glob("*.json")) == []
    assert maintain().done == []
    assert receiver.got == []


def test_a_killed_run_is_only_reported_where_nothing_else_is_set(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver
) -> None:
    process = start(LIGHT, "a.mp3")
    killed = said(process)
    kill(process)
    assert maintain().done == ["a.mp3 (recording): not started again"]
    assert state_of(killed) == "Crashed"
    (told,) = reaped(receiver)
    assert told["severity"] == "error"
    assert maintain(resume=2, here=True).done == []


def test_two_at_the_same_time_do_it_once(start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver) -> None:
    killed = []
    for number in range(3):
        process = start(LIGHT, f"{number}.mp3")
        killed.append(said(process))
        kill(process)
    reports: list[StepReport] = []
    threads = [threading.Thread(target=lambda: reports.append(maintain())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line for report in reports for line in report.done) == [
        f"{number}.mp3 (recording): not started again" for number in range(3)
    ]
    assert [state_of(run) for run in killed] == ["Crashed"] * 3
    text = "".join(told["what"] for told in reaped(receiver))
    assert [text.count(f"{number}.mp3") for number in range(3)] == [1, 1, 1]


def test_a_killed_batch_is_told_of_once_and_stands_for_its_recordings(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver
) -> None:
    process = start(LIGHT, "a.mp3", "b.mp3", EARWITNESS_TEST_BATCH="1")
    batch, recording = said(process), said(process)
    kill(process)
    report = maintain()
    assert len(report.done) == 1
    assert "(batch)" in report.done[0]
    assert [state_of(run) for run in (batch, recording)] == ["Crashed", "Crashed"]
    (told,) = reaped(receiver)
    assert "mp3" not in told["what"]


def test_a_run_that_keeps_being_killed_is_not_started_for_ever(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver
) -> None:
    process = start(LIGHT, "a.mp3", EARWITNESS_TEST_TAGS="earwitness-resume:2")
    said(process)
    kill(process)
    report = maintain(resume=2, here=True)
    assert report.done == ["a.mp3 (recording): killed 3 times, so it was not started again"]
    (told,) = reaped(receiver)
    assert told["severity"] == "error"
    assert "memory" in told["remedy"]


def test_a_run_that_was_to_be_cancelled_is_cancelled(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver
) -> None:
    from uuid import UUID

    from prefect.states import Cancelling

    process = start(LIGHT, "a.mp3")
    killed = said(process)
    with client() as api:
        api.set_flow_run_state(UUID(killed), Cancelling())
    kill(process)
    assert maintain(resume=1, here=True).done == []
    assert state_of(killed) == "Cancelled"
    assert receiver.got == []
    assert list(leases_path().glob("*.json")) == []


def test_a_run_whose_worker_was_killed_before_it_started_is_seen_to(receiver: Receiver) -> None:
    from prefect.client.schemas.objects import StateType
    from prefect.states import Pending

    from flows.recording import process_recording

    with client() as api:
        path = {"path": "a.mp3"}
        taken = api.create_flow_run(process_recording, parameters=path, tags=["earwitness"], state=Pending())
        since = api.read_flow_run(taken.id).state.timestamp
        assert maintain(pending_before=since).done == []
        assert api.read_flow_run(taken.id).state.type is StateType.PENDING
        assert maintain(pending_before=since + timedelta(seconds=1)).done == [
            f"{taken.name} (recording): not started again"
        ]
    assert state_of(str(taken.id)) == "Crashed"


def test_the_heartbeats_of_another_machine_count(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver, tmp_path: Path
) -> None:
    """Another home stands for another machine: no lease of it is here."""
    process = start(LIGHT, "a.mp3", EARWITNESS_HOME=str(tmp_path / "elsewhere"))
    silent = said(process)
    beat = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{silent}"]}}
    with client() as api:
        wait_until(
            lambda: bool(api.request("POST", "/events/filter", json={"filter": beat}).json()["events"]),
            120,
            lambda: "the run never gave a sign of life",
        )
    assert maintain(silent_s=0).done == []  # seen for the first time
    assert maintain(silent_s=600).done == []  # not long enough
    assert state_of(silent) == "Running"
    kill(process)
    assert maintain(silent_s=0).done == ["a.mp3 (recording): not started again"]
    assert state_of(silent) == "Crashed"
    assert len(reaped(receiver)) == 1
    assert maintain(silent_s=0).done == []


def test_flows_of_others_are_left_alone(start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> None:
    process = start(LIGHT, "a.mp3", EARWITNESS_TEST_FOREIGN="1")
    theirs = said(process)
    kill(process)
    for _ in range(2):
        report = maintain(silent_s=0)
        assert (report.done, report.mind) == ([], [])
    assert state_of(theirs) == "Running"


def test_a_bug_is_told_and_is_not_taken_for_a_kill(
    start: Callable[..., "subprocess.Popen[str]"], receiver: Receiver
) -> None:
    process = start(LIGHT, "a.mp3")
    failed = said(process)
    process.communicate("fail", timeout=60)
    assert state_of(failed) == "Failed"
    (told,) = [got.json for got in receiver.got]
    assert told["code"] == "bug"
    assert "ZeroDivisionError: nobody foresaw this" in told["what"]
    assert maintain().done == []


def test_the_deployment_of_a_killed_run_starts_it_again(
    start: Callable[..., "subprocess.Popen[str]"],
    receiver: Receiver,
    tmp_path: Path,
    phone_call: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect import Flow
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.runner.storage import LocalStorage

    from tasks.limits import make_limits

    monkeypatch.chdir(ROOT)
    (tmp_path / "call.wav").write_bytes(phone_call.read_bytes())
    (tmp_path / "call.stm").write_bytes(phone_call.with_suffix(".stm").read_bytes())
    given = {
        "path": str(tmp_path / "call.wav"),
        "options": {"profile": "archive", "out": str(tmp_path / "out"), "clip": {"count": 0}},
    }
    with client() as api:
        api.create_work_pool(WorkPoolCreate(name="local", type="process"), overwrite=True)
        make_limits(api, 2)
    # as prefect.yaml does: without a pull step each run would first copy the project's folder, .venv and all
    recording: Any = Flow.from_source(LocalStorage(str(ROOT)), entrypoint="flows/recording.py:process_recording")
    made: Any = recording.to_deployment("again", tags=["earwitness"])
    deployment = made.apply(work_pool_name="local")
    with client() as api:
        first = api.create_flow_run_from_deployment(deployment, parameters=given)
    execute = "import sys; from prefect.cli import app; app()"
    process = start(execute, "flow-run", "execute", str(first.id))
    lease = leases_path() / f"{first.id}.json"
    wait_until(lambda: lease.exists() or process.poll() is not None, 240)
    os.kill(json.loads(lease.read_text())["pid"], signal.SIGKILL)
    process.communicate(timeout=60)

    for _ in range(2):
        maintain(resume=1)
    assert state_of(str(first.id)) == "Crashed"
    (told,) = reaped(receiver)
    assert "started again by its deployment" in told["what"]
    with client() as api:
        (again,) = [run for run in api.read_flow_runs() if f"earwitness-resumes:{first.id}" in run.tags]
    assert again.deployment_id == deployment
    assert again.parameters == first.parameters
    process = start(execute, "flow-run", "execute", str(again.id))
    process.communicate(timeout=240)
    assert state_of(str(again.id)) == "Done"
    (bundle,) = (tmp_path / "out").iterdir()
    assert (bundle / "report.html").is_file()


def test_the_command_tells_what_it_did(start: Callable[..., "subprocess.Popen[str]"]) -> None:
    process = start(LIGHT, "a.mp3")
    said(process)
    kill(process)
    command = start("from earwitness.cli import main; main()", "maintain", "--json")
    answer = json.loads(command.communicate(timeout=240)[0])
    assert command.returncode == 0
    assert answer["ok"] is True
    assert "a.mp3 (recording): not started again" in str(answer["steps"])
