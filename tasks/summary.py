"""The result of a run, shown in Prefect's UI."""

from collections.abc import Sequence

from earwitness.archive.findings import Findings
from earwitness.maintenance.options import StepReport
from earwitness.result import RunResult
from earwitness.talk.plot import timeline_markdown
from tasks.artifacts import artifact_key, show_link, show_markdown, show_table


def show_result(result: RunResult) -> None:
    """What was made, by which engines, and what to mind."""
    key = result.recording_id or "recording"
    show_markdown(artifact_key("result", key), _text(result), f"{result.outcome.value}: {result.source}")
    if result.bundle is not None and (report := result.bundle / "report.html").is_file():
        show_link(artifact_key("report", key), report, "Open the report")


def show_timeline(findings: Findings) -> None:
    """Who speaks when, as a picture, and how they talk; nothing where nobody was told apart."""
    if findings.diarized is None or not findings.diarized.turns:
        return
    text = timeline_markdown(
        findings.diarized.turns, findings.speakers, findings.preprocessed.duration_ms, findings.talk
    )
    show_markdown(artifact_key("timeline", findings.recording_id), text, f"Who speaks when: {findings.source_name}")


def show_batch(results: Sequence[RunResult]) -> None:
    """One row a recording."""
    rows = [
        {
            "recording": result.source,
            "outcome": result.outcome.value,
            "seconds": result.seconds,
            "cost_usd": result.cost_usd,
            "bundle": str(result.bundle or ""),
            "error": result.error.message if result.error else "",
            "remedy": result.error.remedy if result.error else "",
        }
        for result in results
    ]
    done = sum(result.outcome.value == "done" for result in results)
    show_table("batch", rows, f"{done} of {len(results)} recordings done")


def show_maintenance(reports: Sequence[StepReport]) -> None:
    """One row a thing that was done or is to be minded."""
    rows = [
        {"step": report.step, "what": kind, "detail": line}
        for report in reports
        for kind, lines in (("done", report.done), ("mind", report.mind), ("failed", [report.failed]))
        for line in lines
        if line
    ]
    show_table("maintenance", rows, "What maintenance did" if rows else "Nothing was to be done")


def _text(result: RunResult) -> str:
    lines = [
        f"# {result.source.rsplit('/', 1)[-1]}: {result.outcome.value}",
        "",
        f"- bundle: `{result.bundle}`" if result.bundle else "- no bundle",
        f"- {result.duration_s or 0:.1f} s of sound in {result.seconds:.1f} s, ${result.cost_usd:.2f}",
        f"- speakers: {', '.join(result.names) or 'unknown'}",
        "",
        "| stage | state | seconds | engine |",
        "|---|---|---:|---|",
    ]
    lines += [
        f"| {stage} | {run.state} | {run.seconds:.1f} | {result.engines.get(stage, '')} |"
        for stage, run in result.stages.items()
    ]
    if result.error:
        lines += ["", f"**{result.error.message}** {result.error.remedy}"]
    if result.warnings:
        lines += ["", "Mind:", *(f"- {warning}" for warning in result.warnings)]
    return "\n".join(lines)


def show_sweep(lines: Sequence[str]) -> None:
    """What a sweep of a drop folder did."""
    show_table("sweep", [{"what": line} for line in lines], "What the sweep did" if lines else "Nothing was lost")
