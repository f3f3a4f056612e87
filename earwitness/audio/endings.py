"""Is the file cut off? What the container promises about its own end, read without decoding.

ffmpeg quietly trusts the file's size where a WAV header promises more, and an Ogg stream simply stops; a recording
that was cut off would pass as whole.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAX_CHUNKS = 10_000
_STREAMED = (0, 0x7FFFFFFF, 0xFFFFFFFF)
_ALMOST_4G = 0xFFFF_FF00
_OGG_TAIL = 1 << 17


@dataclass(frozen=True)
class Ending:
    """How a file's end compares with its header."""

    declared_ms: int | None = None
    """Duration by the header's own count, where it has one that the decoder would not report."""
    missing_bytes: int = 0
    """How much less there is than promised."""
    streamed: bool = False
    """The length in the header is a placeholder: it was written to a pipe."""
    note: str = ""
    """What is wrong with the end, for people; empty if nothing is."""


def ending_of(path: Path) -> Ending:
    """Compare a WAV, AIFF or Ogg file's end with its header; other formats give an empty answer.

    Sources: RFC 2361 and EBU Tech 3306 (RIFF, RF64), AIFF-C 1991, RFC 3533 (Ogg).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
            return _wav(file, size)
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            promised = struct.unpack(">I", head[4:8])[0] + 8
            # Some writers leave out the last chunk's padding byte.
            return _short_of(promised - size) if promised > size + 1 else Ending()
        if head[:4] == b"OggS":
            return _ogg(file, size)
    return Ending()


def _short_of(missing: int, declared_ms: int | None = None) -> Ending:
    return Ending(declared_ms, missing, note=f"the header promises {missing:,} bytes more than the file holds")


def _wav(file: BinaryIO, size: int) -> Ending:
    byte_rate, long_data = 0, None
    for _ in range(_MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = header[:4], struct.unpack("<I", header[4:])[0]
        start = file.tell()
        if name == b"ds64" and length >= 16:
            long_data = struct.unpack("<Q", file.read(16)[8:])[0]
        elif name == b"fmt " and length >= 16:
            byte_rate = struct.unpack("<I", file.read(16)[8:12])[0]
        elif name == b"data":
            if long_data is not None and length == 0xFFFFFFFF:
                length = long_data
            elif length in _STREAMED and size > start:
                return Ending(streamed=True)
            declared = length * 1000 // byte_rate if byte_rate else None
            if length <= size - start:
                return Ending()
            if length >= _ALMOST_4G:
                return Ending(declared, note="the header declares the largest possible size")
            return _short_of(length - (size - start), declared)
        file.seek(start + length + length % 2)
    return Ending()


def _ogg(file: BinaryIO, size: int) -> Ending:
    """The last page must be complete; one that ends its stream says so in its flags."""
    file.seek(max(0, size - _OGG_TAIL), os.SEEK_SET)
    tail = file.read(_OGG_TAIL)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return Ending(note="its last Ogg page is incomplete")
    segments = tail[at + 26]
    table = tail[at + 27 : at + 27 + segments]
    end = at + 27 + segments + sum(table)
    if len(table) < segments or end > len(tail):
        return Ending(missing_bytes=max(0, end - len(tail)), note="its last Ogg page is cut off")
    if not tail[at + 5] & 4:
        return Ending(note="its Ogg stream stops without an end mark")
    return Ending()
