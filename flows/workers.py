"""One recording of a batch on a Dask worker, there and back."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import tags

from earwitness.batch.choose import Item
from earwitness.errors import EarwitnessError
from earwitness.maintenance.options import from_folder, options_from_folder
from earwitness.options import RunOptions
from earwitness.result import RunResult
from flows.recording import process_recording
from flows.states import refused_for, result_of
from tasks.alerting import one_summary
from tasks.server import needing_the_server

Job = dict[str, Any]
"""Plain values: pickles of our own classes would tie the worker's Python to ours."""


def job_of(item: Item, batch: UUID, marks: Iterable[str]) -> Job:
    """What a worker is told; it may have another working directory."""
    folder = str(Path.cwd())
    options = options_from_folder(folder, item.options)
    return {
        "batch": str(batch),
        "tags": sorted(marks),
        "path": str(from_folder(folder, item.path)),
        "options": options.model_dump(mode="json", by_alias=True, exclude_unset=True),
    }


def process_job(job: Job) -> Job:
    """On the worker: the recording is a flow run of its own below the batch, as it would be without workers."""
    from tasks.on_worker import at_work, run_below  # they need Dask

    path, options = Path(job["path"]), RunOptions.model_validate(job["options"])
    with at_work(job["batch"], path.name) as key, one_summary(), tags(*job["tags"]), needing_the_server():
        return result_of(run_below(process_recording, job["batch"], key, path=path, options=options)).to_json()


def came_back(item: Item, answer: Job | EarwitnessError) -> RunResult:
    """The result as this process would have had it, paths as they were given."""
    if isinstance(answer, EarwitnessError):
        return refused_for(item.path, item.options, answer)
    result = RunResult.model_validate(answer)
    bundle = result.bundle
    if bundle is not None and not item.options.out.is_absolute():
        bundle = bundle.relative_to(Path.cwd())
    return result.model_copy(update={"source": str(item.path), "bundle": bundle})
