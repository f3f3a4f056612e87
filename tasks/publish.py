"""Stage *publish*: one bundle, complete or not there."""

from pathlib import Path

from prefect import task

from earwitness.archive.bundle import compose_bundle
from earwitness.archive.findings import Composed, Findings, Missing
from earwitness.archive.place import place_bundle
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("publish", version="1")
def publish(findings: Findings, *, cast_given: bool) -> Composed:
    """Every file of the bundle, in the store."""
    return compose_bundle(findings, cast_given, stage_progress("publish"))


def without_report(findings: Findings, missing: list[Missing]) -> Findings:
    """What to publish where the bundle failed for good: all of it but the report, which draws on everything."""
    return findings.model_copy(update={"missing": missing})


@task(name="place", task_run_name="place", persist_result=False)
def place(composed: Composed, out: Path) -> tuple[Path, bool]:
    """Move the bundle to where the user wants it; (folder, whether anything had to be written)."""
    return place_bundle(composed, out)
