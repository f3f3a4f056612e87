"""Is there room? Asked before hours of work, not after."""

import shutil
from pathlib import Path
from typing import Literal

from pydantic import Field

from earwitness.errors import StorageError
from earwitness.home import store_path
from earwitness.schema import Record

NO_ROOM_BYTES = 1 << 30
LITTLE_ROOM_BYTES = 10 << 30


class StorageState(Record):
    """How much room a disk has."""

    level: Literal["ok", "low", "full"] = Field(description="low: clean soon; full: runs are refused")
    path: Path
    free_bytes: int = Field(ge=0)
    total_bytes: int = Field(ge=0)


def storage_state(
    path: Path | None = None, low_bytes: int | None = None, full_bytes: int | None = None
) -> StorageState:
    """How much room there is. Cheap; for alerts, health checks and the command line.

    Args:
        path: any place on the disk in question, existing or not; the store unless given.
        low_bytes: less free space than this is low [10 GiB].
        full_bytes: less than this is full [1 GiB]; runs are refused below `limits.min_free_gb`.

    Raises:
        StorageError: the disk can't be looked at.
    """
    place = existing(path or store_path())
    try:
        disk = shutil.disk_usage(place)
    except OSError as error:
        raise StorageError(
            f"The disk of {place} can't be looked at ({error.strerror or error}).", "Check that it is mounted."
        ) from error
    level: Literal["ok", "low", "full"]
    low = LITTLE_ROOM_BYTES if low_bytes is None else low_bytes
    full = NO_ROOM_BYTES if full_bytes is None else full_bytes
    level = "full" if disk.free < full else "low" if disk.free < low else "ok"
    return StorageState(level=level, path=place, free_bytes=disk.free, total_bytes=disk.total)


def need_room(work_bytes: int, out: Path, min_free_gb: float) -> None:
    """Refuse to start what can't be finished for want of room.

    Args:
        work_bytes: what will be written, half of it to the store and half to the bundle (`earwitness.estimate`).
        out: the folder for bundles; it need not exist yet.
        min_free_gb: what has to stay free on each disk, in 10^9 bytes.

    Raises:
        StorageError: a disk has less than that.
    """
    places = [existing(place) for place in (store_path(), out)]
    shared = _device(places[0]) == _device(places[1])
    for place in places[:1] if shared else places:
        need = round(work_bytes / (1 if shared else 2) + min_free_gb * 1e9)
        free = storage_state(place).free_bytes
        if free < need:
            takes = f"this recording takes about {size_text(work_bytes)} and " if work_bytes else ""
            raise StorageError(
                f"Too little room at {place}: {size_text(free)} are free, {takes}{min_free_gb:g} GB are to stay free.",
                "Free some space (earwitness clean), point EARWITNESS_HOME or --out at another disk, or set "
                "limits.min_free_gb lower.",
                need_bytes=need,
                free_bytes=free,
            )


def need_free(folder: Path, bytes_: int, what: str) -> None:
    """Refuse to write what does not fit.

    Args:
        folder: where it goes; it need not exist yet.
        bytes_: how much.
        what: what needs it, at the beginning of a sentence.

    Raises:
        StorageError: the disk has less than that free.
    """
    free = storage_state(folder).free_bytes
    if free < bytes_:
        raise StorageError(
            f"{what} needs {size_text(bytes_)} in {folder}, where {size_text(free)} are free.",
            "Free some space (earwitness clean), or choose another folder with --out.",
            need_bytes=bytes_,
            free_bytes=free,
        )


def size_text(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def existing(path: Path) -> Path:
    """The path, or the nearest thing above it that exists."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _device(path: Path) -> int:
    return path.stat().st_dev
