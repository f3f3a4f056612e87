"""`earwitness down`: stop what `up` has started."""

import click


@click.command()
def down() -> None:
    """Stop watcher, workers and server. Runs in progress are stopped; the next up goes on with them."""
    from earwitness.local_service.service import Service

    service = Service()
    service.down(lambda line: click.echo(line, err=True))
    click.echo("Nothing runs any more.")
