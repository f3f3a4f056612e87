"""What people and platforms think of clips: stars and performance numbers, kept under the home for all bundles."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from earwitness.archive.reading import Bundle
from earwitness.clips.clip import Clip
from earwitness.clips.find import clip_named
from earwitness.errors import UsageError
from earwitness.home import home
from earwitness.storage.tables import table_at

STARS = "stars"
"""Source of a person's rating; that of performance numbers is the platform."""
_MIDDLE, _REACH = 3, 2
"""Three stars say neither good nor bad; one and five are as far as it goes."""
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
    made = rating_of(bundle, clip_named(bundle, clip), STARS, (stars - _MIDDLE) / _REACH, {"stars": stars}, comment)
    keep_ratings([made])
    return made


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


def rating_of(
    bundle: Bundle, clip: Clip, source: str, value: float, figures: Mapping[str, float], comment: str = ""
) -> Rating:
    """An opinion on a clip of a bundle, with the features that the clip has; `keep_ratings` keeps it."""
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


def keep_ratings(made: Sequence[Rating]) -> None:
    """Keep ratings, all or none, in place of those of the same source on the same stretch.

    Raises:
        StorageError: they can't be kept.
    """
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
