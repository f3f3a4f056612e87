"""A Dask worker at work on recordings of a batch: each a flow run of its own below the batch, which can be stopped."""

import logging
import multiprocessing
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

import httpx
from dask.typing import Key
from distributed import Worker, WorkerPlugin, get_worker
from prefect import Flow, Task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentTaskRunId
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL
from prefect.states import AwaitingRetry, Pending

from earwitness.engines.supervisor import shutdown_engines
from earwitness.interrupt import Interruption, current_interruption
from tasks.limits import as_part_of
from tasks.progress import StageEvent, listening

EVENTS = "earwitness-{}"
"""Topic on which the workers of a batch tell of progress."""

_at_work: dict[str, Interruption] = {}


class Stopper(WorkerPlugin):
    """Stops the recording of a call that is cancelled: by the batch, or by the scheduler when the batch was killed.

    Args:
        levels: below which loggers of the worker say nothing.
        of_batch: the worker belongs to the batch, on the same terminal: Ctrl-C is for the batch, which stops it.
    """

    name = "earwitness"

    def __init__(self, levels: Mapping[str, int], *, of_batch: bool) -> None:
        self._levels = levels
        self._of_batch = of_batch

    def setup(self, worker: Worker) -> None:
        """Let engines be started: the processes of Dask's nannies are daemons, which may have no children."""
        multiprocessing.current_process().daemon = False
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        if self._of_batch and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def teardown(self, worker: Worker) -> None:
        """End the engines: without, the process would wait for them, and they for its end."""
        shutdown_engines()

    def transition(self, key: Key, start: str, finish: str, **kwargs: Any) -> None:
        """Called by the worker for each change of a call's state."""
        if finish != "executing" and (interruption := _at_work.get(str(key))):
            interruption.happen()


def still_at_work(keys: Sequence[str]) -> bool:
    """Whether this process works on one of these calls."""
    return any(key in _at_work for key in keys)


def why_another_server(batch: str) -> str:
    """Why this process can't use the Prefect server that knows the batch; empty: it can."""
    address = PREFECT_API_URL.value()
    if not address:
        return "PREFECT_API_URL is not set where it was started"
    try:
        with get_client(sync_client=True) as client:
            client.read_flow_run(UUID(batch))
    except ObjectNotFound:
        return f"its Prefect server ({address}) is another one"
    except httpx.HTTPError as error:
        return f"it can't use the Prefect server {address} ({type(error).__name__}: {error})"
    return ""


@contextmanager
def at_work(batch: str, recording: str) -> Iterator[str]:
    """A block that does the call which this thread was given; gives the call's key.

    It is interrupted when the call is cancelled, and its progress is told to the batch.
    """
    worker = get_worker()
    key = str(worker.get_current_task())
    interruption = _at_work[key] = Interruption()
    call = worker.state.tasks.get(key)
    if call is None or call.state != "executing":  # cancelled before anybody listened
        interruption.happen()

    def forward(event: StageEvent) -> None:
        if event.recording == recording:  # the others are those of other threads
            worker.log_event(EVENTS.format(batch), {"event": asdict(event)})

    token = current_interruption.set(interruption)
    try:
        with listening(forward):
            yield key
    finally:
        current_interruption.reset(token)
        del _at_work[key]


def run_below(flow: Flow[..., Any], batch: str, key: str, **parameters: Any) -> State[Any]:
    """Run a flow as a part of a flow run of another process; done again for the same key, it is the same run.

    Prefect does so for the flows that a flow calls in its own process: a placeholder task of the one is the parent of
    the other. What a worker that died has left is found by it.
    """
    with get_client(sync_client=True) as client:
        deployment = client.read_flow_run(UUID(batch)).deployment_id
        task: Task[..., Any] = Task(name=flow.name, fn=flow.fn, version=flow.version)
        placeholder = client.create_task_run(task, UUID(batch), dynamic_key=key, name=key).id
        below = FlowRunFilter(parent_task_run_id=FlowRunFilterParentTaskRunId(any_=[placeholder]))
        if left := client.read_flow_runs(flow_run_filter=below, limit=1):
            again: State[Any] = AwaitingRetry(message="Its worker died; another one does it again.")
            client.set_flow_run_state(left[0].id, again, force=True)
            run = client.read_flow_run(left[0].id)
        else:
            run = client.create_flow_run(
                flow,
                parameters=flow.serialize_parameters(parameters),
                state=Pending(),
                tags=TagsContext.get().current_tags,
                parent_task_run_id=placeholder,
            )
    with as_part_of(deployment):  # its stages take slots as those of the batch do
        state: Any = run_flow(flow, flow_run=run, parameters=parameters, return_type="state")
    assert isinstance(state, State)
    return state
