"""`earwitness notes`: notes from a transcript alone."""

import json
from pathlib import Path
from typing import Any

import click

from earwitness.cli.run import set_value
from earwitness.errors import BudgetExceeded, PriceUnknown
from earwitness.money.cheaper import cheaper
from earwitness.money.paying import PAID, charged_to, open_account, spent_on
from earwitness.money.prices import MICRO, dollars
from earwitness.options import Profile, read_options
from earwitness.settings import SummarizeSettings


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
    "--set",
    "chosen",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting of the notes, e.g. model=gpt-4o, the budget, e.g. budget.run_usd=0.5, or memory.scope=NAME.",
)
@click.option("--json", "as_json", is_flag=True, help="notes.json on stdout instead of Markdown.")
def notes(
    transcript: Path, profile: str, words: int | None, cast: Path | None, chosen: tuple[str, ...], as_json: bool
) -> None:
    """Write notes from a transcript: JSONL of speaker and text, SRT, VTT, STM, whisperX JSON or plain text."""
    from earwitness.notes.from_transcript import summarized_transcript
    from earwitness.notes.markdown import notes_markdown
    from earwitness.notes.summarize import choose_writer

    values: dict[str, Any] = {}
    for item in chosen:
        set_value(values, item if item.startswith(("summarize.", "budget.", "memory.")) else f"summarize.{item}")
    options = read_options(values)
    account = open_account(recording=transcript.stem, stage="summarize", profile=profile, budget=options.budget)
    settings, engine = options.summarize, choose_writer(options.summarize)
    pays = engine.name in PAID
    with charged_to(account):
        while True:
            try:
                made = summarized_transcript(transcript, Profile(profile), words, cast, settings, options.memory)
                break
            except (BudgetExceeded, PriceUnknown) as error:
                if (less := cheaper(settings, engine, options.budget, error)) is None:
                    raise
                click.echo(f"warning: the notes go on with {less.engine.name}: {error.message}", err=True)
                settings, engine = SummarizeSettings.model_validate(less.settings), less.engine
    result, utterances, speakers = made
    cost_usd, money = spent_on(account.spender.run) if pays else (0.0, [])
    for warning in [*result.warnings, *money]:
        click.echo(f"warning: {warning}", err=True)
    if pays:
        click.echo(f"cost: {dollars(round(cost_usd * MICRO))}", err=True)
    if as_json:
        click.echo(json.dumps(result.notes.model_dump(mode="json"), ensure_ascii=False, indent=1))
    else:
        click.echo(notes_markdown(result.notes, utterances, speakers))
