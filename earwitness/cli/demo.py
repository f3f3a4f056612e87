"""`earwitness demo`: see what comes out."""

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, metavar="DIR")
def demo(out: Path) -> int:
    """Process a real telephone call and a tabletop scene spoken by synthetic voices."""
    from earwitness.demo.run import run_demo

    return int(run_demo(out))
