"""A batch on Dask workers: two processes with a home of their own, as on another machine."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from earwitness.batch.choose import BatchOptions, read_batch
from earwitness.errors import ExitCode, UsageError, WorkersUnavailable
from earwitness.options import read_options
from earwitness.result import Outcome, RunResult
from tests.plugins import dask_calls
from tests.runs import ROOT, cut_calls, wait_until

pytestmark = [pytest.mark.server, pytest.mark.slow]

CHEAP: dict[str, Any] = {
    "profile": "archive",
    "speakers": 2,
    "clip": {"count": 0},
    "diarize": {"engine": "bundled"},
    "limits": {"retries": 1, "retry_delay_s": 0},
    "transcribe": {"language": "en"},
}


@dataclass
class Cluster:
    """A scheduler with workers."""

    address: str
    client: Any

    def workers(self) -> dict[str, int]:
        """Address → pid."""
        return dict(self.client.run(os.getpid))


def is_there(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def dask(environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    """The command `dask`, as people call it."""
    return subprocess.Popen([sys.executable, "-m", "dask", *arguments], env=environment)


@pytest.fixture(scope="module")
def environment(prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of workers on another machine: a home of their own, and our Prefect server."""
    from prefect.settings import get_current_settings

    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **own,
        **get_current_settings().to_environment_variables(exclude_unset=True),
        "PYTHONPATH": str(ROOT),
        "EARWITNESS_HOME": str(tmp_path_factory.mktemp("workers-home")),
        "OMP_NUM_THREADS": "1",
        "DASK_LOGGING__DISTRIBUTED": "error",
    }


@pytest.fixture(scope="module")
def cluster(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers with one GPU each, so to say."""
    from distributed import Client

    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    processes = [dask(environment, "scheduler", "--host", "127.0.0.1", "--port", "0", *common)]
    try:
        wait_until(file.exists, 60)
        workers = ["--host", "127.0.0.1", "--nworkers", "2", "--nthreads", "1", "--resources", "GPU=1"]
        processes.append(dask(environment, "worker", *workers, *common, "--local-directory", str(folder)))
        with Client(scheduler_file=str(file), set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(2, timeout=60)
            yield Cluster(client.scheduler.address, client)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGINT)
            process.wait(30)


def run_batch(paths: list[Path], out: Path, **batch: Any) -> tuple[UUID, list[RunResult]]:
    """The id of its flow run, and its results."""
    from flows.batch import process_batch

    state: Any = process_batch(paths, read_options({**CHEAP, "out": out}), read_batch(batch), return_state=True)
    return state.state_details.flow_run_id, state.result()


def recordings_of(batch: UUID) -> dict[str, Any]:
    """Name → flow run, of those that the server shows below a batch."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

    with get_client(sync_client=True) as client:
        below = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[batch]))
        return {run.name: run for run in client.read_flow_runs(flow_run_filter=below)}


def test_in_order_each_model_loaded_once_and_one_failure_stops_nothing(cluster: Cluster, tmp_path: Path) -> None:
    from tasks.progress import StageEvent, listening

    one, two, three = cut_calls(tmp_path / "calls", one=(0, 8), two=(4, 12), three=(8, 16))
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound at all")
    events: list[StageEvent] = []
    with listening(events.append):
        batch, results = run_batch(
            [one, broken, two, three], tmp_path / "out", workers=cluster.address, resources={"GPU": 1}
        )
    assert [Path(result.source).stem for result in results] == ["one", "broken", "two", "three"]
    assert [result.outcome for result in results] == [Outcome.DONE, Outcome.FAILED, *[Outcome.DONE] * 2]
    assert all((result.bundle / "report.html").is_file() for result in results if result.bundle)
    assert {run.state_name for run in recordings_of(batch).values()} == {"Done", "Failed"}
    assert set(recordings_of(batch)) == {"one.wav", "broken.wav", "two.wav", "three.wav"}
    assert {event.stage for event in events if event.recording == "three.wav"} >= {"diarize", "publish"}

    loads = cluster.client.run(dask_calls.loads_by_engine)
    assert len(loads) == 2
    for of_worker in loads.values():
        counts = [count for engine in of_worker.values() for count in engine.values()]
        assert counts, of_worker
        assert set(counts) == {1}, loads


