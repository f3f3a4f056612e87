"""From Prefect's states to results."""

from typing import Any

from prefect.client.schemas.objects import State

from earwitness.result import RunResult


def result_of(state: State[Any]) -> RunResult:
    """The result of a recording, whatever its outcome; a bug in the flow is raised as it is."""
    answer = state.result(raise_on_failure=False)
    if isinstance(answer, RunResult):
        return answer
    if isinstance(answer, BaseException):
        raise answer
    raise TypeError(f"the flow ended as {state.name} without a result: {state.message}")
