"""A content-addressed store for the large files of finished stages."""

import hashlib
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from pydantic import Field, model_validator

from earwitness.errors import DamagedFile, MissingFile, StorageError
from earwitness.home import store_path
from earwitness.schema import Record

_CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


class FileRef(Record):
    """A file in the store, by content. Loading one whose bytes are gone or altered fails."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="bytes")
    suffix: str = Field(pattern=r"^(\.[a-z0-9]+)?$", description="with its dot, e.g. .flac")

    @property
    def path(self) -> Path:
        """Where the bytes lie on this machine."""
        return store_path() / self.sha256[:2] / f"{self.sha256}{self.suffix}"

    @model_validator(mode="after")
    def _verify(self) -> "FileRef":
        path = self.path
        try:
            stat = path.stat()
        except OSError as error:
            raise MissingFile(f"stored file missing: {path}") from error
        if stat.st_size != self.size or _digest(path, stat.st_mtime_ns, stat.st_size, stat.st_ino) != self.sha256:
            raise DamagedFile(f"stored file altered: {path}")
        return self


@lru_cache(maxsize=4096)
def _digest(path: Path, mtime_ns: int, size: int, inode: int) -> str:
    return sha256_file(path)


def keep(path: Path) -> FileRef:
    """Move a finished file into the store (atomically; equal content is stored once).

    Args:
        path: a complete file that the caller no longer needs; it is gone afterwards.

    Raises:
        StorageError: the store can't be written.
    """
    digest, size, suffix = sha256_file(path), path.stat().st_size, path.suffix.lower()
    target = store_path() / digest[:2] / f"{digest}{suffix}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file() and sha256_file(target) == digest:
            path.unlink()
        else:
            _move_into_place(path, target)
    except OSError as error:
        raise StorageError(
            f"The store at {store_path()} can't be written ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
    return FileRef(sha256=digest, size=size, suffix=suffix)


def _move_into_place(path: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        shutil.move(path, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def workspace(purpose: str) -> "tempfile.TemporaryDirectory[str]":
    """A scratch folder on the store's own disk, so that `keep` is a rename. Use as a context manager."""
    scratch = store_path() / "tmp"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f"{purpose}-", dir=scratch)
    except OSError as error:
        raise StorageError(
            f"No scratch folder can be made in {scratch} ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
