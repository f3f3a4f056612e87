"""Many recordings, one after the other; one failure never stops the rest."""

from pathlib import Path

from prefect import flow

from earwitness.audio.find import expand
from earwitness.options import RunOptions
from earwitness.result import RunResult
from flows.recording import process_recording
from flows.states import refused_by_name, result_of
from tasks.alerting import LOOKED_AFTER, one_summary, tell_of_batch
from tasks.summary import show_batch


@flow(name="batch", persist_result=False, **LOOKED_AFTER)
def process_batch(paths: list[Path], options: RunOptions | None = None) -> list[RunResult]:
    """Every recording of some files and folders.

    Args:
        paths: files, or folders that stand for every recording in them.
        options: what holds for all of them.
    """
    options = options or RunOptions()
    with one_summary():
        results = [
            refused_by_name(path, options) or result_of(process_recording(path, options, return_state=True))
            for path in expand(paths, whole_folders=options.tracks == "speakers")
        ]
    show_batch(results)
    tell_of_batch(results)
    return results
