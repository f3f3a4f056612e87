"""Heavy stages of deployed runs take turns by the limits of a real server; nobody else asks it."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.context import _deployment_id
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from earwitness.errors import EngineFailed, Interrupted, ServerUnavailable
from earwitness.interrupt import Interruption, current_interruption
from earwitness.schema import StageResult
from earwitness.settings import Limits
from tasks.limits import HEAVY, as_part_of, limit_of, make_limits, slot_for
from tasks.stage import failure_of, on_this_machine, stage
from tests.runs import wait_until

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

CLIP = limit_of("clip")
QUICK = Limits(retries=0)


class Cut(StageResult):
    text: str


@stage("clip", version="test", unkeyed=("calls",))
def cut(calls: Path, text: str) -> Cut:
    with calls.open("a") as file:
        file.write(text)
    if text == "bad":
        raise EngineFailed("It can't be cut.")
    return Cut(text=text)


@flow(name="cutting", persist_result=False)
def cutting(calls: Path, text: str) -> str:
    """How the stage ended; its own failure goes on as it is."""
    interruption = Interruption()
    token = current_interruption.set(interruption)
    try:
        future = on_this_machine(cut, QUICK).submit(calls, text)
        if text == "interrupted":
            wait_until(lambda: bool(_waiting), 30)
            interruption.happen()
        future.wait()
        state = future.state
        if state.is_failed():
            raise failure_of(state)
        return str(state.name)
    finally:
        current_interruption.reset(token)


_waiting: list[str] = []
"""What stages said that wait."""


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _waiting.append(record.getMessage())


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    _waiting.clear()
    listener, logger = _Listener(logging.INFO), logging.getLogger("tasks.limits")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(listener)
    monkeypatch.setattr("tasks.limits._LOOK_S", 0.2)
    yield
    logger.removeHandler(listener)
    logger.setLevel(before)


@pytest.fixture
def api() -> Iterator[SyncPrefectClient]:
    """The server, with limits of one slot each."""
    with get_client(sync_client=True) as client:
        _forget_limits(client)
        make_limits(client, 1)
        yield client
        _forget_limits(client)


def _forget_limits(client: SyncPrefectClient) -> None:
    for name in HEAVY:
        with suppress(ObjectNotFound):
            client.delete_global_concurrency_limit_by_name(limit_of(name))


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    made = tmp_path / "calls"
    made.touch()
    return made


def taken(api: SyncPrefectClient) -> int:
    return api.read_global_concurrency_limit_by_name(CLIP).active_slots


@contextmanager
def slot_taken_by_another(api: SyncPrefectClient) -> Iterator[Callable[[], None]]:
    """Until it is called, or the block ends."""
    lease = api.increment_concurrency_slots_with_lease([CLIP], 1, "concurrency", 60).json()["lease_id"]

    def give_back() -> None:
        api.release_concurrency_slots_with_lease(lease)

    yield give_back
    give_back()


def deployed(api: SyncPrefectClient, calls: Path, text: str) -> str:
    """Run it as a worker would."""
    flow_id = api.create_flow(cutting)
    deployment = api.create_deployment(flow_id, name="limited", entrypoint="tests/tasks/test_limits.py:cutting")
    run = api.create_flow_run_from_deployment(deployment, parameters={"calls": str(calls), "text": text})
    done: Any = run_flow(cutting, flow_run=api.read_flow_run(run.id))
    return str(done)


def test_a_deployed_run_waits_for_its_turn(api: SyncPrefectClient, calls: Path) -> None:
    with slot_taken_by_another(api) as give_back, ThreadPoolExecutor(1) as pool:
        run = pool.submit(copy_context().run, deployed, api, calls, "a")
        wait_until(lambda: bool(_waiting), 60)
        assert calls.read_text() == ""
        give_back()
        assert run.result(60) == "Completed"
    assert calls.read_text() == "a"
    assert taken(api) == 0
    assert _waiting == ["waits for a free slot of the limit earwitness-clip"]


def test_what_a_checkpoint_holds_waits_for_nobody(api: SyncPrefectClient, calls: Path) -> None:
    assert cutting(calls, "a") == "Completed"
    with slot_taken_by_another(api):
        assert deployed(api, calls, "a") == "Cached"
    assert _waiting == []


def test_a_run_without_a_deployment_needs_no_limit(
    api: SyncPrefectClient, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    true = httpx.HTTPTransport.handle_request

    def note(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return true(transport, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", note)
    with slot_taken_by_another(api):
        asked.clear()
        assert cutting(calls, "a") == "Completed"
        assert not [path for path in asked if "concurrency_limits" in path]
    assert deployed(api, calls, "b") == "Completed"
    assert [path for path in asked if "concurrency_limits" in path]


def test_an_unknown_limit_is_an_error(api: SyncPrefectClient, calls: Path) -> None:
    api.delete_global_concurrency_limit_by_name(CLIP)
    with pytest.raises(ServerUnavailable, match=r"no concurrency limit earwitness-clip.*python -m deployments"):
        deployed(api, calls, "a")
    assert calls.read_text() == ""


def test_an_interrupted_run_does_not_go_on_waiting(api: SyncPrefectClient, calls: Path) -> None:
    with slot_taken_by_another(api):
        began = time.monotonic()
        with pytest.raises(Interrupted):
            deployed(api, calls, "interrupted")
        assert time.monotonic() - began < 30
    assert calls.read_text() == ""
    assert taken(api) == 0


def test_a_stage_that_fails_gives_its_slot_back(api: SyncPrefectClient, calls: Path) -> None:
    with pytest.raises(EngineFailed):
        deployed(api, calls, "bad")
    assert taken(api) == 0


def test_zero_holds_the_stage_back_until_somebody_raises_it(api: SyncPrefectClient, calls: Path) -> None:
    api.update_global_concurrency_limit(CLIP, GlobalConcurrencyLimitUpdate(limit=0))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(copy_context().run, deployed, api, calls, "a")
        wait_until(lambda: bool(_waiting), 60)
        api.update_global_concurrency_limit(CLIP, GlobalConcurrencyLimitUpdate(limit=1))
        assert run.result(60) == "Completed"


def test_work_that_is_done_is_kept_though_the_server_has_gone(api: SyncPrefectClient) -> None:
    def scene() -> None:
        _deployment_id.set(uuid4())
        with slot_for("clip"), ExitStack() as gone:
            assert taken(api) == 1
            nobody = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
            gone.enter_context(temporary_settings(nobody))
            keep = gone.pop_all()
        keep.close()

    copy_context().run(scene)
    (told,) = _waiting
    assert told.startswith("clip: the slot could not be given back")


def test_a_server_that_is_away_is_waited_for(api: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def scene(patience_s: float) -> None:
        monkeypatch.setattr("tasks.limits._AWAY_S", patience_s)
        _deployment_id.set(uuid4())
        with slot_for("clip"):
            assert taken(api) == 1

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(ServerUnavailable, match=r"gives no slot.*ConnectError"),
    ):
        copy_context().run(scene, 0.1)
    true = httpx.HTTPTransport.handle_request
    failures = iter(range(3))

    def fail_thrice(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        if "increment" in request.url.path and next(failures, None) is not None:
            raise httpx.ConnectError("nobody is there")
        return true(transport, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", fail_thrice)
    copy_context().run(scene, 600)
    assert next(failures, None) is None


def test_work_for_a_deployed_run_of_another_process_takes_slots_too(api: SyncPrefectClient) -> None:
    with as_part_of(uuid4()), slot_for("clip"):
        assert taken(api) == 1
    with as_part_of(None), slot_for("clip"):
        assert taken(api) == 0


def test_limits_that_people_have_changed_are_left_alone(api: SyncPrefectClient) -> None:
    api.update_global_concurrency_limit(CLIP, GlobalConcurrencyLimitUpdate(limit=7))
    api.delete_global_concurrency_limit_by_name(limit_of("align"))
    make_limits(api, 3)
    found = {limit.name: limit.limit for limit in api.read_global_concurrency_limits(limit=50)}
    assert {stage: found[limit_of(stage)] for stage in HEAVY} == {
        "diarize": 1, "transcribe": 1, "align": 3, "clip": 7
    }  # fmt: skip


def test_heavy_stages_are_stages() -> None:
    for name in HEAVY:
        assert getattr(import_module(f"tasks.{name}"), name).name == name
