"""What lies where, how much of it, and what could go."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from earwitness.errors import EarwitnessError
from earwitness.home import calls_path, checkpoints_path, home, memory_path, scratch_path, store_path
from earwitness.result import ErrorInfo
from earwitness.schema import Record
from earwitness.storage.clean import find_waste
from earwitness.storage.leases import living_leases
from earwitness.storage.remote import remote_store
from earwitness.storage.room import StorageState, storage_state
from earwitness.storage.sharing import waiting


class Place(Record):
    """One of the places where files lie."""

    name: str
    where: str = Field(description="folder or URL")
    files: int = Field(ge=0)
    bytes: int = Field(ge=0)
    oldest: str | None = Field(default=None, description="last modification of the oldest file, UTC, ISO 8601")
    error: ErrorInfo | None = Field(default=None, description="why nothing is known about it")


class Overview(Record):
    """Everything that is kept."""

    places: list[Place]
    disk: StorageState = Field(description="of the store")
    runs: int = Field(ge=0, description="in progress on this machine")
    unshared: int = Field(ge=0, description="finished stages that the shared store does not have yet")
    older_than_s: float = Field(description="what `clean` is asked about")
    clean_items: int = Field(ge=0, description="what `clean` would remove")
    clean_bytes: int = Field(ge=0)


def overview(older_than_s: float, out: Path | None = None) -> Overview:
    """Count and measure. A shared store that does not answer is a place with an error.

    Args:
        older_than_s: for what `clean --older-than` would free.
        out: a folder of bundles to count as well.

    Raises:
        StorageError: the disk can't be looked at.
    """
    scratch = scratch_path()
    places = [
        _counted("store", store_path(), apart=scratch),
        _counted("checkpoints", checkpoints_path()),
        _counted("calls", calls_path()),
        _counted("memory", memory_path()),
        _counted("scratch", scratch),
        _counted("models", _hub_cache()),
    ]
    if out is not None:
        places.append(_counted("bundles", out))
    places += _shared()
    waste = find_waste(older_than_s, out)
    return Overview(
        places=places,
        disk=storage_state(home()),
        runs=len(living_leases()),
        unshared=len(waiting()),
        older_than_s=older_than_s,
        clean_items=len(waste),
        clean_bytes=sum(item.bytes for item in waste),
    )


def _counted(name: str, folder: Path, apart: Path | None = None) -> Place:
    files, total, oldest = 0, 0, None
    for path in folder.rglob("*") if folder.is_dir() else ():
        if apart is not None and path.is_relative_to(apart):
            continue
        try:
            if path.is_symlink() or not path.is_file():
                continue
            stat = path.stat()
        except OSError:  # it went while we counted
            continue
        files += 1
        total += stat.st_size
        oldest = stat.st_mtime if oldest is None else min(oldest, stat.st_mtime)
    return Place(
        name=name,
        where=str(folder),
        files=files,
        bytes=total,
        oldest=None if oldest is None else _shown(datetime.fromtimestamp(oldest, UTC)),
    )


def _shared() -> list[Place]:
    where = "EARWITNESS_STORE"
    try:
        remote = remote_store()
        if remote is None:
            return []
        where = remote.url
        files = list(remote.files())
    except EarwitnessError as error:
        return [Place(name="shared", where=where, files=0, bytes=0, error=ErrorInfo.of(error))]
    dates = [file.modified for file in files if file.modified is not None]
    return [
        Place(
            name="shared",
            where=where,
            files=len(files),
            bytes=sum(file.size for file in files),
            oldest=_shown(min(dates)) if dates else None,
        )
    ]


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _shown(date: datetime) -> str:
    return date.isoformat(timespec="seconds")
