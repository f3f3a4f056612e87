"""A content-addressed store for the large files of finished stages.

It lies on this machine. Where `EARWITNESS_STORE` names a shared one, a file that is missing or damaged here is fetched
from there; what is here is then a verified copy. How files get there: `earwitness.storage.sharing`.
"""

import errno
import hashlib
import logging
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from pydantic import Field, model_validator

from earwitness.errors import DamagedFile, StorageError
from earwitness.home import scratch_path, store_path
from earwitness.schema import Record
from earwitness.storage.damage import damage_found
from earwitness.storage.gate import HeldFolder, gate, stamp
from earwitness.storage.remote import RemoteStore, remote_store

log = logging.getLogger(__name__)

_CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


class FileRef(Record):
    """A file in the store, by content. Loading one whose bytes can't be had unaltered fails.

    Raises:
        StoreUnreachable: on loading, when the file is not here and the shared store does not answer.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="bytes")
    suffix: str = Field(pattern=r"^(\.[a-z0-9]+)?$", description="with its dot, e.g. .flac")

    @property
    def path(self) -> Path:
        """Where the bytes lie on this machine."""
        return store_path() / place_of(self.sha256, self.suffix)

    @model_validator(mode="after")
    def _verify(self) -> "FileRef":
        problem = self._problem()
        if problem == "altered":
            damage_found(f"The stored file {self.path} was altered after it was stored.", self.path)
        if problem and (remote := remote_store()):
            _fetch(self, remote)
            problem = self._problem()
        if problem:
            raise DamagedFile(f"stored file {problem}: {self.path}")
        return self

    def _problem(self) -> str:
        path = self.path
        try:
            with gate():
                stamp(path)
                stat = path.stat()
            whole = stat.st_size == self.size and self.sha256 == _digest(
                path, stat.st_mtime_ns, stat.st_size, stat.st_ino
            )
        except OSError:
            return "missing"
        return "" if whole else "altered"


def place_of(digest: str, suffix: str) -> str:
    """Where a file lies, relative to the local store and to `store/` in the shared one."""
    return f"{digest[:2]}/{digest}{suffix}"


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
    target = store_path() / place_of(digest, suffix)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _is_there_already(target, digest):
            _move_into_place(path, target)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"The store at {store_path()} can't be written ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
    return FileRef(sha256=digest, size=size, suffix=suffix)


def _is_there_already(target: Path, digest: str) -> bool:
    if not target.is_file():
        return False
    if sha256_file(target) != digest:
        damage_found(f"The stored file {target} was altered after it was stored.", target)
        return False
    with gate():  # it may have been cleaned away while we read it; from now on it is ours
        return stamp(target)


def _move_into_place(path: Path, target: Path) -> None:
    if path.stat().st_dev == target.parent.stat().st_dev:
        _rename_into_place(path, target)
        return
    with workspace("keep") as folder:
        part = Path(folder) / "part"
        shutil.copyfile(path, part)
        _rename_into_place(part, target)


def _rename_into_place(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    with gate():
        part.replace(target)
        stamp(target)


def _fetch(ref: FileRef, remote: RemoteStore) -> None:
    """Bring a file from the shared store, if its bytes there are the right ones."""
    name = f"store/{place_of(ref.sha256, ref.suffix)}"
    with workspace("fetch") as folder:
        part = Path(folder) / "part"
        for _ in range(2):  # a second time, in case the way here was to blame
            part.unlink(missing_ok=True)
            if not remote.fetch(name, part):
                log.warning("%s is missing in the store %s: it is made anew", name, remote.url)
                return
            if part.stat().st_size == ref.size and sha256_file(part) == ref.sha256:
                ref.path.parent.mkdir(parents=True, exist_ok=True)
                _rename_into_place(part, ref.path)
                return
    damage_found(f"{name} was altered in the shared store {remote.url}.", f"{remote.url}/{name}")
    # where it stayed, the upload of the good one would find an object of the same size and leave it
    remote.remove(name)


_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


def disk_trouble(error: OSError) -> StorageError | None:
    """What to tell the user if an error of the operating system means that the disk is full, closed or broken."""
    if error.errno not in _DISK_TROUBLE:
        return None
    return StorageError(
        f"The disk of {store_path()} can't be used ({os.strerror(error.errno)}).",
        "Free some space or point EARWITNESS_HOME at a writable folder.",
        errno=error.errno,
    )


def workspace(purpose: str) -> "tempfile.TemporaryDirectory[str]":
    """A scratch folder on the store's own disk, so that `keep` is a rename. Use as a context manager.

    It is locked while this process lives: what a killed process leaves is recognised and swept.
    """
    scratch = scratch_path()
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        return HeldFolder(f"{purpose}-", scratch)
    except OSError as error:
        raise StorageError(
            f"No scratch folder can be made in {scratch} ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
