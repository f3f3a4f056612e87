"""Which ends of runs people are told of, and where secret blocks are read."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypedDict

from prefect import Flow
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.flows import FlowStateHook
from prefect.utilities.urls import url_for
from pydantic import SecretStr

from earwitness.alerts import tell
from earwitness.alerts.alert import Alert, Severity, bug, failed_batch, failed_run, run_crashed, storage_low
from earwitness.alerts.listeners import tell_of_breakers_and_damage
from earwitness.errors import EarwitnessError
from earwitness.maintenance.options import MaintainOptions, StepReport
from earwitness.preflight import Check
from earwitness.result import RunResult
from earwitness.storage.leases import give_back, give_up
from earwitness.storage.room import StorageState, storage_state
from tasks.lease import drop_lease, hold_lease
from tasks.stage import failure_of

log = logging.getLogger(__name__)

_in_batch: ContextVar[bool] = ContextVar("in_batch", default=False)


@contextmanager
def one_summary() -> Iterator[None]:
    """Bad recordings are not told one by one in here: the batch tells of all of them when it ends."""
    token = _in_batch.set(True)
    try:
        yield
    finally:
        _in_batch.reset(token)


def tell_of_run(result: RunResult) -> None:
    """Tell people of the end of a run, if somebody has to do something."""
    run = _this_run()
    alert = failed_run(
        result,
        unattended=run is not None and run.deployment_id is not None,
        in_batch=_in_batch.get(),
        run_url=_link(run),
    )
    if alert:
        tell.raise_alert(alert)


def tell_of_drop(result: RunResult) -> None:
    """As `tell_of_run`, for a recording that somebody dropped and does not wait for."""
    alert = failed_run(result, unattended=True, run_url=_link(_this_run()))
    if alert:
        tell.raise_alert(alert)


def tell_of_batch(results: Sequence[RunResult]) -> None:
    """One summary of the recordings that need a look."""
    run = _this_run()
    alert = failed_batch(results, batch=str(run.id) if run else "batch", run_url=_link(run))
    if alert:
        tell.raise_alert(alert)


def tell_of_bug(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """For `on_failure`: errors that nobody foresaw. In a batch the batch tells of it, since it ends it too."""
    # a run that ended as it should, though badly, has its result as its data, which Prefect may have wrapped
    if _in_batch.get() or isinstance(getattr(state.data, "result", state.data), RunResult):
        return
    error = failure_of(state)
    if not isinstance(error, EarwitnessError) or flow_run.deployment_id is not None:
        tell.raise_alert(bug(error, flow=flow.name, run_url=_link(flow_run)))


def tell_of_crash(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """For `on_crashed`: a run that is told to stop. Somebody at the command line knows that already."""
    if flow_run.deployment_id is None:
        give_back(str(flow_run.id))
        return
    give_up(str(flow_run.id))
    if not _in_batch.get():
        tell.raise_alert(
            run_crashed(flow=flow.name, run=str(flow_run.id), message=state.message or "", run_url=_link(flow_run))
        )


def tell_of_room(*folders: Path) -> list[StorageState]:
    """Tell people of every disk on which little room is left, and give those.

    Raises:
        StorageError: a disk can't be looked at.
    """
    disks = {state.path.stat().st_dev: state for state in map(storage_state, folders)}
    low = [state for state in disks.values() if state.level != "ok"]
    for state in low:
        tell.raise_alert(storage_low(where=str(state.path), free_bytes=state.free_bytes))
    return low


def tell_of_health(checks: Sequence[Check]) -> None:
    """Tell people of what keeps runs from working; once for all of it."""
    failed = [check for check in checks if check.state == "fail"]
    if failed:
        tell.raise_alert(
            Alert(
                code="health",
                severity=Severity.ERROR,
                title=f"Runs will not work: {', '.join(check.name for check in failed)}",
                what="\n".join(f"- {check.name}: {check.found}" for check in failed),
                remedy=" ".join(check.remedy for check in failed),
                run_url=_link(_this_run()),
                key=",".join(check.name for check in failed),
            )
        )


class Hooks(TypedDict):
    """Around a flow."""

    on_running: list[FlowStateHook[..., Any]]
    on_completion: list[FlowStateHook[..., Any]]
    on_failure: list[FlowStateHook[..., Any]]
    on_crashed: list[FlowStateHook[..., Any]]


LOOKED_AFTER: Hooks = {
    "on_running": [hold_lease],
    "on_completion": [drop_lease],
    "on_failure": [drop_lease, tell_of_bug],
    "on_crashed": [tell_of_crash],
}
"""For the flows whose runs nobody may lose: a lease while they last, and word of a bad end."""


def send_waiting_alerts(_options: MaintainOptions) -> StepReport:
    """A step of maintenance: what no channel took when it was raised, and how much was held back since."""
    return StepReport(step="waiting alerts", done=[f"sent: {title}" for title in tell.send_waiting()])


def _this_run() -> FlowRun | None:
    context = FlowRunContext.get()
    found = context.flow_run if context else None
    return found if isinstance(found, FlowRun) else None


def _link(run: FlowRun | None) -> str | None:
    return url_for("flow-run", obj_id=run.id) if run else None


def read_blocks(names: Sequence[str]) -> list[str]:
    """Channel URLs in secret blocks: `name` for a Secret, `type/name` for a notification block of Prefect's.

    A block that can't be read is logged by its name, and left out.
    """
    found: list[str] = []
    for name in names:
        try:
            block: Any = Block.load(name) if "/" in name else Secret.load(name)
            value = block.get() if isinstance(block, Secret) else block.url
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            found += text.split()
        except Exception as error:  # noqa: BLE001 - a server's or a block's error; its text may hold the value
            log.warning("the secret block %s can't be used for alerts: %s", name, type(error).__name__)
    return found


tell.block_reader = read_blocks
tell_of_breakers_and_damage()
