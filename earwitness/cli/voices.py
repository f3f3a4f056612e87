"""`earwitness voices`: whom Earwitness knows by voice."""

import json
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from earwitness.voices.voiceprint import VoicePrint

_CLOCK = re.compile(r"^\s*(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d{1,3})?)\s*$")


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """`0:10`, `1:02:03.5` or `10` in milliseconds."""
    if text is None:
        return None
    match = _CLOCK.match(text)
    if not match:
        raise click.BadParameter(f"{text!r} is not a moment. Give one such as 0:10, 1:02:03.5 or 10.")
    return (int(match[1] or 0) * 60 + int(match[2] or 0)) * 60_000 + round(float(match[3]) * 1000)


def _day(_context: click.Context, _option: click.Parameter, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text.strip())
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a day. Give one such as 2027-01-31.") from error


@click.group()
def voices() -> None:
    """Enrol voices, so that speakers are named by them; list and erase what is enrolled (docs/voices.md)."""


@voices.command()
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--from", "start_ms", callback=_moment, metavar="TIME", help="Where in the file it begins, e.g. 0:10.")
@click.option("--to", "end_ms", callback=_moment, metavar="TIME", help="Where it ends.")
@click.option("--consent", default="", metavar="NOTE", help="What the person agreed to, when and to whom.")
@click.option("--scope", metavar="NAME", help="Use it only in runs with this scope: a campaign, show, collection.")
@click.option("--expires", callback=_day, metavar="DATE", help="The last day on which it is used, e.g. 2027-01-31.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def add(
    name: str,
    files: tuple[Path, ...],
    start_ms: int | None,
    end_ms: int | None,
    consent: str,
    scope: str | None,
    expires: date | None,
    as_json: bool,
) -> None:
    """Enrol the voice of NAME from recordings in which only they speak; 5 to 10 s are enough.

    An earlier print of the same name is replaced.
    """
    from earwitness.errors import UsageError
    from earwitness.voices.enrolled import add_voice

    span = None if start_ms is None and end_ms is None else (start_ms or 0, end_ms)
    if span is not None and span[1] is not None and span[1] <= span[0]:
        raise UsageError("--to is not after --from.", "Give the part in which only this person speaks.")
    made = add_voice(name, files, span_ms=span, consent=consent, scope=scope, expires=expires)
    if as_json:
        click.echo(json.dumps(_shown(made), ensure_ascii=False))
        return
    click.echo(f"{made.name}: enrolled from {made.speech_s:g} s of speech{_conditions(made)}")
    if not made.consent:
        click.echo("  No consent is noted. A voice print is biometric data: note it with --consent.", err=True)


@voices.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a voice on stdout.")
def list_(as_json: bool) -> int:
    """List who is enrolled, under which conditions. Never what was measured of the voice."""
    from earwitness.errors import ExitCode
    from earwitness.voices.enrolled import enrolled_voices

    found, problems = enrolled_voices()
    for item in found:
        if as_json:
            click.echo(json.dumps(_shown(item), ensure_ascii=False))
        else:
            note = f"  consent: {item.consent}" if item.consent else ""
            click.echo(f"{item.name}  {item.speech_s:g} s, added {item.added}{_conditions(item)}{note}")
    if not found and not as_json:
        click.echo("Nobody is enrolled.", err=True)
    for problem in problems:
        click.echo(f"earwitness: {problem}", err=True)
    return int(ExitCode.STORAGE if problems else ExitCode.DONE)


@voices.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def forget(name: str, as_json: bool) -> None:
    """Erase the voice of NAME, and what names them by it in the checkpoints of this machine."""
    from earwitness.memory.kept import scopes_naming
    from earwitness.voices.forget import forget_voice

    gone = forget_voice(name)
    if as_json:
        click.echo(gone.model_dump_json())
        return
    click.echo(
        f"{gone.name}: erased the voice print, {gone.checkpoints} finished stages that named them by it, and the "
        f"embeddings of {gone.embeddings} finished diarizations ({gone.files} files)"
        if gone.prints
        else f"{gone.name}: not enrolled; erased {gone.checkpoints} finished stages that named them by voice"
    )
    if gone.bundles:
        click.echo("These bundles still name them by voice; run each again to be rid of that:")
        for bundle in gone.bundles:
            click.echo(f"  earwitness run {bundle}")
    for scope in scopes_naming(name):
        click.echo(f"What is remembered of {scope} has the name, too: earwitness memory show {scope!r}")
    click.echo("Copies of bundles that were handed out, backups and Prefect's own database are out of reach.")
    if gone.runs:
        click.echo("A run is in progress and may have read the voice before: forget it once more when it has ended.")


def _shown(item: "VoicePrint") -> dict[str, object]:
    from earwitness.voices.enrolled import today

    shown = item.model_dump(mode="json", exclude={"embedding", "schema_version"})
    return {**shown, "expired": item.expired(today())}


def _conditions(item: "VoicePrint") -> str:
    from earwitness.voices.enrolled import today

    scope = f", scope {item.scope}" if item.scope else ""
    if item.expires is None:
        return scope
    return f"{scope}, {'EXPIRED, not used since' if item.expired(today()) else 'until'} {item.expires}"
