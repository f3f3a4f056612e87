"""Look after the house: killed runs, leftovers, room, what waits to be sent. Scheduled, and `earwitness maintain`."""

import logging
from collections.abc import Callable
from functools import partial

from prefect import flow, tags
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from earwitness.batch.choose import BatchOptions
from earwitness.maintenance.options import MaintainOptions, StepReport, from_folder, options_from_folder
from earwitness.options import read_options
from flows.batch import process_batch
from flows.drop import process_drop
from flows.recording import process_recording
from tasks.alerting import send_waiting_alerts
from tasks.reap import Killed, reap_killed_runs
from tasks.summary import show_maintenance
from tasks.upkeep import clean_up, look_at_room, share

log = logging.getLogger(__name__)

Step = Callable[[MaintainOptions], StepReport]


def run_again(killed: Killed, marks: list[str]) -> None:
    """Run a killed run again in this process; what was finished is taken from its checkpoints."""
    assert killed.left is not None
    given, folder = killed.run.parameters, killed.left.lease.folder
    options = options_from_folder(folder, read_options(given.get("options") or {}))
    with tags(*marks):
        if killed.flow == "batch":
            paths = [from_folder(folder, path) for path in given["paths"]]
            process_batch(paths, options, BatchOptions.model_validate(given.get("batch") or {}), return_state=True)
        elif killed.flow == "drop":
            process_drop(from_folder(folder, given["folder"]), given["tickets"], given["name"], return_state=True)
        else:
            process_recording(from_folder(folder, given["path"]), options, return_state=True)


STEPS: list[Step] = [
    send_waiting_alerts,
    clean_up,
    share,
    look_at_room,
    partial(reap_killed_runs, restart=run_again),  # last: it may run recordings
]
"""What is done, in this order; a step that fails does not keep the others from their work."""


@flow(name="maintain", persist_result=False)
def maintain(options: MaintainOptions | None = None) -> State[list[StepReport]]:
    """Notice killed runs and see to them, sweep up what dead processes left, send and share what is waiting.

    Args:
        options: how; leave empty to only report.
    """
    want = options or MaintainOptions()
    reports = [_attempt(step, want) for step in STEPS]
    show_maintenance(reports)
    failed = [report for report in reports if report.failed]
    message = "; ".join(f"{report.step}: {report.failed}" for report in failed)
    made: State[list[StepReport]] = (
        Failed(data=reports, message=message) if failed else Completed(data=reports, message="done")
    )
    return made


def run_maintenance(options: MaintainOptions) -> list[StepReport]:
    """Maintenance from Python: what each step did."""
    reports = maintain(options, return_state=True).result(raise_on_failure=False)
    if isinstance(reports, Exception):
        raise reports
    return [StepReport.model_validate(report) for report in reports]


def _attempt(step: Step, options: MaintainOptions) -> StepReport:
    try:
        return step(options)
    except Exception as error:
        name = getattr(step, "func", step).__name__.replace("_", " ")
        log.exception("maintenance: %s failed", name)
        return StepReport(step=name, failed=f"{type(error).__name__}: {error}")
