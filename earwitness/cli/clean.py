"""`earwitness clean`: remove what nothing needs any more."""

import json
from pathlib import Path

import click

from earwitness.cli.amounts import DEFAULT_AGE, amount, bundles_folder, seconds_of


@click.command()
@click.option(
    "--older-than",
    callback=seconds_of,
    default=DEFAULT_AGE,
    show_default=True,
    metavar="AGE",
    help="Finished stages that were not used for this long go: 90m, 12h, 30d, 4w.",
)
@click.option(
    "--of-bundles",
    is_flag=True,
    help="Also what bundles were made of that are still there: they stay whole, but correcting them computes it again.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Also rid this folder of half-placed bundles."
)
def clean(older_than: float, of_bundles: bool, dry_run: bool, as_json: bool, out: Path | None) -> None:
    """Remove finished stages that were not used for a while, files that none of them needs, and leftovers.

    Safe beside running runs: what they use stays. Bundles stay, and so does what they were made of, so that
    correcting them is quick. What is needed again later is computed again. Only this machine is cleaned, not the
    shared store.
    """
    from earwitness.storage.clean import clean as clean_up

    done = clean_up(older_than, bundles_folder(out), of_bundles=of_bundles, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(done.model_dump(mode="json"), ensure_ascii=False, indent=1))
        return
    for item in done.items:
        click.echo(f"{item.kind:<10} {amount(item.bytes):>9}  {item.path}  ({item.why})")
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{len(done.items):,} things, {amount(done.bytes)} {verb}")
    if done.spared:
        click.echo(f"{len(done.spared):,} came into use meanwhile and stay")
