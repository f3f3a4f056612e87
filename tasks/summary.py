"""The result of a run, shown in Prefect's UI."""

from collections import Counter
from collections.abc import Sequence

from earwitness.archive.findings import Findings
from earwitness.maintenance.options import StepReport
from earwitness.preflight import Check
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
    show_table("batch", rows, _totals(results))
    failed = [result for result in results if result.error is not None]
    if failed:
        lines = [
            f"- **{result.source}**: {result.error.message} {result.error.remedy}" for result in failed if result.error
        ]
        show_markdown("batch-failures", "\n".join(["# What needs a look", "", *lines]), f"{len(failed)} need a look")


def _totals(results: Sequence[RunResult]) -> str:
    counts = Counter(result.outcome.value for result in results)
    parts = [f"{count} {name}" for name, count in sorted(counts.items())]
    parts.append(f"{sum(result.duration_s or 0 for result in results) / 3600:.1f} h of sound")
    parts.append(f"{sum(result.seconds for result in results):.0f} s of work")
    parts.append(f"${sum(result.cost_usd for result in results):.2f}")
    if forecasts := [result.estimate for result in results if result.estimate]:
        parts.append(
            f"estimated: {sum(one.seconds for one in forecasts):.0f} s, "
            f"{sum(one.storage_bytes for one in forecasts) / 1e6:.0f} MB, ${sum(one.cost_usd for one in forecasts):.2f}"
        )
    return f"{len(results)} recordings: {', '.join(parts)}"


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


def show_health(checks: Sequence[Check]) -> None:
    """One row a thing that was looked at."""
    rows = [
        {"state": check.state, "what": check.name, "found": check.found, "remedy": check.remedy} for check in checks
    ]
    failed = sum(check.state == "fail" for check in checks)
    show_table("health", rows, f"{failed} in the way" if failed else "All is well")


def show_sweep(lines: Sequence[str]) -> None:
    """What a sweep of a drop folder did."""
    show_table("sweep", [{"what": line} for line in lines], "What the sweep did" if lines else "Nothing was lost")
