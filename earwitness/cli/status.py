"""`earwitness status`: what runs, and what lies in the drop folder."""

import json

import click

from earwitness.errors import ExitCode


@click.command(epilog="Exit codes: 0 everything runs; 4 something does not.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def status(as_json: bool) -> int:
    """Show server, workers, watcher and drop folder."""
    from earwitness.local_service.service import Service

    state = Service().state()
    if as_json:
        click.echo(json.dumps(state.model_dump(mode="json"), ensure_ascii=False, indent=1))
        return int(ExitCode.DONE if state.ok else ExitCode.UNAVAILABLE)
    for part in state.parts:
        since = f"for {part.since_s:,.0f} s, pid {part.pid}" if part.since_s is not None else ""
        click.echo(f"{part.name:<9} {part.state:<8} {since:<28} {part.note or part.log}")
    if state.ui:
        click.echo(f"UI        {state.ui}")
    if drops := state.drops:
        click.echo(
            f"drops     {drops.drop_folder}: {drops.waiting:,} wait, {drops.processing:,} are processed "
            f"({drops.in_hand:,} in the hands of runs), {drops.done:,} done, {drops.rejected:,} rejected"
        )
        if drops.full:
            click.echo("          as many as may be (--most) are processed: no others are taken until some have ended")
    if not state.ok:
        click.echo("→ earwitness up")
    return int(ExitCode.DONE if state.ok else ExitCode.UNAVAILABLE)
