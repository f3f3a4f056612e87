"""A server of two API replicas on PostgreSQL and Redis, with the settings of compose.yaml, works as one does alone."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from earwitness.drops.folder import Drop, DropFolder
from earwitness.result import Outcome
from tests.prefect_server import as_client_of
from tests.production_server import REPLICAS, ProductionServer, production_server
from tests.runs import ROOT, cut_calls, wait_until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

ONE, TWO = REPLICAS
COMPLETED = {"COMPLETED"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    import tasks  # noqa: F401 - before Prefect is imported

    with (
        production_server(tmp_path_factory.mktemp("server")) as made,
        as_client_of(made.api, made.for_clients["PREFECT_API_AUTH_STRING"]),
    ):
        yield made


@pytest.fixture(scope="module")
def deployed(server: ProductionServer) -> Callable[[str], str]:
    """Makes a deployment with the trigger or the cron that it has in prefect.yaml; gives its id."""
    from prefect import Flow

    from tasks.service import prepare_pools

    prepare_pools(2)
    written = {one["name"]: one for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}

    def make(name: str) -> str:
        want = written[name]
        flow: Any = Flow.from_source(ROOT, want["entrypoint"])
        (schedule,) = want.get("schedules", [{}])
        pool = want["work_pool"]["name"]
        made = flow.to_deployment(
            name, work_pool_name=pool, triggers=want.get("triggers"), cron=schedule.get("cron"), paused=False
        )
        return str(made.apply())

    return make


def runs(server: ProductionServer, replica: str, deployment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask(
        replica, "flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}}
    ).json()
    return found


def at_both(server: ProductionServer, call: Callable[[str], httpx.Response]) -> None:
    """In the same moment, as far as that can be had."""
    with ThreadPoolExecutor(2) as pool:
        for answer in pool.map(call, REPLICAS):
            answer.raise_for_status()


def test_a_dropped_file_is_one_run_wherever_its_event_comes_in(
    server: ProductionServer, deployed: Callable[[str], str], tmp_path: Path
) -> None:
    from tasks.drops import PrefectOffice

    drop = deployed("drop")
    folder = DropFolder(tmp_path)

    def tickets() -> Counter[str]:
        return Counter(ticket for run in runs(server, TWO, drop) for ticket in run["parameters"]["tickets"])

    def drop_file(ticket: str) -> None:
        digest = ticket * 8
        drop = Drop(ticket=ticket, name="a.wav", sha256=digest, options={}, claimed_at="")
        PrefectOffice().hand_over(folder, [drop])

    drop_file("aaaaaaaa")
    wait_until(lambda: "aaaaaaaa" in tickets(), 60, lambda: server.log("services"))

    # a client whose connection broke sends it again, with the same id, and may then speak to the other replica
    event = {
        "id": "019a0000-0000-7000-8000-000000000001",
        "occurred": datetime.now(UTC).isoformat(),
        "event": "earwitness.recording.dropped",
        "resource": {"prefect.resource.id": "earwitness.drop.bbbbbbbb"},
        "payload": {"folder": str(tmp_path), "tickets": ["bbbbbbbb"], "name": "b.wav"},
    }
    at_both(server, lambda replica: server.ask(replica, "events", [event]))
    wait_until(lambda: "bbbbbbbb" in tickets(), 60, lambda: server.log("services"))
    drop_file("cccccccc")
    wait_until(lambda: "cccccccc" in tickets(), 60, lambda: server.log("services"))  # so all before it were dealt with
    assert tickets() == {"aaaaaaaa": 1, "bbbbbbbb": 1, "cccccccc": 1}
    assert len(runs(server, ONE, drop)) == 3


def test_a_schedule_makes_each_run_once_though_three_processes_make_them(
    server: ProductionServer, deployed: Callable[[str], str]
) -> None:
    sweep = deployed("sweep")
    at_both(server, lambda replica: server.ask(replica, f"deployments/{sweep}/schedule", {}))
    wait_until(lambda: bool(runs(server, ONE, sweep)), 60, lambda: server.log("services"))
    at_both(server, lambda replica: server.ask(replica, f"deployments/{sweep}/schedule", {}))
    times = [datetime.fromisoformat(run["expected_start_time"]) for run in runs(server, TWO, sweep)]
    assert len(times) > 2
    assert all(time.minute % 5 == 0 for time in times)
    assert len(times) == len(set(times))


def test_a_strict_limit_holds_across_replicas(server: ProductionServer) -> None:
    from prefect import flow, task
    from prefect.concurrency.sync import concurrency

    server.ask(ONE, "v2/concurrency_limits/", {"name": "one-at-a-time", "limit": 1})
    inside, most, crowded = Counter[str](), 0, threading.Event()

    @task
    def work(limit: str) -> None:
        nonlocal most
        with concurrency(limit, strict=True, timeout_seconds=60):
            inside["now"] += 1
            most = max(most, inside["now"])
            if inside["now"] > 1:
                crowded.set()
            crowded.wait(1)  # for another one that should not come
            inside["now"] -= 1

    @flow
    def several() -> list[Any]:
        return [state.wait() or state.state for state in [work.submit("one-at-a-time") for _ in range(3)]]

    before = {replica: server.connections(replica) for replica in REPLICAS}
    assert {state.type.value for state in several()} == COMPLETED
    assert most == 1
    assert all(server.connections(replica) > before[replica] for replica in REPLICAS)
    with pytest.raises(Exception, match="nobody-made-it"), concurrency("nobody-made-it", strict=True):
        pass

    # what is taken at one replica is taken at the other, and can be given back there
    one_slot = {"names": ["one-at-a-time"], "slots": 1, "mode": "concurrency"}
    taken = server.ask(ONE, "v2/concurrency_limits/increment-with-lease", one_slot).json()
    with pytest.raises(httpx.HTTPStatusError, match="423"):
        server.ask(TWO, "v2/concurrency_limits/increment-with-lease", one_slot)
    server.ask(TWO, "v2/concurrency_limits/decrement-with-lease", {"lease_id": taken["lease_id"]})
    server.ask(ONE, "v2/concurrency_limits/increment-with-lease", one_slot)


def test_a_recording_is_finished_though_each_replica_dies_once(server: ProductionServer, tmp_path: Path) -> None:
    """As in an upgrade. It comes last: one of them stays dead."""
    from flows import run_flow
    from tasks.progress import StageEvent, listening

    (call,) = cut_calls(tmp_path, yankee=(8.3, 21.6))
    happened: list[str] = []

    def disturb(event: StageEvent) -> None:
        if (event.stage, event.kind) == ("diarize", "started"):
            server.kill(TWO)
            happened.append("one is left")
        if (event.stage, event.kind) == ("align", "started"):
            server.start(TWO)  # as Docker does
            server.kill(ONE)
            happened.append("the other is left")

    with pytest.MonkeyPatch.context() as patch, listening(disturb):
        patch.setenv("EARWITNESS_SUPERVISE", "0")
        result = run_flow(call, profile="archive", out=tmp_path / "out", clip={"count": 0}, limits={"min_free_gb": 0})
    assert happened == ["one is left", "the other is left"]
    assert result.outcome is Outcome.DONE, result
    assert result.bundle is not None
    assert (result.bundle / "report.html").is_file()

    # task runs are told by events: those on their way to the dead are lost, and such a task shows as running for ever
    found = {"flow_runs": {"name": {"any_": ["yankee.wav"]}}}
    assert [run["state_type"] for run in server.ask(TWO, "flow_runs/filter", found).json()] == ["COMPLETED"]
