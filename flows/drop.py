"""Dropped recordings: processed, and brought to done or rejected."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from earwitness.drops.folder import Drop, DropFolder
from earwitness.drops.work import work_on
from earwitness.errors import Transient
from earwitness.result import RunResult
from flows.recording import process_recording
from flows.states import result_of
from tasks.alerting import LOOKED_AFTER, tell_of_drop
from tasks.server import needing_the_server


@flow(name="drop", flow_run_name="{name}", persist_result=False, **LOOKED_AFTER)
def process_drop(folder: Path, tickets: list[str], name: str = "") -> State[Any]:
    """Process recordings that were dropped, one after the other; started by the event of earwitness watch.

    Args:
        folder: the drop folder.
        tickets: of the files; the ticket of a file is the name of its folder in processing.
        name: of the files, for people.
    """
    drops = DropFolder(folder)
    with drops.in_hand(tickets) as found:
        ended = [_process(drops, drop) for drop in found]
    if not ended:
        return _ended("Skipped", "nothing to do: it has ended, or somebody else works on it")
    return ended[0] if len(ended) == 1 else _together(ended)


def _process(drops: DropFolder, drop: Drop) -> State[Any]:
    with work_on(drops, drop) as work:
        if work is None:
            return _ended("Rejected", f"{drop.name}: whatever processed it was killed")
        options = work.options()
        if options is None:
            return _ended("Rejected", f"{drop.name}: its options can't be used")
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


def _together(ended: Sequence[State[Any]]) -> State[Any]:
    """One bad recording among good ones is no failure of the run."""
    counts = Counter(state.name for state in ended)
    others = [state.message or "" for state in ended if state.name != "Done"]
    message = "; ".join([", ".join(f"{count} {name}" for name, count in counts.items()), *others])
    every = all(state.is_failed() for state in ended)
    made: State[Any] = (Failed if every else Completed)(name=None if every else "Ended", message=message)
    return made
