"""Look at a file and settle what will be done with it."""

from pathlib import Path

from prefect import task

from earwitness.job import Job, plan_job
from earwitness.options import RunOptions


@task(name="plan", task_run_name="plan", persist_result=False)
def plan(path: Path, options: RunOptions) -> Job:
    """Digest, cast, sidecar and engines: what the keys of all checkpoints hang on, so never cached."""
    return plan_job(path, options)
