"""`earwitness costs`: what was spent on paid services."""

import json
from typing import get_args

import click

from earwitness.cli.amounts import optional_seconds
from earwitness.money.costs import By, CostLine, Costs, bars
from earwitness.money.costs import costs as look_up
from earwitness.money.prices import MICRO, dollars


@click.command()
@click.option("--since", callback=optional_seconds, metavar="AGE", help="Look back so far, e.g. 7d [to the beginning].")
@click.option("--by", type=click.Choice(list(get_args(By))), default="model", show_default=True, help="Groups.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def costs(since: float | None, by: By, as_json: bool) -> None:
    """Show what paid services cost: in total, by model, stage, user, profile, recording or day, and how it went."""
    found = look_up(since, by)
    if as_json:
        click.echo(json.dumps(found.model_dump(mode="json"), ensure_ascii=False))
        return
    for line in _shown(found):
        click.echo(line)


def _shown(found: Costs) -> list[str]:
    period = f"since {found.since[:16].replace('T', ' ')}" if found.since else "since the beginning"
    if not found.total.calls:
        return [f"Nothing was spent {period}.", *_limits(found)]
    rows = [*((line.name, *_cells(line)) for line in found.groups), ("together", *_cells(found.total))]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [f"Spent {period}, by {found.by}:"]
    for name, *cells in rows:
        right = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append(f"  {name.ljust(widths[0])}  {right}")
    if found.total.unpriced_calls:
        lines.append(
            f"  The price of {found.total.unpriced_calls:,} calls is not known, and not in these figures: state it in "
            "prices.toml (docs/costs.md)."
        )
    if found.unclear_usd:
        lines.append(
            f"  Of these {_usd(found.unclear_usd)} are set aside for calls that are under way, failed, or were killed: "
            "the service may have charged less."
        )
    lines.append(f"  {found.trend[0].name} {bars([line.cost_usd for line in found.trend])} {found.trend[-1].name}")
    return [*lines, *_limits(found)]


def _cells(line: CostLine) -> tuple[str, str, str, str]:
    return (
        _usd(line.cost_usd) + (" + unknown" if line.unpriced_calls else ""),
        f"{line.calls:,} calls",
        f"{line.tokens:,} tokens",
        f"{line.audio_minutes:,.1f} min",
    )


def _limits(found: Costs) -> list[str]:
    lines = []
    for limit in found.limits:
        used, most = (f"{_usd(n)}" if limit.measure == "usd" else f"{n:,.0f}" for n in (limit.used, limit.most))
        lines.append(f"  limit {limit.where}: {used} of {most} {limit.measure.replace('_', ' ')}")
    return lines


def _usd(amount: float) -> str:
    return dollars(round(amount * MICRO))
