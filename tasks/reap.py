"""Runs whose process was killed: found, marked in Prefect, told to people, and started again if that is wanted."""

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.events.filters import EventFilter, EventNameFilter, EventResourceFilter
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed
from prefect.utilities.urls import url_for

from earwitness.alerts.alert import runs_reaped
from earwitness.alerts.tell import raise_alert
from earwitness.errors import EarwitnessError
from earwitness.maintenance.options import MaintainOptions, StepReport
from earwitness.maintenance.silence import unchanged_for
from earwitness.storage.leases import LeftBehind, is_alive, left_behind, taken_up
from tasks.lease import HOST_LABEL, resume_tags, times_resumed

log = logging.getLogger(__name__)

WHOLES = ("batch", "drop")
"""Flows that run recordings: started again, they run theirs again."""
FLOWS = ("recording", *WHOLES)
OUR_TAG = "earwitness"
_ALIVE = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)
_MESSAGE = "Its process is gone: it was killed, or its machine went down."


@dataclass
class Killed:
    """A run without a process."""

    run: FlowRun
    flow: str
    left: LeftBehind | None = None
    """Its lease, if it ran on this machine."""

    @property
    def told(self) -> bool:
        """Whether people were told when it ended."""
        return self.left is not None and self.left.lease.reported


Restart = Callable[[Killed, list[str]], None]
"""Runs a killed run again in this process, with these tags."""


def reap_killed_runs(options: MaintainOptions, restart: Restart) -> StepReport:
    """Find runs of ours whose process is dead, and see to them.

    On this machine a run is dead when its lease is free: the kernel frees it when the process dies, and not while it is
    paused. On other machines it is dead when its heartbeats have stopped for long, over three looks at least. Two of
    these at the same time share the work: each lease, and each change of state, is had by one of them.
    """
    report = StepReport(step="killed runs")
    with get_client(sync_client=True) as client:
        killed = [*_killed_here(client, report), *_killed_elsewhere(client, options, report)]
        again = _see_to(killed, options, client, report)
    for one in again:
        try:
            restart(one, resume_tags(one.run))
        except EarwitnessError as error:  # it would fail in the same way next time
            report.mind.append(f"{one.run.name} ({one.flow}) could not be started again: {error}")
        _forget(one)
    return report


def _killed_here(client: SyncPrefectClient, report: StepReport) -> Iterator[Killed]:
    superseded = taken_up()
    for left in left_behind():
        run_id = left.lease.run
        if run_id in superseded:
            left.forget()
            continue
        try:
            run = client.read_flow_run(UUID(run_id))
        except ObjectNotFound:
            report.mind.append(f"The killed run {run_id} ({left.lease.purpose}) is known to another Prefect server.")
            left.leave()
            continue
        if run.labels.get(HOST_LABEL, socket.gethostname()) != socket.gethostname():
            left.forget()  # a Dask worker here died, and one on another machine took the run up
        elif _is(run, StateType.CRASHED) or _mark(run, client):
            yield Killed(run, left.lease.purpose, left)
        else:
            left.forget()  # it ended, or was to be cancelled


def _killed_elsewhere(client: SyncPrefectClient, options: MaintainOptions, report: StepReport) -> Iterator[Killed]:
    """Runs without a lease on this machine: judged by their heartbeats."""
    signs: dict[str, str] = {}
    suspects: dict[str, Killed] = {}
    for flow in FLOWS:
        for run in _unfinished(client, flow):
            one = Killed(run, flow)
            if is_alive(str(run.id)) is not None or not _is_ours(run):
                continue
            if _is_stranded(run, options):
                if _mark(run, client):
                    yield one
                continue
            sign = _sign_of_life(run, client)
            if sign is None:
                report.mind.append(f"{run.name} ({flow}) shows no sign of life, and never has: look at it in Prefect.")
            else:
                signs[str(run.id)], suspects[str(run.id)] = sign, one
    for run_id, silent_s in unchanged_for(signs, max(1.0, options.silent_s / 2)).items():
        one = suspects[run_id]
        limit_s = options.pending_s if _is(one.run, StateType.PENDING) else options.silent_s
        if silent_s >= limit_s and silent_s > 0 and _mark(one.run, client):
            yield one


def _unfinished(client: SyncPrefectClient, flow: str) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_ALIVE)))),
        limit=200,
    )


def _is_ours(run: FlowRun) -> bool:
    """Others may have flows of the same names."""
    return HOST_LABEL in run.labels or OUR_TAG in run.tags


def _is(run: FlowRun, kind: StateType) -> bool:
    return run.state is not None and run.state.type is kind


