"""`earwitness watch`: a folder that eats recordings."""

import logging
import os
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from earwitness.cli.run import set_value
from earwitness.errors import printable
from earwitness.options import Profile, read_options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--profile", type=click.Choice([item.value for item in Profile]), help="What the recordings are.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where bundles go [DIR/bundles].")
@click.option("--cast", type=click.Path(path_type=Path), metavar="FILE", help="People, characters, roles (YAML, TOML).")
@click.option(
    "--set", "settings", multiple=True, metavar="STAGE.KEY=VALUE", help="Any other setting (docs/options.md)."
)
@click.option(
    "--settle", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, metavar="SECONDS",
    help="A file that has not changed for so long is whole.",
)  # fmt: skip
@click.option(
    "--every", type=click.FloatRange(0.1, 600), default=0.5, show_default=True, metavar="SECONDS",
    help="How often to look.",
)  # fmt: skip
@click.option(
    "--most", type=click.IntRange(1, 10_000), default=100, show_default=True, metavar="N",
    help="Files in processing at a time; more wait in incoming.",
)  # fmt: skip
@click.option("--here", is_flag=True, help="Process in this process, even if there is a Prefect server.")
@click.option("--once", is_flag=True, help="End when nothing is left to do.")
def watch(
    folder: Path,
    profile: str | None,
    out: Path | None,
    cast: Path | None,
    settings: tuple[str, ...],
    settle: float,
    every: float,
    most: int,
    here: bool,
    once: bool,
) -> None:
    """Process what is dropped into DIR/incoming; it goes on to DIR/processing, and then to done or rejected.

    Options of one recording stand in <file>.toml beside it, with the names that --set knows. With PREFECT_API_URL set,
    an event starts the deployment "drop" for each file (earwitness up starts all of that); without a server, files are
    processed here, one after the other.
    """
    from earwitness.drops.arrivals import Patience
    from earwitness.drops.folder import DropFolder
    from earwitness.drops.watch import Watcher, watching
    from earwitness.job import check_options

    defaults: dict[str, Any] = {}
    for name, value in (("profile", profile), ("out", out), ("cast", cast)):
        if value is not None:
            defaults[name] = str(value.absolute()) if isinstance(value, Path) else value
    for item in settings:
        set_value(defaults, item)
    check_options(read_options(defaults))
    drops = DropFolder(folder)
    with watching(drops):
        office = _office(here)  # importing Prefect takes seconds, which no file should wait for
        _tell(f"watching {drops.incoming}")
        watcher = Watcher(
            drops, office, defaults, patience=Patience(settle_s=settle, cut_off_s=max(30.0, settle)), most=most,
            tell=_tell,
        )  # fmt: skip
        pause = threading.Event()
        while True:
            handed_over = watcher.look()
            if once and not handed_over and not watcher.is_busy():
                return
            pause.wait(every)


def _office(here: bool) -> Any:
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "0")  # the watcher tries again itself, and tells meanwhile
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    import tasks  # noqa: F401 - sets what Prefect reads when it is imported
    from tasks.drops import OfficeHere, PrefectOffice

    if os.environ.get("PREFECT_API_URL") and not here:
        return PrefectOffice()
    for name in ("earwitness", "tasks", "flows", "great_expectations"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    from earwitness.cli.leave import leave_soon
    from earwitness.interrupt import when_interrupted
    from flows.drop import process_drop

    when_interrupted(leave_soon)
    _tell("processing here, one file after the other")
    return OfficeHere(lambda folder, tickets, name: process_drop(folder, tickets, name, return_state=True))


def _tell(line: str) -> None:
    print(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {printable(line)}", file=sys.stderr, flush=True)
