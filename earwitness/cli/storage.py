"""`earwitness storage`: what lies where, and whether it is still what it was."""

import json
from pathlib import Path

import click

from earwitness.cli.amounts import DEFAULT_AGE, amount, bundles_folder, seconds_of
from earwitness.errors import ExitCode, UsageError


@click.command(
    epilog="Exit codes: 0 all is well; 6 something is damaged, or the shared store can't be reached.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--verify", is_flag=True, help="Read everything again and list what is damaged.")
@click.option("--repair", is_flag=True, help="With --verify: remove what is damaged, so that it is computed anew.")
@click.option("--remote", is_flag=True, help="With --verify: read the shared store as well (downloads all of it).")
@click.option(
    "--older-than",
    callback=seconds_of,
    default=DEFAULT_AGE,
    show_default=True,
    metavar="AGE",
    help="As for clean, e.g. 30d.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where bundles are [earwitness-out].")
def storage(as_json: bool, verify: bool, repair: bool, remote: bool, older_than: float, out: Path | None) -> int:
    """Show what Earwitness keeps: where, how much, how old, what clean would free, and the room that is left."""
    if (repair or remote) and not verify:
        raise UsageError("--repair and --remote belong to --verify.", "Add --verify.")
    if verify:
        return _verify(as_json, repair=repair, remote=remote)
    return _show(as_json, older_than, out)


def _show(as_json: bool, older_than: float, out: Path | None) -> int:
    from earwitness.storage.overview import overview

    found = overview(older_than, bundles_folder(out))
    wrong = [place for place in found.places if place.error]
    code = ExitCode.STORAGE if wrong else ExitCode.DONE
    if as_json:
        click.echo(json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=1))
        return int(code)
    for place in found.places:
        size = "?" if place.error else amount(place.bytes)
        count = "?" if place.error else f"{place.files:,}"
        since = f"since {place.oldest[:10]}" if place.oldest else ""
        click.echo(f"{place.name:<12} {size:>9} {count:>8} files  {since:<16}  {place.where}")
        if place.error:
            click.echo(f"  {place.error.message}\n  → {place.error.remedy}")
    disk = found.disk
    click.echo(f"\nfree: {amount(disk.free_bytes)} of {amount(disk.total_bytes)} ({disk.level})")
    if found.unshared:
        click.echo(f"waiting to be shared: {found.unshared:,} finished stages (earwitness maintain shares them)")
    if found.runs:
        click.echo(f"runs in progress: {found.runs}")
    click.echo(f"earwitness clean would remove {found.clean_items:,} things, {amount(found.clean_bytes)}")
    return int(code)


def _verify(as_json: bool, *, repair: bool, remote: bool) -> int:
    from earwitness.alerts.listeners import tell_of_breakers_and_damage
    from earwitness.storage.verify import verify

    tell_of_breakers_and_damage()
    found = verify(repair=repair, remote=remote)
    if as_json:
        click.echo(json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=1))
    else:
        for item in found.damaged:
            click.echo(f"{item.where}/{item.name}: {item.found}{' (removed)' if item.repaired else ''}")
        click.echo(f"{found.files:,} files, {amount(found.bytes)} read; {len(found.damaged)} damaged")
        if found.damaged and not repair:
            click.echo("→ Add --repair to remove them; what is needed again is computed anew.")
    return int(ExitCode.STORAGE if found.damaged else ExitCode.DONE)
