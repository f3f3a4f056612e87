"""Whether the files for a podcast's feed are what players expect.

The episode is read with PyAV, which did not write it: length, tags, chapters and cover as a player finds them.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earwitness.checks.finding import Finding, error
from earwitness.checks.media import WITHIN_MS
from earwitness.checks.text import read_utf8

_KINDS = {".mp3": ("mp3", "mp3"), ".m4a": ("mov,mp4,m4a,3gp,3g2,mj2", "aac")}
_CHAPTER_WITHIN_MS = 2
_LISTS = {"chapters.json": ("chapters", "startTime", "title"), "transcript.json": ("segments", "startTime", "body")}


def check_episode(
    path: Path,
    name: str,
    *,
    length_ms: int,
    within_ms: int = WITHIN_MS,
    title: str | None = None,
    chapters: Sequence[tuple[int, str]] | None = None,
    cover: bool | None = None,
) -> list[Finding]:
    """Check a finished `.mp3` or `.m4a` of an episode.

    Args:
        path: where it lies.
        name: its path in the bundle.
        length_ms: how long it should be.
        within_ms: how far from that it may be.
        title: that its tag should have; None: any.
        chapters: start in milliseconds and title of each; None: any.
        cover: whether it should have one; None: either.
    """
    import av

    kind, codec = _KINDS[Path(name).suffix]
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            found_kind, tags, marks = container.format.name, dict(container.metadata), _marks(container)
            covers = [s for s in container.streams.video if s.disposition & av.stream.Disposition.attached_pic]
            films = len(container.streams.video) - len(covers)
            sounds = [stream.codec_context.codec.canonical_name for stream in container.streams.audio]
            lasts_ms = _length_ms(container) if len(sounds) == 1 else 0.0
    except (av.FFmpegError, ValueError, OSError) as problem:
        return [error(name, f"It can't be read to its end ({getattr(problem, 'strerror', None) or problem}).")]
    found = []
    if found_kind != kind:
        found.append(error(name, f"It is a {found_kind} file; it must be {kind}."))
    if sounds != [codec] or films:
        found.append(error(name, f"It holds {', '.join(sounds) or 'no sound'}; there must be one {codec} track."))
    elif abs(lasts_ms - length_ms) > within_ms:
        found.append(error(name, f"It lasts {lasts_ms / 1000:.1f} s; {length_ms / 1000:.1f} s were planned."))
    if title is not None and tags.get("title", "") != title:
        found.append(error(name, f"Its tag says {tags.get('title', '')!r}; the episode is called {title!r}."))
    if chapters is not None and not _same(marks, chapters):
        found.append(error(name, f"It has {len(marks)} chapters, which are not the {len(chapters)} that were planned."))
    if cover is not None and bool(covers) != cover:
        found.append(error(name, "Its cover is missing." if cover else "It has a cover that nobody gave."))
    return found


def _marks(container: Any) -> list[tuple[int, str]]:
    marks = []
    for chapter in container.chapters():
        start = round(chapter["start"] * chapter["time_base"] * 1000)
        marks.append((start, chapter["metadata"].get("title", "")))
    return marks


def _same(marks: Sequence[tuple[int, str]], planned: Sequence[tuple[int, str]]) -> bool:
    return len(marks) == len(planned) and all(
        abs(mark[0] - plan[0]) <= _CHAPTER_WITHIN_MS and mark[1] == plan[1]
        for mark, plan in zip(marks, planned, strict=True)
    )


def _length_ms(container: Any) -> float:
    """From walking through every packet: a file that was cut off ends early here."""
    stream = container.streams.audio[0]
    end = 0.0
    for packet in container.demux(stream):
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base) * 1000)
    return end


def check_feed_list(path: Path, name: str) -> list[Finding]:
    """Check `chapters.json` or `transcript.json`: entries in order, each with a time and a text."""
    text = read_utf8(path)
    try:
        document = json.loads(text or "")
    except ValueError as problem:
        return [error(name, f"It is not valid JSON: {problem}.")]
    key, start, words = _LISTS[Path(name).name]
    entries = document.get(key) if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries or "version" not in document:
        return [error(name, f"It has no version or no {key}.")]
    if not all(isinstance(entry.get(start), int | float) and entry.get(words) for entry in entries):
        return [error(name, f"One of its {key} lacks {start} or {words}.")]
    if [entry[start] for entry in entries] != sorted(entry[start] for entry in entries):
        return [error(name, f"Its {key} are not in order.")]
    return []
