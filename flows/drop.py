"""One dropped recording: processed, and brought to done or rejected."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from earwitness.drops.folder import DropFolder
from earwitness.drops.work import work_on
from earwitness.errors import Transient
from earwitness.result import RunResult
from flows.recording import process_recording
from flows.states import result_of
from tasks.alerting import LOOKED_AFTER, tell_of_drop
from tasks.server import needing_the_server


@flow(name="drop", flow_run_name="{name}", persist_result=False, **LOOKED_AFTER)
def process_drop(folder: Path, ticket: str, name: str = "") -> State[Any]:
    """Process a recording that was dropped; started by the event of earwitness watch.

    Args:
        folder: the drop folder.
        ticket: of the file, which is the name of its folder in processing.
        name: of the file, for people.
    """
    with work_on(DropFolder(folder), ticket) as work:
        if work is None:
            return _ended("Skipped", "nothing to do: it has ended, or somebody else works on it")
        options = work.options()
        if options is None:
            return _ended("Rejected", "its options can't be used")
        try:
            with needing_the_server():
                result = result_of(process_recording(work.recording, options, return_state=True))
        except Transient as error:
            return _ended("Postponed", work.postpone(str(error)))
        said = work.conclude(result)
        tell_of_drop(result)
        return _ended(result.outcome.value.capitalize(), said, result)


def _ended(name: str, message: str, result: RunResult | None = None) -> State[Any]:
    failed = result is not None and result.error is not None and result.bundle is None
    made: State[Any] = (Failed if failed else Completed)(name=name, message=message, data=result)
    return made
