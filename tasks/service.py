"""Work pools, queues and limits of the service, as it needs them on Prefect's server."""

from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.exceptions import ObjectNotFound

from earwitness.local_service.service import UPKEEP_POOL, WORK_POOL
from tasks.limits import make_limits
from tasks.server import needing_the_server

DEPLOYMENTS = ["recording", "drop", "batch", "sweep", "maintain", "health"]
"""Of prefect.yaml."""
QUEUES = {"high": 1, "normal": 5, "low": 9}
"""The queue with the lowest number is served first."""


def prepare_pools(at_once: int) -> None:
    """Make what is not there yet, and set how many recordings may be processed at a time.

    The limits of stages begin with that number, too; after that they are what people make of them.

    Raises:
        ServerUnavailable: the server does not answer.
    """
    with needing_the_server(), get_client(sync_client=True) as client:
        _pool(client, WORK_POOL, at_once)
        _pool(client, UPKEEP_POOL, None)
        there = {queue.name for queue in client.read_work_queues(work_pool_name=WORK_POOL)}
        for name, priority in QUEUES.items():
            if name not in there:  # people may have given it another priority
                client.create_work_queue(name=name, priority=priority, work_pool_name=WORK_POOL)
        make_limits(client, at_once)


def knows_deployments() -> bool:
    """Whether the server has all deployments of prefect.yaml, whatever version of them.

    Raises:
        ServerUnavailable: the server does not answer.
    """
    with needing_the_server(), get_client(sync_client=True) as client:
        found = client.read_deployments(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=DEPLOYMENTS)))
    return {deployment.name for deployment in found} == set(DEPLOYMENTS)


def look_for_killed_runs() -> None:
    """Have maintenance see to the runs of a worker that is gone, now rather than at its next turn.

    Raises:
        ServerUnavailable: the server does not answer.
    """
    with needing_the_server(), get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("maintain/maintain")
        options = {**deployment.parameters["options"], "pending_before": datetime.now(UTC).isoformat()}
        client.create_flow_run_from_deployment(deployment.id, parameters={"options": options}, name="after-a-start")


def _pool(client: SyncPrefectClient, name: str, limit: int | None) -> None:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", concurrency_limit=limit))
    else:
        if limit is not None:
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))
