"""From Prefect's states to results."""

from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from earwitness.audio.find import check_name
from earwitness.errors import BadRecording, printable
from earwitness.options import RunOptions
from earwitness.result import ErrorInfo, Outcome, RunResult


def result_of(state: State[Any]) -> RunResult:
    """The result of a recording, whatever its outcome; a bug in the flow is raised as it is."""
    answer = state.result(raise_on_failure=False)
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
        return RunResult(
            outcome=Outcome.FAILED,
            source=printable(str(path)),
            profile=options.profile.value,
            seconds=0,
            error=ErrorInfo.of(error),
        )
    return None
