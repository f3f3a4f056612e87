"""`earwitness export`: the transcript for other tools."""

from pathlib import Path

import click

from earwitness.archive.reading import read_bundle
from earwitness.export.formats import FORMATS, exported, write_export

_KINDS = "\b\nFormats:\n" + "\n".join(f"  {name:<10}{form.title}" for name, form in FORMATS.items())


@click.command(epilog=_KINDS)
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--to", required=True, metavar="FORMAT", help="One of the formats below.")
@click.option("--out", metavar="FILE", default="-", help="Where to write it [-, which is stdout].")
def export(bundle: Path, to: str, out: str) -> None:
    """Write a bundle's transcript in the format of another tool."""
    there = read_bundle(bundle)
    if out == "-":
        click.echo(exported(there, to), nl=False)
    else:
        write_export(there, to, Path(out))
