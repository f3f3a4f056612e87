"""Chapters of an episode, in the three forms that players read."""

import json
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earwitness.errors import ContractBroken
from earwitness.notes.notes import Notes

_HEADER = 10
"""Bytes before a tag, and before each frame in it."""
_TOP_LEVEL_IN_ORDER = 0b11
_MOST = 255
"""Of entries in an ID3 table of contents: its length is one byte."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A chapter of an episode."""

    start_ms: int
    end_ms: int
    title: str


def marks_of(notes: Notes, duration_ms: int) -> list[Mark]:
    """Chapters without gaps, the first from the beginning on; none where the notes have none with times, or only one.

    Args:
        notes: of the episode.
        duration_ms: of the episode.
    """
    timed = sorted((c.start_ms, " ".join(c.title.split())) for c in notes.chapters if c.start_ms is not None)
    starts: dict[int, str] = {}
    for start, title in timed:
        if title and start < duration_ms:
            starts.setdefault(0 if not starts else start, title)
    if len(starts) < 2:
        return []
    ends = [*list(starts)[1:], duration_ms]
    return [Mark(start, end, title) for (start, title), end in zip(starts.items(), ends, strict=True)][:_MOST]


def json_chapters(marks: Sequence[Mark], title: str) -> str:
    """The file that `podcast:chapters` of a feed points to, of type `application/json+chapters`.

    Source: github.com/Podcastindex-org/podcast-namespace, chapters/jsonChapters.md, version 1.2.0.
    """
    entries = [
        {"startTime": mark.start_ms / 1000, "endTime": mark.end_ms / 1000, "title": mark.title} for mark in marks
    ]
    return json.dumps({"version": "1.2.0", "title": title, "chapters": entries}, indent=2, ensure_ascii=False) + "\n"


def ffmetadata(tags: dict[str, str], marks: Sequence[Mark]) -> str:
    """Tags and chapters as ffmpeg reads them."""
    lines = [";FFMETADATA1", *(f"{name}={_escaped(value)}" for name, value in tags.items() if value)]
    for mark in marks:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={mark.start_ms}", f"END={mark.end_ms}"]
        lines.append(f"title={_escaped(mark.title)}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    line = " ".join(text.split())
    return "".join(f"\\{char}" if char in "=;#\\" else char for char in line)


def add_table_of_contents(mp3: Path) -> None:
    """Give an MP3 whose tag has chapters (CHAP) the table of contents (CTOC) that players find them by.

    ffmpeg writes no CTOC. Source: id3.org, "ID3v2 Chapter Frame Addendum" 1.0, sections 3.1 and 3.2; the tag is
    ID3v2.3, whose frames carry plain sizes.

    Raises:
        ContractBroken: the file does not begin with such a tag.
    """
    with mp3.open("rb") as file:
        head = file.read(_HEADER)
        if head[:4] != b"ID3\x03" or head[5]:
            raise ContractBroken(f"{mp3.name} was written without the tag that was asked for.", "Report this.")
        tag = file.read(_plain(head[6:10]))
        at, names = 0, []
        while at + _HEADER <= len(tag) and tag[at : at + 4].strip(b"\0"):
            size = int.from_bytes(tag[at + 4 : at + 8], "big")
            if tag[at : at + 4] == b"CHAP":
                body = tag[at + _HEADER : at + _HEADER + size]
                names.append(body[: body.index(b"\0") + 1])
            at += _HEADER + size
        if not names:
            return
        body = b"toc\0" + bytes([_TOP_LEVEL_IN_ORDER, len(names)]) + b"".join(names)
        frames = tag[:at] + b"CTOC" + struct.pack(">IH", len(body), 0) + body
        part = mp3.with_suffix(".part")
        with part.open("wb") as longer:
            longer.write(head[:6] + _syncsafe(len(frames)) + frames)
            shutil.copyfileobj(file, longer)
    part.replace(mp3)


def _plain(size: bytes) -> int:
    """Sizes of tags leave the highest bit of each byte free."""
    return sum(byte << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True))


def _syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
