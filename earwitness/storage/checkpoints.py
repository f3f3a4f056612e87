"""The small results of finished stages: read and written whole, here and in the shared store."""

import fcntl
import logging
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from earwitness.errors import EarwitnessError, StorageError
from earwitness.home import checkpoints_path, store_path
from earwitness.storage.leases import gate, stamp
from earwitness.storage.remote import remote_store

log = logging.getLogger(__name__)

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def read_checkpoint(key: str) -> bytes:
    """A checkpoint from this machine, else from the shared store, of which a copy then stays here.

    Reading it stamps it and every stored file that it names: all of them are in use from this moment on.

    Raises:
        FileNotFoundError: there is none.
        StoreUnreachable: there is none here, and the shared store does not answer.
    """
    path = checkpoints_path() / key
    try:
        with gate():
            content = path.read_bytes()
            stamp(path)
            _stamp_files(content)
            return content
    except FileNotFoundError:
        remote = remote_store()
        fetched = remote.read(f"checkpoints/{key}") if remote else None
        if fetched is None:
            raise
    _write_here(path, fetched)
    return fetched


def write_checkpoint(key: str, content: bytes, *, share: bool = True) -> None:
    """Write a checkpoint, whole or not at all, here and in the shared store.

    A shared store that fails now costs this run nothing: the answer is safe here, and other machines compute it again.

    Args:
        key: a file name.
        content: what `read_checkpoint` will give back.
        share: not for what concerns this run alone.

    Raises:
        StorageError: it can't be written here.
    """
    _write_here(checkpoints_path() / key, content)
    try:
        if share and (remote := remote_store()):
            remote.write(f"checkpoints/{key}", content)
    except EarwitnessError as error:
        log.warning("the checkpoint %s stays on this machine: %s", key, error)


def files_named(content: bytes) -> set[str]:
    """The digests of stored files in a checkpoint, and other digests: who protects too much loses nothing."""
    return {match.decode() for match in _DIGEST.findall(content)}


def stored_files(digests: Iterable[str]) -> list[Path]:
    """Where the stored files of these digests lie, of those that are there."""
    found: list[Path] = []
    for digest in digests:
        folder = store_path() / digest[:2]
        if folder.is_dir():
            found += [Path(entry.path) for entry in os.scandir(folder) if entry.name.partition(".")[0] == digest]
    return found


def _stamp_files(content: bytes) -> None:
    for path in stored_files(files_named(content)):
        stamp(path)


def _write_here(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gate():
            # locked, so that what a killed writer leaves can be told from what is being written
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
                part.replace(path)
            stamp(path)
            _stamp_files(content)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(
            f"The checkpoint {path} can't be written ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
