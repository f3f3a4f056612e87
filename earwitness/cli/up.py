"""`earwitness up`: everything that one machine needs to process recordings by itself."""

import os
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.argument("watch_options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF watch]...")
@click.option("--port", type=click.IntRange(1, 65_535), metavar="N", help="Of Prefect's server and UI [4200].")
@click.option("--at-once", type=click.IntRange(1, 64), metavar="N", help="Recordings processed at the same time [2].")
def up(folder: Path | None, watch_options: tuple[str, ...], port: int | None, at_once: int | None) -> None:
    """Start server, workers, watcher and deployments; what runs already is left alone.

    DIR is the drop folder [earwitness-drops]; put recordings into DIR/incoming. What is not said is as it was the last
    time. Everything goes on when the terminal is closed, until earwitness down.
    """
    from earwitness.drops.folder import DropFolder
    from earwitness.home import drops_path
    from earwitness.local_service.service import Service, ServiceOptions

    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    service = Service()
    before = service.options()
    given = {
        "drops": (folder.expanduser().absolute() if folder else None),
        "port": port,
        "at_once": at_once,
        "watch": list(watch_options) or None,
    }
    base = before.model_dump() if before else {"drops": drops_path()}
    want = ServiceOptions.model_validate(
        {**base, **{name: value for name, value in given.items() if value is not None}}
    )
    DropFolder(want.drops).make()
    service.up(want, _prepare, _see_to_killed, lambda line: click.echo(line, err=True))
    click.echo(f"Drop recordings into {DropFolder(want.drops).incoming}\nWatch them at http://127.0.0.1:{want.port}")


def _prepare(at_once: int) -> bool:
    import tasks  # noqa: F401 - sets what Prefect reads when it is imported
    from tasks.service import knows_deployments, prepare_pools

    prepare_pools(at_once)
    return knows_deployments()


def _see_to_killed() -> None:
    from tasks.service import look_for_killed_runs

    look_for_killed_runs()
