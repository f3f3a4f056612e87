"""Progress bars in Prefect's UI."""

from typing import Any

import pytest

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]


def bars() -> list[Any]:
    """What a run with a stage that reports three times leaves in the UI."""
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterType

    from tasks.progress import stage_progress

    @task
    def reports() -> None:
        progress = stage_progress("listen")
        for share in (0.25, 0.5, 1.0):
            progress(share)

    @flow
    def run() -> None:
        reports()

    with get_client(sync_client=True) as client:
        ended: Any = run(return_state=True)
        wanted = ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[ended.state_details.flow_run_id]),
            type=ArtifactFilterType(any_=["progress"]),
        )
        return [(bar.description, bar.data) for bar in client.read_artifacts(artifact_filter=wanted)]


def test_a_stage_that_takes_its_time_has_a_bar_that_ends_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.progress.ARTIFACT_PAUSE_S", 0.0)
    assert bars() == [("listen", 100.0)]


def test_a_stage_that_ends_at_once_costs_the_server_nothing() -> None:
    assert bars() == []
