"""`earwitness eval`: how good it is on one's own recordings."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from earwitness.evaluation.scores import Evaluation


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--reference",
    "references",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What people wrote down: .rttm (turns), .stm (turns, text), .ctm or .tsv (word times). Repeatable.",
)
@click.option(
    "--collar", type=float, default=0.0, metavar="S", help="Seconds left out around reference boundaries [0]."
)
@click.option("--uem", type=click.Path(path_type=Path), metavar="FILE", help="What to score [all of the recording].")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def eval(bundle: Path, references: tuple[Path, ...], collar: float, uem: Path | None, as_json: bool) -> None:  # noqa: A001 - the command's name
    """Score a bundle against a reference: diarization and word error rates, speakers, word times."""
    from earwitness.archive.reading import read_bundle
    from earwitness.evaluation.evaluate import evaluate

    found = evaluate(read_bundle(bundle), references, collar_s=collar, uem=uem)
    click.echo(found.model_dump_json() if as_json else described(found))


def described(found: "Evaluation") -> str:
    """The figures for people: a line a figure, each with what it is made of."""
    engines = ", ".join(f"{stage} {engine}" for stage, engine in found.engines.items())
    lines = [f"{found.recording_id} against {', '.join(found.references)}", f"{found.scored_s:.1f} s scored; {engines}"]
    if der := found.diarization:
        collar = f"collar {der.collar_s:g} s" if der.collar_s else "no collar"
        lines += [
            "",
            f"Who spoke when ({collar}, overlap counted)",
            _line(
                "diarization error rate",
                der.error_rate,
                f"missed {der.missed_s:.2f} s + false alarm {der.false_alarm_s:.2f} s + confusion "
                f"{der.confusion_s:.2f} s of {der.speech_s:.2f} s",
            ),
            f"  {'speakers':<28}{der.speakers_found:>8}   the reference has {der.speakers_reference}",
            f"  {'reference':<20} {'found':<20} {'speaks, s':>10} {'found, s':>10}",
        ]
        lines += [
            f"  {_short(row.reference):<20} {_short(row.found):<20} {row.reference_s:>10.2f} {row.found_s:>10.2f}"
            for row in der.speakers
        ]
    if wer := found.words:
        parts = f"{wer.substitutions} substituted + {wer.deletions} missing + {wer.insertions} too many"
        lines += [
            "",
            "What was said",
            _line("word error rate", wer.error_rate, f"{parts} of {wer.reference_words} words"),
        ]
    if cp := found.cp_words:
        parts = f"{cp.substitutions} substituted + {cp.deletions} missing + {cp.insertions} too many"
        lines.append(_line("cpWER (words by speaker)", cp.error_rate, parts))
    if wder := found.word_speakers:
        lines.append(
            _line("words with a wrong speaker", wder.error_rate, f"{wder.wrong} of {wder.words} that were found")
        )
    if edges := found.word_boundaries:
        lines += ["", f"Word times ({edges.words} words)"]
        if edges.mean_s is not None:
            lines += [
                f"  {'starts, ends: median':<28}{_ms(edges.start_median_s):>8}   {_ms(edges.end_median_s)}",
                f"  {'mean, 95th percentile':<28}{_ms(edges.mean_s):>8}   {_ms(edges.p95_s)}",
                f"  {'within 50, 100, 200 ms':<28}{_percent(edges.within_50ms):>8}   {_percent(edges.within_100ms)}   "
                f"{_percent(edges.within_200ms)}",
            ]
    lines += [""] * bool(found.warnings) + [f"Mind: {text}" for text in found.warnings]
    return "\n".join(lines)


def _line(what: str, rate: float | None, parts: str) -> str:
    return f"  {what:<28}{_percent(rate):>8} = {parts}"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f} %"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def _short(name: str | None) -> str:
    return "-" if name is None else name if len(name) <= 20 else f"{name[:19]}…"
