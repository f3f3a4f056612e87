"""The tracks of a zip as files, for as long as they are needed; those of a folder are files already."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from earwitness.errors import BadRecording
from earwitness.home import scratch_path
from earwitness.progress import Progress, no_progress
from earwitness.storage.room import need_free
from earwitness.storage.store import workspace
from earwitness.tracks.find import DAMAGED, Track, find_tracks, open_member, open_zip

_CHUNK = 1 << 20
_LEFT_FREE = 1 << 30
_PLAIN = re.compile(r"[^\w.+-]+", re.ASCII)


@contextmanager
def unpacked(path: Path, progress: Progress = no_progress) -> Iterator[list[tuple[Track, Path | None]]]:
    """The tracks of a zip or folder, in order, each with its file; None where a member of the zip is damaged.

    What is unpacked lies in the store's scratch folder under names of our own, and is gone afterwards.

    Args:
        path: of the zip or folder.
        progress: told the share that is unpacked, and which track is at work.

    Raises:
        BadRecording: as `find_tracks`.
        StorageError: there is no room for what has to be unpacked.
    """
    tracks = find_tracks(path)
    if path.is_dir():
        yield [(track, track.inside) for track in tracks]
        return
    total = sum(track.inside.file_size for track in tracks)
    need_free(scratch_path(), total + _LEFT_FREE, f"Unpacking {path.name}")
    with workspace("tracks") as folder, open_zip(path) as archive:
        files: list[tuple[Track, Path | None]] = []
        done = 0
        for number, track in enumerate(tracks):
            place = Path(folder) / f"{number:02d}"
            place.mkdir()
            target = place / _plain_name(track.source)
            try:
                with open_member(archive, track.inside) as inside, target.open("wb") as file:
                    while block := inside.read(_CHUNK):
                        file.write(block)
                        done += len(block)
                        progress(min(1.0, done / max(1, total)), f"unpacking {track.source}")
            except DAMAGED:
                target.unlink(missing_ok=True)
                files.append((track, None))
            else:
                files.append((track, target))
        yield files


def check_unchanged(path: Path, before: tuple[int, int]) -> None:
    """Whether a zip is still what it was (`size_and_time`).

    Raises:
        BadRecording: it changed.
    """
    if not path.is_dir() and size_and_time(path) != before:
        raise BadRecording(f"{path.name} changed while it was read.", "Wait until it is complete, then run again.")


def size_and_time(path: Path) -> tuple[int, int]:
    """What changes with a file.

    Raises:
        BadRecording: it is gone.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise BadRecording(f"{path} can't be read ({error.strerror or error}).", "Check the path.") from error
    return stat.st_size, stat.st_mtime_ns


def _plain_name(source: str) -> str:
    """A name that every disk takes and that messages can show."""
    name = PurePosixPath(source)
    stem = _PLAIN.sub("_", name.stem).strip("_.")[:60]
    return f"{stem or 'track'}{name.suffix.lower()}"
