"""`earwitness alerts`: do they reach anybody?"""

import json
import socket

import click

from earwitness.errors import ExitCode


@click.group()
def alerts() -> None:
    """Alerts go to Slack, Discord, e-mail and webhooks (docs/alerts.md)."""


@alerts.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def test(as_json: bool) -> int:
    """Send a test message to each channel, and say what came of it."""
    from earwitness.alerts.alert import rehearsal
    from earwitness.alerts.settings import alert_settings
    from earwitness.alerts.tell import send_now

    settings = alert_settings()
    if settings.blocks:
        import tasks.alerting  # noqa: F401 - it can read Prefect's secret blocks
    deliveries = send_now(rehearsal(socket.gethostname()), settings) if settings.anybody else []
    reached = any(not delivery.problem for delivery in deliveries)
    if as_json:
        channels = [
            {"channel": one.channel, "reached": not one.problem, "problem": one.problem or None} for one in deliveries
        ]
        click.echo(json.dumps({"ok": reached, "channels": channels}, ensure_ascii=False, indent=1))
    elif not deliveries:
        click.echo("No channel is set: put its URL into EARWITNESS_ALERT_URLS (docs/alerts.md).")
    else:
        for one in deliveries:
            click.echo(f"{one.channel}: {one.problem or 'the message was taken'}")
    return int(ExitCode.DONE if reached else ExitCode.UNAVAILABLE)
