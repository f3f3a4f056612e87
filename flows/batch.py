"""Many recordings: some at a time, and one failure never stops the rest."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from pathlib import Path
from uuid import uuid4

from prefect import flow
from prefect.context import TagsContext

from earwitness.batch.choose import HERE, BatchOptions, Item, choose
from earwitness.batch.finished import finished, note_finished
from earwitness.errors import EarwitnessError, UsageError
from earwitness.interrupt import Interruption, current_interruption, interrupt_once_more
from earwitness.options import RunOptions
from earwitness.result import RunResult
from flows.recording import process_recording
from flows.states import refused_by_name, refused_for, result_of
from flows.workers import came_back, job_of, process_job
from tasks.alerting import LOOKED_AFTER, one_summary, tell_of_batch
from tasks.summary import show_batch
from tasks.workers import current_run, dask_workers


@flow(name="batch", persist_result=False, **LOOKED_AFTER)
def process_batch(
    paths: list[Path] | None = None, options: RunOptions | None = None, batch: BatchOptions | None = None
) -> list[RunResult]:
    """Every recording of some files and folders, and of a manifest.

    Args:
        paths: files, or folders that stand for every recording in them.
        options: what holds for all of them.
        batch: which ones, and how many at a time.
    """
    want = batch or BatchOptions()
    items = choose(paths or [], options or RunOptions(), want)
    with one_summary():
        # what belongs together is remembered from one recording to the next, so they can't be done at once
        in_order = any(item.options.memory.scope for item in items)
        if want.workers != HERE and in_order:
            raise UsageError(
                "memory.scope and batch.workers don't go together: each recording needs what the one before left here.",
                f"Leave batch.workers as it is ({HERE}), or memory.scope out.",
            )
        if want.workers != HERE:
            results = _on_workers(items, want)
        elif want.at_once == 1 or in_order:
            results = [_process(item, want) for item in items]
        else:
            results = _side_by_side(items, want)
    show_batch(results)
    tell_of_batch(results)
    return results


def _process(item: Item, want: BatchOptions) -> RunResult:
    return _settled(item, want) or _noted(
        item, result_of(process_recording(item.path, item.options, return_state=True))
    )


def _settled(item: Item, want: BatchOptions) -> RunResult | None:
    """What comes of a recording that there is nothing to be done with."""
    if item.refused is not None:
        return refused_for(item.path, item.options, item.refused)
    if refused := refused_by_name(item.path, item.options):
        return refused
    return finished(item.path, item.options) if want.skip_finished and not item.options.dry_run else None


def _noted(item: Item, result: RunResult) -> RunResult:
    if not item.options.dry_run:
        note_finished(item.path, item.options, result)
    return result


def _side_by_side(items: list[Item], want: BatchOptions) -> list[RunResult]:
    """Interrupted, it stops all of them: Python interrupts the main thread only."""
    whole = Interruption()
    token = current_interruption.set(whole)
    pool = ThreadPoolExecutor(want.at_once, thread_name_prefix="recording")
    try:
        futures = [pool.submit(copy_context().run, _process, item, want) for item in items]
        while wait(futures, timeout=1.0).not_done:
            interrupt_once_more()
        return [future.result() for future in futures]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        whole.happen()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        current_interruption.reset(token)


def _on_workers(items: list[Item], want: BatchOptions) -> list[RunResult]:
    """Handed over in their order, noted as they come back; a bug is raised when all others are done."""
    keys = [f"recording-{number}-{uuid4()}" for number, _ in enumerate(items)]
    results: dict[str, RunResult] = {}
    bugs: list[BaseException] = []
    batch, marks = current_run(), TagsContext.get().current_tags
    with dask_workers(process_job, want, batch) as workers:
        for key, item in zip(keys, items, strict=True):
            if settled := _settled(item, want):
                results[key] = settled
            else:
                workers.hand_over(process_job, job_of(item, batch, marks), key)
        given = dict(zip(keys, items, strict=True))
        for answer in workers.answers():
            item = given[answer.key]
            if answer.error is None or isinstance(answer.error, EarwitnessError):
                results[answer.key] = _noted(item, came_back(item, answer.error or answer.value))
            else:
                bugs.append(answer.error)
    for bug in bugs:
        raise bug
    return [results[key] for key in keys]
