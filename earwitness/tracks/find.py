"""Which tracks a path stands for, in what order, and the digest of them all."""

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from earwitness.audio.find import MEDIA_SUFFIXES, check_name, recordings_in
from earwitness.errors import BadRecording, printable
from earwitness.schema import digest_of
from earwitness.storage.room import size_text
from earwitness.storage.store import sha256_file
from earwitness.tracks.names import natural, speaker_names

MAX_TRACKS = 50
MAX_ENTRIES = 2_000
"""Files of all kinds in a zip; recorders put a handful beside the tracks."""
MAX_BYTES = 64 << 30
"""Of all tracks, unpacked: eight people for four hours as 24-bit WAV are 16 GB."""

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError)
"""What reading a damaged member of a zip raises."""

_CHUNK = 1 << 20
_KNOWN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_ENCRYPTED, _PATCHED, _STRONGLY_ENCRYPTED = 0x1, 0x20, 0x40
_UTF8 = 0x800
_ARCHIVES = (".zip", ".7z", ".rar", ".gz", ".tar")
_UNPACK = "Unpack it and give the folder: earwitness run FOLDER --tracks speakers."
_AGAIN = "Download or export it again."


@dataclass(frozen=True, slots=True)
class Track:
    """One file of a recording that has several."""

    source: str
    """Path inside the zip or folder, what all have in common left out."""
    name: str | None
    """Of the speaker, as far as the file's name says."""
    inside: Any
    """A `zipfile.ZipInfo`, or a Path."""


def is_zip(path: Path) -> bool:
    """Whether a path is a zip by its name and its first bytes; a zip that poses as a sound file is none."""
    if path.suffix.lower() != ".zip":
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def holds_tracks(path: Path) -> bool:
    """Whether a zip in a folder of recordings is one: it can be read, and there is a sound file in it."""
    try:
        return is_zip(path) and bool(find_tracks(path))
    except BadRecording:
        return False


def find_tracks(path: Path) -> list[Track]:
    """The tracks of a zip or folder, track 2 before track 10. Whatever is no sound is passed over.

    Raises:
        BadRecording: it can't be read, holds no sound file or too many, or is no zip that may be unpacked.
    """
    if path.is_dir():
        files = recordings_in(path)
        for file in files:
            check_name(file)
        members: list[tuple[str, Any]] = [(file.relative_to(path).as_posix(), file) for file in files]
    else:
        with open_zip(path) as archive:
            members = _members(path, archive)
    if len(members) > MAX_TRACKS:
        raise BadRecording(
            f"{path.name} holds {len(members)} sound files; a recording may have {MAX_TRACKS} tracks.",
            "If they are recordings of their own, give their folder without --tracks.",
        )
    members.sort(key=lambda member: (natural(member[0]), member[0]))
    sources = _without_common_folder([name for name, _ in members])
    names = speaker_names(sources)
    return [Track(source, name, inside) for source, name, (_, inside) in zip(sources, names, members, strict=True)]


def digest_of_tracks(path: Path) -> str:
    """SHA-256 over the names and contents of all tracks: the same for a zip and for the folder it was made of.

    Raises:
        BadRecording: as `find_tracks`; or a track can't be read at all.
    """
    tracks = find_tracks(path)
    if path.is_dir():
        return digest_of([[track.source, _sha256(track.inside)] for track in tracks])
    with open_zip(path) as archive:
        return digest_of([[track.source, _sha256_inside(archive, track.inside)] for track in tracks])