def test_what_a_killed_worker_began_is_done_by_another_as_the_same_run(cluster: Cluster, tmp_path: Path) -> None:
    from tasks.progress import StageEvent, listening

    (call,) = cut_calls(tmp_path / "calls", killed=(16, 26))
    workers = cluster.workers()
    killed: list[int] = []

    def kill_whoever_diarizes(event: StageEvent) -> None:
        if (event.stage, event.kind) == ("diarize", "started") and not killed:
            (at_work,) = [address for address, calls in cluster.client.processing().items() if calls]
            killed.append(workers[at_work])
            os.kill(workers[at_work], signal.SIGKILL)

    with listening(kill_whoever_diarizes):
        batch, (result,) = run_batch([call], tmp_path / "out", workers=cluster.address)
    assert result.outcome is Outcome.DONE
    assert result.stages["validate"].state == "cached"  # they share a home, and it was done before
    assert killed
    assert not is_there(killed[0])
    (run,) = recordings_of(batch).values()
    assert (run.state_name, run.run_count) == ("Done", 2)


def test_an_interrupted_batch_stops_the_engines_of_workers(cluster: Cluster, tmp_path: Path) -> None:
    batch, mark = new_run(), tmp_path / "pid"
    want = BatchOptions(workers=cluster.address)
    from tasks.workers import dask_workers

    def work_until_interrupted() -> None:
        with dask_workers(dask_calls.stall, want, batch) as workers:
            job = {"batch": str(batch), "mark": str(mark)}
            workers.hand_over(dask_calls.stall, job, "stalled")
            wait_until(lambda: mark.exists() and mark.read_text() != "")
            assert is_there(int(mark.read_text()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work_until_interrupted()
    wait_until(lambda: not is_there(int(mark.read_text())), 5)


def new_run() -> UUID:
    """A batch that the server knows."""
    from prefect.client.orchestration import get_client

    from flows.batch import process_batch

    with get_client(sync_client=True) as client:
        return client.create_flow_run(process_batch).id


def refusal(want: BatchOptions, batch: UUID) -> WorkersUnavailable:
    from tasks.workers import dask_workers

    with pytest.raises(WorkersUnavailable) as caught, dask_workers(dask_calls.stall, want, batch):
        pass
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.UNAVAILABLE
    return caught.value


def test_workers_that_cannot_do_it_are_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], tmp_path: Path
) -> None:
    want, batch = BatchOptions(workers=cluster.address), new_run()
    assert "offers TPU=2" in str(refusal(want.model_copy(update={"resources": {"TPU": 2}}), batch))
    assert "is another one" in str(refusal(want, UUID(int=7)))
    with monkeypatch.context() as patch:
        patch.setattr("tasks.workers.__version__", "9.9.9")
        assert "it has Earwitness 0.1.0, and this is 9.9.9" in str(refusal(want, batch))
    monkeypatch.setattr("tasks.workers._CONNECT_S", 1.0)
    file = tmp_path / "scheduler.json"
    scheduler = dask(environment, "scheduler", "--port", "0", "--scheduler-file", str(file), "--no-dashboard")
    try:
        wait_until(file.exists, 60)
        lonely = BatchOptions(workers=json.loads(file.read_text())["address"])
        assert "has no workers" in str(refusal(lonely, batch))
    finally:
        scheduler.kill()
        scheduler.wait(30)
    assert "does not answer" in str(refusal(lonely, batch))
    monkeypatch.setitem(sys.modules, "prefect_dask.task_runners", None)
    assert "earwitness[dask]" in str(refusal(want, batch))


def test_workers_of_its_own_end_with_the_batch(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound at all")
    others = {child.pid for child in multiprocessing.active_children()}  # engines of other tests
    batch, (result,) = run_batch([broken], tmp_path / "out", workers="dask:1")
    assert result.outcome is Outcome.FAILED
    assert result.error
    assert result.error.code == "bad-recording"
    assert set(recordings_of(batch)) == {"broken.wav"}
    assert {child.pid for child in multiprocessing.active_children()} <= others


def test_what_is_remembered_is_not_spread(prefect_server: None, tmp_path: Path) -> None:
    from flows.batch import process_batch

    (tmp_path / "a.wav").write_text("no sound")
    options = read_options({**CHEAP, "out": tmp_path / "out", "memory": {"scope": "saga"}})
    with pytest.raises(UsageError, match=r"memory\.scope and batch\.workers"):
        process_batch([tmp_path], options, BatchOptions(workers="dask:2"))
