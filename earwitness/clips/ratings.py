"""What people and platforms think of clips: stars and performance numbers, kept under the home for all bundles."""

import csv
import json
import math
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from earwitness.archive.reading import Bundle
from earwitness.clips.clip import Clip
from earwitness.clips.find import clip_named, clips_of
from earwitness.errors import UsageError
from earwitness.home import home
from earwitness.storage.tables import table_at

STARS = "stars"
"""Source of a person's rating; that of performance numbers is the platform."""
_MIDDLE, _REACH = 3, 2
"""Three stars say neither good nor bad; one and five are as far as it goes."""
MEASURES = ("views", "likes", "comments", "shares", "watch_share")
_COLUMNS = ("clip", "platform", *MEASURES)
_MAX_BYTES = 16 << 20
_TABLE = """
create table if not exists rating (
  recording text not null, start_ms integer not null, end_ms integer not null, source text not null,
  profile text not null, clip text not null, title text not null, value real not null, comment text not null,
  figures text not null, features text not null, at real not null,
  primary key (recording, start_ms, end_ms, source)
)
"""


@dataclass(frozen=True, slots=True)
class Rating:
    """One opinion on one clip. The same source on the same stretch of the same recording again replaces it."""

    recording: str
    start_ms: int
    end_ms: int
    source: str
    """`stars`, or the platform whose numbers these are."""
    profile: str
    clip: str
    title: str
    value: float
    """-1 (bad) to 1 (good)."""
    comment: str
    figures: dict[str, float]
    """Stars, or performance numbers as they were imported."""
    features: dict[str, float]
    """Of the clip, as it was chosen."""


_FIELDS = tuple(item.name for item in fields(Rating))


def rate(bundle: Bundle, clip: str, stars: int, comment: str = "") -> Rating:
    """Note what somebody thinks of a clip.

    Args:
        bundle: whose clip it is.
        clip: its id, e.g. clip-2.
        stars: 1 to 5.
        comment: kept, and never read by a machine.

    Raises:
        UsageError: there is no such clip, or not that many stars.
        StorageError: it can't be kept.
    """
    if not 1 <= stars <= _MIDDLE + _REACH:
        raise UsageError(f"{stars} stars can't be given.", "Give 1 to 5.")
    made = _rating(bundle, clip_named(bundle, clip), STARS, (stars - _MIDDLE) / _REACH, {"stars": stars}, comment)
    _keep([made])
    return made


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
            found.append(_rating(bundle, clips[row.clip], platform, value, row.figures, ""))
    _keep(found)
    return found


def ratings(profile: str | None = None) -> list[Rating]:
    """All that is known, oldest first; of one profile, or of all.

    Raises:
        StorageError: the file is damaged.
    """
    if not _path().is_file():
        return []
    with _table() as table:
        rows = table.execute(
            f"select {', '.join(_FIELDS)} from rating where ?1 is null or profile = ?1 "
            "order by at, recording, start_ms, source",
            [profile],
        ).fetchall()
    return [_read_back(dict(zip(_FIELDS, row, strict=True))) for row in rows]


def _read_back(row: dict[str, Any]) -> Rating:
    return Rating(**{**row, "figures": json.loads(row["figures"]), "features": json.loads(row["features"])})


def forget_ratings(profile: str | None = None) -> int:
    """Drop the ratings of one profile, or all; how many there were.

    Raises:
        StorageError: the file is damaged.
    """
    if not _path().is_file():
        return 0
    with _table() as table:
        return table.execute("delete from rating where ?1 is null or profile = ?1", [profile]).rowcount


def _rating(
    bundle: Bundle, clip: Clip, source: str, value: float, figures: Mapping[str, float], comment: str
) -> Rating:
    return Rating(
        recording=bundle.recording.source.sha256,
        start_ms=round(clip.start_s * 1000),
        end_ms=round(clip.end_s * 1000),
        source=source,
        profile=bundle.recording.profile,
        clip=clip.id,
        title=clip.title,
        value=value,
        comment=comment,
        figures=dict(figures),
        features=dict(clip.features),
    )


def _keep(made: Sequence[Rating]) -> None:
    with _table() as table:
        table.executemany(
            "insert or replace into rating values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(r.recording, r.start_ms, r.end_ms, r.source, r.profile, r.clip, r.title, r.value, r.comment),
                    json.dumps(r.figures, sort_keys=True),
                    json.dumps(r.features, sort_keys=True),
                    time.time(),
                )
                for r in made
            ],
        )


def _path() -> Path:
    return home() / "ratings.sqlite3"


def _table() -> AbstractContextManager[sqlite3.Connection]:
    return table_at(_path(), _TABLE, "The ratings of clips")


# ---------------------------------------------------------------- performance numbers


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    clip: str
    platform: str
    figures: dict[str, float]


def _read(path: Path) -> list[_Row]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path} is too large: at most {_MAX_BYTES >> 20} MB are read.", "Is it the right file?")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            head = [name.strip().casefold() for name in reader.fieldnames or ()]
            reader.fieldnames = head
            if "clip" not in head or not set(MEASURES) & set(head):
                raise UsageError(
                    f"{path.name} has the columns {', '.join(head) or '(none)'}.",
                    f"It needs clip and at least one of {', '.join(MEASURES)}; platform may be there.",
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
    for name in MEASURES:
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
    for name in MEASURES:
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