def _is_stranded(run: FlowRun, options: MaintainOptions) -> bool:
    """Its worker was killed between taking it and starting it; it takes one of the pool's slots for ever."""
    before = options.pending_before
    return bool(before and run.state and _is(run, StateType.PENDING) and run.state.timestamp < before)


def _sign_of_life(run: FlowRun, client: SyncPrefectClient) -> str | None:
    if run.state is not None and _is(run, StateType.PENDING):
        return f"pending since {run.state.timestamp}"
    page = client.read_events(
        EventFilter(
            event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        ),
        limit=1,
    )
    return str(page.events[0].id) if page.events else None


def _mark(run: FlowRun, client: SyncPrefectClient) -> bool:
    """Whether the run is ours to see to: we, and nobody else, have marked it as crashed.

    A run that was to be cancelled is cancelled now, and nothing more is done about it.
    """
    cancelling = _is(run, StateType.CANCELLING)
    state: State[Any] = (Cancelled if cancelling else Crashed)(message=_MESSAGE)
    answer = client.set_flow_run_state(run.id, state)
    accepted = answer.status is SetStateStatus.ACCEPT
    if accepted:
        _mark_tasks(run, client)
    return accepted and not cancelling


def _mark_tasks(run: FlowRun, client: SyncPrefectClient) -> None:
    """So that Prefect's UI does not show them as running for ever. Decoration."""
    running = TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))
    try:
        for task_run in client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
            task_run_filter=TaskRunFilter(state=running),
        ):
            client.set_task_run_state(task_run.id, Crashed(message=_MESSAGE), force=True)
    except Exception as error:  # noqa: BLE001 - whatever the server says, the run itself is marked
        log.warning("the tasks of %s still show as running: %s", run.name, error)


def _see_to(
    killed: Sequence[Killed], options: MaintainOptions, client: SyncPrefectClient, report: StepReport
) -> list[Killed]:
    """Start again what can be, tell people of the rest; what is to be run in this process."""
    again: list[Killed] = []
    lines, resumed, given_up = [], 0, 0
    parts = _parts(killed, client)
    own = [one for one in killed if one not in parts]
    for one in own:
        what = f"{one.run.name} ({one.flow})"
        times = times_resumed(one.run)
        if options.resume and times >= options.resume:
            outcome = f"{what}: killed {times + 1} times, so it was not started again"
            given_up += 1
        elif options.resume and one.run.deployment_id and _deploy_again(one.run, client):
            outcome = f"{what}: started again by its deployment"
            resumed += 1
        elif options.resume and options.here and not one.run.deployment_id and one.left:
            outcome = f"{what}: started again by this maintenance"
            again.append(one)
            resumed += 1
        else:
            outcome = f"{what}: not started again"
        report.done.append(outcome)
        if not one.told:
            lines.append(outcome)
    if lines:
        link = url_for("flow-run", obj_id=own[0].run.id) if len(own) == 1 else None
        ids = [str(one.run.id) for one in own if not one.told]
        raise_alert(runs_reaped(lines, resumed=resumed, given_up=given_up, runs=ids, run_url=link))
    for one in killed:
        if one not in again:
            _forget(one)
    return again


def _parts(killed: Sequence[Killed], client: SyncPrefectClient) -> list[Killed]:
    """Recordings of a batch or drop that was killed too: it stands for them."""
    whole = {one.left.lease.process for one in killed if one.left and one.flow in WHOLES}
    ids = {one.run.id for one in killed}
    return [
        one
        for one in killed
        if one.flow not in WHOLES
        and one.run.parent_task_run_id is not None
        and ((one.left is not None and one.left.lease.process in whole) or _parent(one.run, client) in ids)
    ]


def _parent(run: FlowRun, client: SyncPrefectClient) -> UUID | None:
    try:
        return client.read_task_run(run.parent_task_run_id).flow_run_id if run.parent_task_run_id else None
    except ObjectNotFound:
        return None


def _deploy_again(run: FlowRun, client: SyncPrefectClient) -> bool:
    """A new run of the same deployment with the same parameters; asking twice makes one."""
    assert run.deployment_id is not None
    try:
        client.create_flow_run_from_deployment(
            run.deployment_id,
            parameters=run.parameters,
            name=f"{run.name}-again",
            tags=resume_tags(run),
            idempotency_key=f"earwitness-resume-{run.id}",
        )
    except ObjectNotFound:  # somebody deleted the deployment
        return False
    return True


def _forget(one: Killed) -> None:
    if one.left:
        one.left.forget()
