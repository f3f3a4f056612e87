"""Many recordings, one after the other; one failure never stops the rest."""

from pathlib import Path

from prefect import flow

from earwitness.audio.find import expand
from earwitness.options import RunOptions
from earwitness.result import RunResult
from flows.recording import process_recording
from flows.states import refused_by_name, result_of
from tasks.summary import show_batch


@flow(name="batch", persist_result=False)
def process_batch(paths: list[Path], options: RunOptions | None = None) -> list[RunResult]:
    """Every recording of some files and folders.

    Args:
        paths: files, or folders that stand for every recording in them.
        options: what holds for all of them.
    """
    options = options or RunOptions()
    results = [
        refused_by_name(path, options) or result_of(process_recording(path, options, return_state=True))
        for path in expand(paths)
    ]
    show_batch(results)
    return results
