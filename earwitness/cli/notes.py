"""`earwitness notes`: notes from a transcript alone."""

import json
from pathlib import Path
from typing import Any

import click

from earwitness.cli.run import set_value
from earwitness.options import Profile, read_options


@click.command()
@click.argument("transcript", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    type=click.Choice([item.value for item in Profile]),
    default=Profile.TABLETOP.value,
    show_default=True,
    help="What the recording was.",
)
@click.option("--words", type=click.IntRange(20, 20_000), metavar="N", help="Length of the notes [by length].")
@click.option("--cast", type=click.Path(path_type=Path), metavar="FILE", help="People, characters, roles (YAML, TOML).")
@click.option(
    "--set", "chosen", multiple=True, metavar="KEY=VALUE", help="Any setting of the notes, e.g. model=gpt-4o."
)
@click.option("--json", "as_json", is_flag=True, help="notes.json on stdout instead of Markdown.")
def notes(
    transcript: Path, profile: str, words: int | None, cast: Path | None, chosen: tuple[str, ...], as_json: bool
) -> None:
    """Write notes from a transcript: JSONL of speaker and text, SRT, VTT, STM, whisperX JSON or plain text."""
    from earwitness.notes.from_transcript import summarized_transcript
    from earwitness.notes.markdown import notes_markdown

    values: dict[str, Any] = {}
    for item in chosen:
        set_value(values, item if item.startswith("summarize.") else f"summarize.{item}")
    settings = read_options(values).summarize
    result, utterances, speakers = summarized_transcript(transcript, Profile(profile), words, cast, settings)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    made = result.notes
    if as_json:
        click.echo(json.dumps(made.model_dump(mode="json"), ensure_ascii=False, indent=1))
    else:
        click.echo(notes_markdown(made, utterances, speakers))
