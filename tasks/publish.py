"""Stage *publish*: one bundle, complete or not there."""

from pathlib import Path

from prefect import task

from earwitness.archive.bundle import compose_bundle
from earwitness.archive.findings import Composed, Findings
from earwitness.archive.place import place_bundle
from tasks.artifacts import artifact_key, show_table
from tasks.progress import current_recording, stage_progress
from tasks.run import Run
from tasks.stage import stage


@stage("publish", version="3")
def publish(findings: Findings) -> Composed:
    """Every file of the bundle, checked, in the store."""
    composed = compose_bundle(findings, findings.cast is not None, stage_progress("publish"))
    rows = [{"file": item.file, "level": item.level, "found": item.message} for item in composed.checks]
    rows += [{"file": "", "level": "left out", "found": part.message} for part in composed.missing]
    show_table(
        artifact_key("checks", current_recording.get()),
        rows,
        f"{len(composed.files)} files checked, {len(composed.missing)} left out, {len(composed.checks)} with a remark",
    )
    return composed


def compose(findings: Findings, run: Run) -> Composed:
    """The bundle; where it failed for good, all of it but the report, which draws on everything."""
    composed = run.hope(run.start(publish, findings=findings))
    if composed is None:
        composed = run.do(publish, findings=findings.model_copy(update={"missing": run.missing}))
    return composed


@task(name="place", task_run_name="place", persist_result=False)
def place(composed: Composed, out: Path) -> tuple[Path, bool]:
    """Move the bundle to where the user wants it; (folder, whether anything had to be written)."""
    return place_bundle(composed, out)
