"""Many recordings: some at a time, and one failure never stops the rest."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from pathlib import Path

from prefect import flow

from earwitness.batch.choose import BatchOptions, Item, choose
from earwitness.batch.finished import finished, note_finished
from earwitness.interrupt import Interruption, current_interruption, interrupt_once_more
from earwitness.options import RunOptions
from earwitness.result import RunResult
from flows.recording import process_recording
from flows.states import refused_by_name, refused_for, result_of
from tasks.alerting import LOOKED_AFTER, one_summary, tell_of_batch
from tasks.summary import show_batch


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
        alone = want.at_once == 1 or any(item.options.memory.scope for item in items)
        results = [_process(item, want) for item in items] if alone else _side_by_side(items, want)
    show_batch(results)
    tell_of_batch(results)
    return results


def _process(item: Item, want: BatchOptions) -> RunResult:
    if item.refused is not None:
        return refused_for(item.path, item.options, item.refused)
    if refused := refused_by_name(item.path, item.options):
        return refused
    if want.skip_finished and not item.options.dry_run and (before := finished(item.path, item.options)):
        return before
    result = result_of(process_recording(item.path, item.options, return_state=True))
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
