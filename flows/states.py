"""From Prefect's states to results."""

from prefect.client.schemas.objects import State
from prefect.states import get_state_exception

from earwitness.result import RunResult


def result_of(state: State[RunResult]) -> RunResult:
    """The result of a recording, whatever its outcome; a bug in the flow is raised as it is."""
    answer = state.result(raise_on_failure=False)
    if isinstance(answer, RunResult):
        return answer
    if isinstance(answer, BaseException):
        raise answer
    raise get_state_exception(state)
