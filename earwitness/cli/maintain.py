"""`earwitness maintain`: the scheduled maintenance, once and here."""

import json
import logging
import os

import click

from earwitness.cli.amounts import optional_seconds
from earwitness.errors import ExitCode


@click.command()
@click.option(
    "--resume",
    type=click.IntRange(0, 10),
    default=0,
    show_default=True,
    metavar="N",
    help="Start killed runs again, each at most N times.",
)
@click.option(
    "--clean-after",
    callback=optional_seconds,
    metavar="AGE",
    help="Also remove finished stages that were not used for this long, as clean does: 90m, 12h, 30d, 4w.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--verbose", is_flag=True, help="Show Prefect's log on stderr.")
def maintain(resume: int, clean_after: float | None, as_json: bool, verbose: bool) -> int:
    """Notice runs whose process was killed and see to them, and look after the store.

    Also sweeps up what dead processes left, sends alerts and shares stages that are waiting, and warns of a full disk.
    Safe at any time, and beside other maintenance. For a schedule see prefect.yaml.
    """
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO" if verbose else "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    if not verbose:
        for name in ("earwitness", "tasks", "flows"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    from earwitness.alerts.tell import wait_for_alerts
    from earwitness.maintenance.options import MaintainOptions
    from flows.maintain import run_maintenance

    days = None if clean_after is None else clean_after / 86_400
    want = MaintainOptions(resume=resume, here=resume > 0, clean_after_days=days)
    reports = run_maintenance(want)
    wait_for_alerts(5)
    failed = any(report.failed for report in reports)
    if as_json:
        answer = {"ok": not failed, "steps": [report.model_dump(mode="json") for report in reports]}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=1))
    else:
        for report in reports:
            lines = [*report.done, *(f"mind: {line}" for line in report.mind)]
            lines += [f"failed: {report.failed}"] if report.failed else []
            click.echo(f"{report.step}:" if lines else f"{report.step}: nothing to do")
            for line in lines:
                click.echo(f"  {line}")
    return int(ExitCode.BUG if failed else ExitCode.DONE)
