"""From Prefect's states to results."""

from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import MissingResult

from earwitness.audio.find import check_name
from earwitness.errors import BadRecording, EarwitnessError, printable
from earwitness.options import RunOptions
from earwitness.result import ErrorInfo, Outcome, RunResult
from tasks.run import said_by


def result_of(state: State[Any]) -> RunResult:
    """The result of a recording, whatever its outcome; a bug in the flow is raised as it is."""
    said = said_by(state.state_details.flow_run_id)
    try:
        answer = state.result(raise_on_failure=False)
    except MissingResult:
        # the server had taken the state, but its answer was lost: asked again, it gives its own copy, without data
        if said is None:
            raise
        answer = said
    if isinstance(answer, RunResult):
        return answer
    if isinstance(answer, BaseException):
        raise answer
    raise TypeError(f"the flow ended as {state.name} without a result: {state.message}")


def refused_by_name(path: Path, options: RunOptions) -> RunResult | None:
    """The failure of a recording whose name can't be a flow's parameter (Prefect's are JSON); None for all others."""
    try:
        check_name(path)
    except BadRecording as error:
        return refused_for(path, options, error)
    return None


def refused_for(path: Path, options: RunOptions, error: EarwitnessError) -> RunResult:
    """The failure of a recording that nothing was begun with."""
    return RunResult(
        outcome=Outcome.FAILED,
        source=printable(str(path)),
        profile=options.profile.value,
        seconds=0,
        error=ErrorInfo.of(error),
    )
