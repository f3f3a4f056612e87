"""Retry in Prefect's UI: the same run goes on, and computes only what it lacks."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow

from earwitness.errors import EngineFailed
from earwitness.result import Outcome, RunResult
from flows.recording import process_recording
from tasks.limits import limit_of, make_limits
from tests.flows.conftest import QUICK, forget, stages

pytestmark = [pytest.mark.server]


def refuse(*_args: object, **_kwargs: object) -> None:
    raise EngineFailed("The clip maker is broken.")


def test_only_what_failed_is_computed(short_call: Path, tmp_path: Path) -> None:
    """First there is no limit for clips, then the maker of clips is broken, then all is well."""
    forget("clip")
    with get_client(sync_client=True) as api:
        made_of = "flows/recording.py:process_recording"
        deployment = api.create_deployment(api.create_flow(process_recording), name="retried", entrypoint=made_of)
        given = {"path": str(short_call), "options": {**QUICK, "out": str(tmp_path / "out")}}
        run = api.create_flow_run_from_deployment(deployment, parameters=given)

        def execute() -> RunResult:
            """As a worker's process does it."""
            state: Any = run_flow(process_recording, flow_run=api.read_flow_run(run.id), return_type="state")
            result: RunResult = state.result(raise_on_failure=False)
            return result

        def retry() -> None:
            """What the button does."""
            again = State[Any](type=StateType.SCHEDULED, name="AwaitingRetry", message="Retry from the UI")
            assert api.set_flow_run_state(run.id, again).status is SetStateStatus.ACCEPT

        make_limits(api, 1)
        with suppress(ObjectNotFound):
            api.delete_global_concurrency_limit_by_name(limit_of("clip"))
        first = execute()
        assert first.error is not None
        assert (first.outcome, first.error.code, first.bundle) == (Outcome.FAILED, "server-unavailable", None)

        make_limits(api, 1)
        retry()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tasks.clip.make_clips", refuse)
            second = execute()
        assert second.outcome is Outcome.PARTIAL
        assert stages(second) == {"publish"}
        assert stages(second, "failed") == {"clip"}

        retry()
        third = execute()
        assert third.outcome is Outcome.DONE
        assert stages(third) == {"clip", "publish"}
        ended = api.read_flow_run(run.id)
        assert ended.run_count == 3
        assert ended.state is not None
        assert ended.state.name == "Done"