def content_digest(path: Path) -> str:
    """What a recording is known by: the digest of its bytes, or of its tracks if it is a zip or folder.

    Raises:
        OSError: a file can't be read.
        BadRecording: a zip or folder can't be.
    """
    return digest_of_tracks(path) if path.is_dir() or is_zip(path) else sha256_file(path)


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip for reading.

    Raises:
        BadRecording: its table of contents can't be read.
        OSError: there is no such file, or it can't be read.
    """
    try:
        archive = zipfile.ZipFile(path)
    except NotImplementedError as error:  # so zipfile says that the format is newer than itself
        raise BadRecording(f"{path.name} is a zip of a newer kind than can be read here ({error}).", _UNPACK) from error
    except (*DAMAGED, ValueError) as error:
        raise BadRecording(
            f"{path.name} is a damaged zip: its table of contents can't be read ({error}).", _AGAIN
        ) from error
    with archive:
        yield archive


@contextmanager
def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """A member for reading; never more bytes than its entry states, which `find_tracks` has bounded.

    Raises:
        BadZipFile: its header is damaged (as `DAMAGED` while reading: so is its content).
    """
    try:
        file = archive.open(info)
    except (RuntimeError, NotImplementedError) as error:  # its own header says otherwise than the table of contents
        raise zipfile.BadZipFile(str(error)) from error
    with file:
        yield file


def _members(path: Path, archive: zipfile.ZipFile) -> list[tuple[str, Any]]:
    entries = [info for info in archive.infolist() if not info.is_dir()]
    if len(entries) > MAX_ENTRIES:
        raise BadRecording(
            f"{path.name} holds {len(entries):,} files; at most {MAX_ENTRIES:,} are looked at.",
            "Put only the tracks of one recording into the zip.",
        )
    named = [(_name_of(info), info) for info in entries]
    sounds = [(name, info) for name, info in named if _is_sound(name)]
    if not sounds:
        kind = "only other archives" if any(name.lower().endswith(_ARCHIVES) for name, _ in named) else "no sound file"
        raise BadRecording(
            f"{path.name} is a zip that holds {kind}.",
            "Give a zip with one sound file a speaker, or the sound file itself.",
        )
    for name, info in sounds:
        _check_member(path, name, info)
    seen: set[str] = set()
    for name, _ in sounds:
        if name in seen:
            raise BadRecording(f"{path.name} holds {name} twice.", _UNPACK)
        seen.add(name)
    total = sum(info.file_size for _, info in sounds)
    if total > MAX_BYTES:
        raise BadRecording(
            f"The sound files in {path.name} are {size_text(total)} when unpacked; at most {size_text(MAX_BYTES)} are "
            "allowed.",
            "If that can't be true, the zip is damaged or hostile. If it is, convert the tracks to FLAC first.",
        )
    return list(sounds)


def _check_member(path: Path, name: str, info: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
        raise BadRecording(
            f"{path.name} holds a file that wants to lie outside of it: {name}.",
            "No recorder makes such a zip: don't trust it.",
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise BadRecording(
            f"{path.name} holds a link instead of a sound file: {name}.", "Put the files themselves into the zip."
        )
    if info.flag_bits & (_ENCRYPTED | _STRONGLY_ENCRYPTED):
        raise BadRecording(f"{path.name} is encrypted: {name} can't be read without a password.", _UNPACK)
    if info.compress_type not in _KNOWN_METHODS or info.flag_bits & _PATCHED:
        what = "as a patch of another" if info.flag_bits & _PATCHED else f"number {info.compress_type}"
        raise BadRecording(f"{name} in {path.name} is compressed in a way that can't be read here ({what}).", _UNPACK)


def _name_of(info: zipfile.ZipInfo) -> str:
    """As it was meant: programs that don't say which alphabet they use mostly use UTF-8; if not, the zip's own."""
    name = info.filename
    if not info.flag_bits & _UTF8:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    return printable(name.replace("\\", "/"))


def _is_sound(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") and part != ".." for part in path.parts) or "__MACOSX" in path.parts
    return path.suffix.lower() in MEDIA_SUFFIXES and not hidden


def _without_common_folder(names: Sequence[str]) -> list[str]:
    folders = [name.split("/")[:-1] for name in names]
    common = 0
    while all(len(folder) > common and folder[common] == folders[0][common] for folder in folders):
        common += 1
    return ["/".join(name.split("/")[common:]) for name in names]


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise BadRecording(f"{path} can't be read ({error.strerror or error}).", "Check its permissions.") from error


def _sha256_inside(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    try:
        with open_member(archive, info) as file:
            while block := file.read(_CHUNK):
                digest.update(block)
    except DAMAGED:
        digest.update(b"damaged")  # it is left out later, which says so; the other tracks still have their digest
    return digest.hexdigest()
