"""What a file that can't be read as a recording seems to be, in words that help its owner."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

GIVE_ANOTHER = "Give an audio or video file, such as WAV, FLAC, MP3, M4A, OGG, WebM or MP4."
EXPORT_AGAIN = "Export it again from the program or device that made it."

_POINTER = "Give the sound files that it points to."
_PAGE = "Download it again: the server sent a page (an error, or a log-in) instead of the recording."
_PACKED = "Unpack it and give the recording that is inside."
_REPAIR = (
    "Open it once more in the program or device that made it (many complete such files), or give another copy of the "
    "recording."
)

# First bytes of things that people mistake for recordings, or that pose as ones.
_DISGUISES = (
    (b"#EXTM3U", "an HLS playlist, which only points to other files", _POINTER),
    (b"ffconcat", "an ffconcat script, which only points to other files", _POINTER),
    (b"[playlist]", "a playlist, which only points to other files", _POINTER),
    (b"<asx", "a playlist, which only points to other files", _POINTER),
    (b"<smil", "a playlist, which only points to other files", _POINTER),
    (b"<MPD", "a DASH playlist, which only points to other files", _POINTER),
    (b"v=0\r\n", "an SDP description, which only points to a network stream", _POINTER),
    (b"v=0\n", "an SDP description, which only points to a network stream", _POINTER),
    (b"<!DOCTYPE", "a web page", _PAGE),
    (b"<!doctype", "a web page", _PAGE),
    (b"<html", "a web page", _PAGE),
    (b"<HTML", "a web page", _PAGE),
    (b"<?xml", "an XML document", GIVE_ANOTHER),
    (b"PK\x03\x04", "a ZIP archive", _PACKED),
    (b"Rar!", "a RAR archive", _PACKED),
    (b"\x1f\x8b", "a gzip archive", _PACKED),
    (b"7z\xbc\xaf", "a 7-Zip archive", _PACKED),
    (b"%PDF", "a PDF document", GIVE_ANOTHER),
    (b"\x89PNG", "a PNG picture", GIVE_ANOTHER),
    (b"\xff\xd8\xff", "a JPEG picture", GIVE_ANOTHER),
    (b"GIF8", "a GIF picture", GIVE_ANOTHER),
    (
        b"ADIF",
        "an AAC file of the old ADIF kind, which can't be read here",
        "Convert it with the program that made it.",
    ),
    (b"WEBVTT", "a WebVTT transcript", "Give the recording, and the transcript with --transcript."),
)
_MARKUP = (b"<!DOCTYPE", b"<!doctype", b"<?xml")
_AUDIO_MARKS = (
    (b"fLaC", "a FLAC file"),
    (b"OggS", "an Ogg file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    (b"FORM", "an AIFF file"),
    (b"MPCK", "a Musepack file"),
    (b"MP+", "a Musepack file"),
    (b"wvpk", "a WavPack file"),
    (b"caff", "a CAF file"),
    (b".snd", "an AU file"),
    (b"0&\xb2u", "a Windows Media file"),
)
_SMALLEST = 64
"""A file with fewer bytes can't hold a sound, whatever it claims to be."""
_FEW_WORDS = 20
_MAX_PIECES = 1_000
_PCM_TAGS = (1, 3, 0xFFFE)


@dataclass(frozen=True, slots=True)
class Lookalike:
    """What a file seems to be, and what its owner can do."""

    kind: str
    """Ends the sentence "It is ..."."""
    remedy: str


def lookalike_of(path: Path) -> Lookalike:
    """Name what a file is, given that no recording could be read from it.

    Raises:
        OSError: the file can't be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
        if not head:
            return Lookalike("empty, not a recording", "Copy or export it again.")
        start = head.lstrip(b"\xef\xbb\xbf \r\n\t")
        for magic, name, remedy in _DISGUISES:
            if start.startswith(magic):
                if magic in _MARKUP and b"<MPD" in head:
                    name, remedy = "a DASH playlist, which only points to other files", _POINTER
                shown = name if magic == b"ADIF" else f"{name}, not a recording"
                return Lookalike(shown, remedy)
        text = b"\0" not in head and head.isascii()
        if text and size > _FEW_WORDS and not head.startswith(b"ID3"):
            return Lookalike("plain text, not a recording", GIVE_ANOTHER)
        if size < _SMALLEST:
            bytes_ = "1 byte" if size == 1 else f"{size} bytes"
            return Lookalike(f"only {bytes_} long: not a recording, or the very start of one", "Copy it again.")
        if _is_wav(head):
            return Lookalike(f"a damaged WAV file: {_wav_fault(file)}", EXPORT_AGAIN)
        if head[4:8] == b"ftyp":
            return _mp4(file, size)
        for magic, name in _AUDIO_MARKS:
            if head.startswith(magic):
                return Lookalike(
                    f"a damaged file: it begins as {name} does, but its header can't be read", EXPORT_AGAIN
                )
        if head.startswith(b"ID3"):
            return Lookalike("a tag (title, artist and such) without sound after it", EXPORT_AGAIN)
    return Lookalike("not a recording: no known format begins as it does", GIVE_ANOTHER)


def wav_fault(path: Path) -> str | None:
    """What of a WAV file's header can't be true; None if it is no WAV file."""
    with path.open("rb") as file:
        head = file.read(12)
        return _wav_fault(file) if _is_wav(head) else None


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"


def _wav_fault(file: BinaryIO) -> str:
    """The chunk `fmt ` of RFC 2361."""
    file.seek(12)
    for _ in range(_MAX_PIECES):
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = header[:4], int.from_bytes(header[4:], "little")
        if name == b"fmt ":
            fields = file.read(16)
            if len(fields) < 16:
                return "it ends inside its header"
            tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fields)
            if not rate:
                return "its header says 0 samples a second"
            if not channels:
                return "its header says 0 channels"
            if tag in _PCM_TAGS and not bits:
                return "its header says 0 bits a sample"
            if rate > 768_000 or channels > 64:
                return f"its header says {rate:,} samples a second and {channels:,} channel{'s' * (channels > 1)}"
            if tag not in _PCM_TAGS:
                return f"its header names a kind of sound, 0x{tag:04X}, that nothing here can decode"
            return "what follows its header makes no sense"
        if name == b"data":
            return "its samples come before the header that describes them"
        file.seek(length + length % 2, 1)
    return "its header does not say how its samples are stored"


def _mp4(file: BinaryIO, size: int) -> Lookalike:
    """Whether the index (`moov`, ISO/IEC 14496-12) is there at all."""
    at = 0
    for _ in range(_MAX_PIECES):
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            break
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if name == b"moov":
            return Lookalike("a damaged MP4 file: its index can't be read", EXPORT_AGAIN)
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:], "big")
        if length < 8:  # 0: to the end of the file
            break
        at += length
        if at >= size:
            break
    return Lookalike(
        "an MP4 file without its index, as an interrupted recording leaves it: its sound can't be found", _REPAIR
    )
