"""Serve all flows from this process: the quickest way to see them in a Prefect server's UI.

    python -m deployments.server &    # or set PREFECT_API_URL to yours
    python -m deployments.serve

For schedules and priorities use a work pool and `prefect deploy --all` instead (prefect.yaml).
"""

from typing import Any

from prefect import serve
from prefect.client.orchestration import get_client

from earwitness.maintenance.options import MaintainOptions
from flows.batch import process_batch
from flows.maintain import maintain
from flows.recording import process_recording
from tasks.limits import make_limits

_AT_ONCE = 2


def main() -> None:
    """Serve until interrupted; two runs at a time at most, since the engines use every core."""
    with get_client(sync_client=True) as client:
        make_limits(client, _AT_ONCE)
    made: list[Any] = [  # Prefect's types allow for coroutines here, which there are only in asynchronous code
        process_recording.to_deployment(
            "recording",
            tags=["earwitness"],
            description="One recording: who said what and when, notes with citations, clips, a bundle.",
        ),
        process_batch.to_deployment(
            "batch", tags=["earwitness"], description="Every recording of some files and folders, one after the other."
        ),
        maintain.to_deployment(
            "maintain",
            tags=["earwitness"],
            description="Notices killed runs and starts them again, cleans up, and sends and shares what is waiting.",
            interval=600,
            parameters={
                "options": MaintainOptions(resume=2, clean_after_days=30, pending_s=900).model_dump(mode="json")
            },
        ),
    ]
    serve(*made, limit=_AT_ONCE)


if __name__ == "__main__":
    main()
