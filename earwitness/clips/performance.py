"""Performance numbers of clips, as platforms export them: which of a bundle's clips did better than the others."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earwitness.archive.reading import Bundle
from earwitness.clips.find import clips_of
from earwitness.clips.ratings import STARS, Rating, keep_ratings, rating_of
from earwitness.errors import UsageError

_MEASURES = ("views", "likes", "comments", "shares", "watch_share")
_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    clip: str
    platform: str
    figures: dict[str, float]


def import_performance(bundle: Bundle, path: Path) -> list[Rating]:
    """Take over performance numbers of a bundle's clips.

    A clip is compared with the other clips of the file on the same platform, measure by measure, and its value is the
    mean of its ranks: how many people saw all of them says more about the channel than about a clip. One clip alone
    says nothing, and counts as neither good nor bad.

    Args:
        bundle: whose clips they are.
        path: CSV with a head line: `clip` and at least one of `views`, `likes`, `comments`, `shares`, `watch_share`
            (0 to 1, or per cent with a sign); `platform` if there are several. Empty cells are not known.

    Raises:
        UsageError: it can't be read, or a row can't be used; names the line. Nothing is kept then.
        StorageError: it can't be kept.
    """
    rows = _read(path)
    clips = {clip.id: clip for clip in clips_of(bundle)}
    for row in rows:
        if row.clip not in clips:
            raise UsageError(
                f"{path.name}, line {row.line}: there is no clip {row.clip!r} in {bundle.folder.name}.",
                f"Its clips: {', '.join(clips) or 'none'}.",
            )
    found: list[Rating] = []
    platforms: dict[str, list[_Row]] = {}
    for row in rows:
        platforms.setdefault(row.platform, []).append(row)
    for platform, beside in platforms.items():
        for row, value in zip(beside, _ranked([row.figures for row in beside]), strict=True):
            found.append(rating_of(bundle, clips[row.clip], platform, value, row.figures))
    keep_ratings(found)
    return found


def _read(path: Path) -> list[_Row]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path} is too large: at most {_MAX_BYTES >> 20} MB are read.", "Is it the right file?")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            head = [name.strip().casefold() for name in reader.fieldnames or ()]
            reader.fieldnames = head
            if "clip" not in head or not set(_MEASURES) & set(head):
                raise UsageError(
                    f"{path.name} has the columns {', '.join(head) or '(none)'}.",
                    f"It needs clip and at least one of {', '.join(_MEASURES)}; platform may be there.",
                )
            rows = [_row(path, reader.line_num, values) for values in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} can't be read ({error}).", "Give a CSV file in UTF-8.") from error
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.clip, row.platform) in seen:
            raise UsageError(
                f"{path.name}, line {row.line}: {row.clip} is there twice for {row.platform}.",
                "Leave one row for a clip on a platform.",
            )
        seen.add((row.clip, row.platform))
    return rows


def _row(path: Path, line: int, values: Mapping[str | None, str | list[str] | None]) -> _Row:
    def cell(name: str) -> str:
        value = values.get(name)
        return value.strip() if isinstance(value, str) else ""

    figures = {}
    for name in _MEASURES:
        if text := cell(name):
            try:
                number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
            except ValueError:
                number = math.nan
            if not 0 <= number < math.inf or (name == "watch_share" and number > 1):
                allowed = "0 to 1, or per cent with a sign" if name == "watch_share" else "a number from 0 up"
                raise UsageError(f"{path.name}, line {line}: {name} is {text!r}.", f"It has to be {allowed}.")
            figures[name] = number
    platform = cell("platform").casefold() or "performance"
    if platform == STARS:
        raise UsageError(f"{path.name}, line {line}: no platform is called stars.", "Rate with earwitness clips rate.")
    return _Row(line, cell("clip"), platform, figures)


def _ranked(rows: Sequence[Mapping[str, float]]) -> list[float]:
    """-1 for the worst, 1 for the best, by the mean of their ranks in what is known of at least two of them."""
    rates = [_rates(row) for row in rows]
    totals: list[list[float]] = [[] for _ in rows]
    for name in _MEASURES:
        known = [(rate[name], place) for place, rate in enumerate(rates) if name in rate]
        if len(known) < 2:
            continue
        for value, place in known:
            lower = sum(other < value for other, _ in known) - sum(other > value for other, _ in known)
            totals[place].append(lower / (len(known) - 1))
    return [sum(found) / len(found) if found else 0.0 for found in totals]


def _rates(row: Mapping[str, float]) -> dict[str, float]:
    """What people did, a view: a clip that was shown to more people has more of everything."""
    views = row.get("views", 0.0)
    found = {name: row[name] for name in ("views", "watch_share") if name in row}
    if views:
        found |= {name: row[name] / views for name in ("likes", "comments", "shares") if name in row}
    return found
