"""`earwitness doctor`: preflight."""

import json
import sys

import click

from earwitness.errors import ExitCode

_UNFOLDED = 1000
_MARKS = {"ok": "[green]ok[/green]", "warn": "[yellow]mind[/yellow]", "fail": "[bold red]missing[/bold red]"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def doctor(as_json: bool) -> int:
    """Check programs, models, keys, disk and server; each finding comes with what to do."""
    from earwitness.preflight import check_machine

    checks = check_machine()
    failed = [check.name for check in checks if check.state == "fail"]
    code = ExitCode.UNAVAILABLE if failed else ExitCode.DONE
    if as_json:
        answer = {"ok": not failed, "checks": [check.model_dump(mode="json") for check in checks]}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=1))
        return int(code)
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    # a log or a pipe has no width: folded there, paths could be neither copied nor searched for
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold")
    for check in checks:
        found = escape(check.found) + (f"\n[dim]→ {escape(check.remedy)}[/dim]" if check.remedy else "")
        table.add_row(_MARKS[check.state], escape(check.name), found)
    console.print(table)
    minded = sum(check.state == "warn" for check in checks)
    if failed:
        console.print(f"\nRuns will not work here yet: {', '.join(failed)}.")
    else:
        console.print(f"\nReady to run.{f' {minded} to mind, none in the way.' if minded else ''}")
    return int(code)
