"""`earwitness fix`: put right what a machine got wrong."""

import json
from pathlib import Path

import click

from earwitness.cli.display import describe
from earwitness.cli.run import process
from earwitness.errors import UsageError


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--speaker", "speakers", multiple=True, metavar='SPEAKER="NAME"', help="Who a voice is.")
@click.option("--merge", "merges", multiple=True, metavar="SPEAKER=SPEAKER", help="Two voices are one: the second.")
@click.option("--word", "words", multiple=True, metavar='PLACE="TEXT"', help='A word, e.g. u0012:3="Gary".')
@click.option("--replace", "replacements", multiple=True, metavar='"OLD=NEW"', help="A spelling, everywhere.")
@click.option(
    "--transcript",
    "transcripts",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The bundle's transcript (.srt, .vtt, .txt, .json), edited.",
)
@click.option("--reset", is_flag=True, help="Drop all earlier corrections.")
@click.option("--recording", type=click.Path(path_type=Path), metavar="PATH", help="Where the recording is now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--verbose", is_flag=True, help="Show Prefect's log on stderr.")
def fix(
    bundle: Path,
    speakers: tuple[str, ...],
    merges: tuple[str, ...],
    words: tuple[str, ...],
    replacements: tuple[str, ...],
    transcripts: tuple[Path, ...],
    reset: bool,
    recording: Path | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Correct names and words of a bundle; only what depends on them is made anew."""
    from earwitness.archive.reading import read_bundle
    from earwitness.corrections.asked import Asked, add_corrections
    from earwitness.job import found_again

    there = read_bundle(bundle)
    if not reset and not any((speakers, merges, words, replacements, transcripts)):
        raise UsageError(
            "Nothing is asked for.", "Give --speaker, --merge, --word, --replace, --transcript or --reset."
        )
    asked = Asked(speakers, merges, words, replacements, transcripts)
    corrections = add_corrections(there, asked, reset=reset)
    if recording is not None:
        found_again(there, recording)
    (result,) = process([bundle], {"corrections": corrections}, verbose=verbose)
    click.echo(json.dumps(result.to_json(), ensure_ascii=False) if as_json else describe(result))
    return int(result.exit_code)
