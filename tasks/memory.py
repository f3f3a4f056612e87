"""What a campaign, show or collection remembers: read before the notes are written, written when they are published."""

import logging
from pathlib import Path

from earwitness.archive.findings import Missing
from earwitness.errors import EarwitnessError
from earwitness.job import Job
from earwitness.memory import kept
from earwitness.memory.memory import Memory
from earwitness.notes.notes import Summarized
from earwitness.schema import digest_of
from tasks.run import Run

log = logging.getLogger(__name__)


def recall(run: Run) -> Memory | None:
    """What is remembered of the recordings before this one; None where nothing is to be, or it can't be read.

    Never cached: what was forgotten holds from the next run on.
    """
    job = run.job
    if job is None or job.options.memory.scope is None:
        return None
    try:
        memory, warnings = kept.recall(job.options.memory.scope, _source(job), job.options.memory.number)
    except EarwitnessError as error:
        _lacks(run, error)
        return None
    run.warnings += warnings
    return memory


def remember(summarized: Summarized | None, run: Run) -> None:
    """Keep what the published notes tell, for the recordings that follow."""
    job = run.job
    if job is None or job.options.memory.scope is None or summarized is None or summarized.facts is None:
        return
    run.changed = summarized.notes.changes.counts if summarized.notes.changes else None
    try:
        kept.remember(job.options.memory.scope, _source(job), summarized.facts)
    except EarwitnessError as error:
        _lacks(run, error)


def _lacks(run: Run, error: EarwitnessError) -> None:
    log.warning("%s: %s", run.path.name, error)
    run.missing.append(Missing(stage="memory", code=error.code, message=error.message, remedy=error.remedy))


def _source(job: Job) -> kept.Source:
    part = f" {job.slice_ms[0] / 1000:g}-{job.slice_ms[1] / 1000:g}" if job.slice_ms else ""
    return kept.Source(
        digest=digest_of([job.sha256, job.slice_ms]),
        recording_id=job.recording_id,
        name=f"{Path(job.source_name).stem}{part}",
    )
