"""Prefect's hooks that keep the lease of a run: taken when it starts, given back when the server knows its end."""

import logging
import socket
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext

from earwitness.errors import StorageError
from earwitness.storage.leases import give_back, take_lease

log = logging.getLogger(__name__)

HOST_LABEL = "earwitness.host"
RESUMES_TAG = "earwitness-resumes:"
"""Followed by the id of the killed run that a run takes up."""
ATTEMPT_TAG = "earwitness-resume:"
"""Followed by how often that recording was taken up."""


def hold_lease(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """For `on_running`. A run that can't have a lease goes on without: its heartbeats tell of it."""
    try:
        _take(flow.name, flow_run)
    except StorageError as error:
        log.warning("%s", error)
        return
    _label(flow_run.id)


def need_lease() -> None:
    """Before the first use of the store: from now on nobody cleans away what this run uses.

    Raises:
        StorageError: the run could not get its lease, and can't now.
    """
    context = FlowRunContext.get()
    if context is not None and context.flow is not None and isinstance(context.flow_run, FlowRun):
        _take(context.flow.name, context.flow_run)


def _take(flow: str, run: FlowRun) -> None:
    take_lease(flow, run=str(run.id), resumes=resumed_run(run))


def drop_lease(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """For the ends of a run: the server knows them when hooks are called."""
    give_back(str(flow_run.id))


def resumed_run(run: FlowRun) -> str | None:
    """The killed run that this one takes up."""
    return next((tag.removeprefix(RESUMES_TAG) for tag in run.tags if tag.startswith(RESUMES_TAG)), None)


def times_resumed(run: FlowRun) -> int:
    """How often this run's recording was taken up already."""
    counts = [tag.removeprefix(ATTEMPT_TAG) for tag in run.tags if tag.startswith(ATTEMPT_TAG)]
    return max((int(count) for count in counts if count.isdecimal()), default=0)


def resume_tags(run: FlowRun) -> list[str]:
    """Tags of a run that takes up a killed one."""
    own = [tag for tag in run.tags if not tag.startswith((RESUMES_TAG, ATTEMPT_TAG))]
    return [*own, f"{RESUMES_TAG}{run.id}", f"{ATTEMPT_TAG}{times_resumed(run) + 1}"]


def _label(run: UUID) -> None:
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run, {HOST_LABEL: socket.gethostname()})
    except Exception as error:  # noqa: BLE001 - decoration: only other machines' maintenance would miss it
        log.debug("run %s has no label: %s", run, error)
