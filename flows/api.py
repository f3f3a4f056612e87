"""`run_flow`: the whole pipeline from Python."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, overload

from earwitness.archive.reading import is_bundle
from earwitness.batch.choose import BatchOptions, read_batch
from earwitness.job import check_options
from earwitness.options import RunOptions, read_options
from earwitness.result import RunResult

PathArgument = str | PathLike[str]


@overload
def run_flow(path: PathArgument, **options: Any) -> RunResult: ...
@overload
def run_flow(path: Sequence[PathArgument], **options: Any) -> list[RunResult]: ...
def run_flow(path: PathArgument | Sequence[PathArgument], **options: Any) -> RunResult | list[RunResult]:
    """Process a recording, or several.

    Args:
        path: a sound or video file, a zip of sound files with one speaker each, a folder that stands for every
            recording in it (with `tracks="speakers"` for one recording), or a list of these. A bundle stands for its
            recording and is made anew in its place, with its own settings and `corrections`.
        **options: the fields of `earwitness.options.RunOptions`: `profile="podcast"`, `out="bundles"`,
            `cast="cast.yaml"`, `transcript="talk.srt"`, `speakers=4`, `clip={"count": 2}`, ...
            And `batch`, the fields of `earwitness.batch.choose.BatchOptions`: `{"at_once": 3}`,
            `{"workers": "dask:2"}`, ... A single recording is a batch of one then, with a list of one result.

    Returns:
        The result of a file or bundle; a list of results for a folder, a list or a batch. A recording that fails is
        a result with `outcome="failed"` and an `error`, never an exception.

    Raises:
        UsageError: an option is unknown or not acceptable, or names a file that can't be used.
        ServerUnavailable: Prefect's server can't be reached or fails.
        WorkersUnavailable: the workers of `batch` can't be used; nothing was begun.
    """
    batch = options.pop("batch", None) or {}
    chosen, together = read_options(options), read_batch(batch)
    check_options(chosen)
    if isinstance(path, str | PathLike):
        single = not Path(path).is_dir() or is_bundle(Path(path)) or chosen.tracks == "speakers"
        return _one(Path(path), chosen) if single and not batch else _many([Path(path)], chosen, together)
    return _many([Path(item) for item in path], chosen, together)


def _many(paths: list[Path], options: RunOptions, together: BatchOptions) -> list[RunResult]:
    from flows.batch import process_batch
    from flows.states import refused_by_name
    from tasks.server import needing_the_server

    refused = {path: answer for path in paths if (answer := refused_by_name(path, options))}
    others = [path for path in paths if path not in refused]
    if refused and not others:
        return [*refused.values()]
    with needing_the_server():
        return [*refused.values(), *process_batch(others, options, together)]


def _one(path: Path, options: RunOptions) -> RunResult:
    from flows.recording import process_recording
    from flows.states import refused_by_name, result_of
    from tasks.server import needing_the_server

    if refused := refused_by_name(path, options):
        return refused
    with needing_the_server():
        return result_of(process_recording(path, options, return_state=True))
