"""`earwitness clips`: the clips of a bundle; what you think of them, and other ones."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earwitness.options import Profile

if TYPE_CHECKING:
    from earwitness.clips.clip import Clip

_BUNDLE = click.argument("bundle", type=click.Path(path_type=Path))
_CLIP = click.argument("clip")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
_VERBOSE = click.option("--verbose", is_flag=True, help="Show Prefect's log on stderr.")
_PROFILE = click.option("--profile", type=click.Choice([item.value for item in Profile]), help="Of one kind only.")


@click.group()
def clips() -> None:
    """List, rate, redo, extend and trim the clips of a bundle (docs/clips.md)."""


@clips.command("list")
@_BUNDLE
@_JSON
def list_(bundle: Path, as_json: bool) -> None:
    """Show the clips of BUNDLE, best first."""
    from earwitness.archive.reading import read_bundle
    from earwitness.clips.find import listing_of

    listing = listing_of(read_bundle(bundle))
    if as_json:
        click.echo(listing.model_dump_json(indent=2))
        return
    for clip in listing.clips:
        click.echo(_told(clip))
    if listing.reason:
        click.echo(listing.reason)


def _told(clip: "Clip") -> str:
    lines = [
        f"{clip.id}  {_clock(clip.start_s)}-{_clock(clip.end_s)}  {clip.score:.3f}  {clip.title}",
        f"  {clip.reason}",
        *(f"  lacks: {what}" for what in clip.lacks),
        *(f"  {path}" for path in clip.files),
    ]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


@clips.command("rate")
@_BUNDLE
@_CLIP
@click.option("--stars", type=click.IntRange(1, 5), required=True, help="1 (bad) to 5 (good).")
@click.option("--comment", default="", metavar="TEXT", help="Kept with it.")
def rate_(bundle: Path, clip: str, stars: int, comment: str) -> None:
    """Say how good CLIP (clip-2, or 2) of BUNDLE is; later clips of its profile are chosen by it."""
    from earwitness.archive.reading import read_bundle
    from earwitness.clips.ratings import rate, ratings

    made = rate(read_bundle(bundle), clip, stars, comment)
    known = len(ratings(made.profile))
    click.echo(f"{made.clip}: {stars} of 5. {known} ratings of {made.profile} clips (earwitness clips weights).")


@clips.command("import")
@_BUNDLE
@click.argument("numbers", type=click.Path(path_type=Path), metavar="CSV")
def import_(bundle: Path, numbers: Path) -> None:
    """Take over performance numbers of BUNDLE's clips.

    The file has the columns clip and views, likes, comments, shares or watch_share; platform if there are several.
    """
    from earwitness.archive.reading import read_bundle
    from earwitness.clips.performance import import_performance

    for made in import_performance(read_bundle(bundle), numbers):
        click.echo(f"{made.clip} on {made.source}: {made.value:+.2f} beside the others")


@clips.command()
@_PROFILE
@_JSON
def weights(profile: str | None, as_json: bool) -> None:
    """Show what each feature weighs: as shipped, now, and because of how many ratings."""
    from earwitness.clips.choose import weights_of
    from earwitness.clips.learning import learned_for

    found: dict[str, Any] = {}
    for kind in [Profile(profile)] if profile else list(Profile):
        learned = learned_for(kind.value)
        shipped, now = weights_of(kind, "audio"), weights_of(kind, "audio", learned)
        found[kind.value] = {
            "ratings": learned.ratings if learned else 0,
            "imported": learned.imported if learned else 0,
            "weights": {name: {"shipped": round(shipped[name], 4), "now": round(now[name], 4)} for name in shipped},
        }
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, part in found.items():
        click.echo(f"{name}: {part['ratings']} ratings, {part['imported']} imported")
        for feature, weight in part["weights"].items():
            share = weight["now"] / weight["shipped"] - 1 if weight["shipped"] else 0.0
            click.echo(f"  {feature:11} {weight['shipped']:7.4f} → {weight['now']:7.4f}  {share:+.0%}")


@clips.command()
@_PROFILE
def reset(profile: str | None) -> None:
    """Drop all ratings and imported numbers; the weights are again as shipped."""
    from earwitness.clips.ratings import forget_ratings

    click.echo(f"{forget_ratings(profile)} ratings dropped; the weights are as shipped.")


@clips.command()
@_BUNDLE
@click.option("--count", type=int, metavar="N", help="Clips at most.")
@click.option("--min", "min_s", type=float, metavar="SECONDS", help="Shortest clip.")
@click.option("--max", "max_s", type=float, metavar="SECONDS", help="Longest clip.")
@click.option("--preset", "presets", multiple=True, metavar="NAME", help="Kind of video: tiktok, square, ...; several.")
@click.option("--video/--no-video", default=None, help="With a picture, or sound only.")
@click.option("--shorten/--no-shorten", default=None, help="Take out fillers and long pauses.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any other setting of clip.")
@_JSON
@_VERBOSE
def redo(
    bundle: Path, presets: tuple[str, ...], settings: tuple[str, ...], as_json: bool, verbose: bool, **given: Any
) -> int:
    """Choose and make the clips of BUNDLE anew, with other settings and the weights of now; nothing else is made."""
    from earwitness.archive.reading import read_bundle
    from earwitness.cli.run import set_value

    read_bundle(bundle)
    values: dict[str, Any] = {"clip": {name: value for name, value in given.items() if value is not None}}
    if presets:
        values["clip"] |= {"presets": presets}
    for item in settings:
        set_value(values, item if item.partition("=")[0].strip().startswith("clip.") else f"clip.{item}")
    return _made_anew(bundle, values, as_json=as_json, verbose=verbose)


@clips.command()
@_BUNDLE
@_CLIP
@click.option("--before", metavar="N", default="0", help="Sentences to add before it: a number, or 'sentence' for one.")
@click.option("--after", metavar="N", default="0", help="Sentences to add after it.")
@_JSON
@_VERBOSE
def extend(bundle: Path, clip: str, before: str, after: str, as_json: bool, verbose: bool) -> int:
    """Let CLIP of BUNDLE begin earlier or end later, by whole sentences."""
    return _move(bundle, clip, _sentences(before), _sentences(after), as_json=as_json, verbose=verbose)


@clips.command()
@_BUNDLE
@_CLIP
@click.option(
    "--before", metavar="N", default="0", help="Sentences to take away at its start: a number, or 'sentence'."
)
@click.option("--after", metavar="N", default="0", help="Sentences to take away at its end.")
@_JSON
@_VERBOSE
def trim(bundle: Path, clip: str, before: str, after: str, as_json: bool, verbose: bool) -> int:
    """Let CLIP of BUNDLE begin later or end earlier, by whole sentences."""
    return _move(bundle, clip, -_sentences(before), -_sentences(after), as_json=as_json, verbose=verbose)


def _sentences(text: str) -> int:
    from earwitness.errors import UsageError

    if text.strip() == "sentence":
        return 1
    if not text.strip().isdecimal():
        raise UsageError(f"{text!r} is no number of sentences.", "Give 1, 2, 3, ..., or sentence.")
    return int(text)


def _move(bundle: Path, clip: str, before: int, after: int, *, as_json: bool, verbose: bool) -> int:
    from earwitness.archive.reading import read_bundle
    from earwitness.clips.edges import moved
    from earwitness.errors import UsageError

    if not before and not after:
        raise UsageError("Nothing is asked for.", "Give --before or --after.")
    made = moved(read_bundle(bundle), clip, before, after)
    click.echo(f"{made.clip}: {made.seconds:.1f} s, from “{made.opens}” to “{made.closes}”", err=True)
    return _made_anew(bundle, {"corrections": made.corrections}, as_json=as_json, verbose=verbose)


def _made_anew(bundle: Path, values: dict[str, Any], *, as_json: bool, verbose: bool) -> int:
    from earwitness.cli.display import describe
    from earwitness.cli.run import process

    (result,) = process([bundle], values, verbose=verbose)
    click.echo(json.dumps(result.to_json(), ensure_ascii=False) if as_json else describe(result))
    return int(result.exit_code)
