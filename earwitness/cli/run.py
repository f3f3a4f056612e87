"""`earwitness run`: the whole pipeline."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from earwitness.batch.choose import read_batch
from earwitness.cli.display import ProgressDisplay, describe
from earwitness.cli.leave import leave_soon
from earwitness.cli.safe import SAFE_HOURS, bounded, need_machine
from earwitness.errors import ExitCode, UsageError
from earwitness.interrupt import when_interrupted
from earwitness.options import Profile, read_options
from earwitness.result import Outcome, RunResult


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--profile", type=click.Choice([item.value for item in Profile]), help="What the recording is.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where bundles go [earwitness-out].")
@click.option("--cast", type=click.Path(path_type=Path), metavar="FILE", help="People, characters, roles (YAML, TOML).")
@click.option("--transcript", type=click.Path(path_type=Path), metavar="FILE", help="A transcript to align.")
@click.option("--speakers", type=int, metavar="N", help="Exact number of speakers.")
@click.option("--min-speakers", type=int, metavar="N", help="At least this many.")
@click.option("--max-speakers", type=int, metavar="N", help="At most this many.")
@click.option(
    "--tracks",
    type=click.Choice(["auto", "mixed", "speakers", "channels"]),
    help="One file a speaker (speakers: zip or folder) or one channel a speaker (channels) [auto].",
)
@click.option("--slice", "slice_", metavar="START-END", help="Only this part, e.g. 10:00-12:00.")
@click.option(
    "--set", "settings", multiple=True, metavar="STAGE.KEY=VALUE", help="Any other setting (docs/options.md)."
)
@click.option("--dry-run", is_flag=True, help="Check, estimate time, storage and cost, and stop.")
@click.option("--safe", is_flag=True, help="Check the machine first, and end after 6 hours: for cron and the like.")
@click.option(
    "--within", type=click.FloatRange(min=0, min_open=True), metavar="HOURS", help="End the whole run after so long."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a recording on stdout.")
@click.option("--verbose", is_flag=True, help="Show Prefect's log on stderr.")
def run(
    paths: tuple[Path, ...],
    slice_: str | None,
    settings: tuple[str, ...],
    safe: bool,
    within: float | None,
    as_json: bool,
    verbose: bool,
    **given: Any,
) -> int:
    """Process recordings; a folder stands for every recording in it, a zip for one with a file a speaker."""
    values = {key: value for key, value in given.items() if value not in (None, False)}
    if slice_ is not None:
        values["slice"] = slice_
    for item in settings:
        set_value(values, item)
    options = read_options({key: value for key, value in values.items() if key != "batch"})
    read_batch(values.get("batch") or {})
    single = len(paths) == 1 and (options.tracks == "speakers" or not paths[0].is_dir())
    if options.transcript is not None and not single:
        raise UsageError(
            "--transcript belongs to one recording, but several were given.",
            "Name each transcript after its recording and put it beside it.",
        )
    if safe:
        need_machine()
    with bounded(within or (SAFE_HOURS if safe else None)):
        results = process(paths, values, verbose=verbose)
    for result in results:
        click.echo(json.dumps(result.to_json(), ensure_ascii=False) if as_json else describe(result))
    return _exit_code(results)


def process(paths: Sequence[Path], values: dict[str, Any], *, verbose: bool) -> list[RunResult]:
    """Run the pipeline with progress on stderr; a folder stands for its recordings, a bundle for its own."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO" if verbose else "CRITICAL")
    if not verbose:
        # what they would say stands in the result
        for name in ("earwitness", "tasks", "great_expectations"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    when_interrupted(leave_soon)
    with ProgressDisplay() as display:
        display.say("starting Prefect")
        from earwitness.archive.reading import is_bundle
        from flows import run_flow
        from tasks.progress import listening

        with listening(display.show):
            as_tracks = values.get("tracks") == "speakers"
            if (
                len(paths) == 1
                and not values.get("batch")
                and (as_tracks or not paths[0].is_dir() or is_bundle(paths[0]))
            ):
                return [run_flow(paths[0], **values)]
            return run_flow(list(paths), **values)


def set_value(values: dict[str, Any], item: str) -> None:
    """Take `STAGE.KEY=VALUE` into plain options; the value is YAML.

    Raises:
        UsageError: it is not of that form.
    """
    name, equals, text = item.partition("=")
    stage, dot, key = name.strip().partition(".")
    if not equals or not dot or not key:
        raise UsageError(f"--set {item!r} is not of the form STAGE.KEY=VALUE.", "For example --set clip.count=2.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {item!r}: the value can't be read.", "Quote text that holds : or [.") from error
    values.setdefault(stage, {})[key] = value


def _exit_code(results: Sequence[RunResult]) -> int:
    """The first failure's code; else whether any result is partial."""
    failed = [result.exit_code for result in results if result.outcome is Outcome.FAILED]
    partial = [result.exit_code for result in results if result.outcome is Outcome.PARTIAL]
    return int(next(iter([*failed, *partial]), ExitCode.DONE))
