"""Bringing finished stages to the store that several machines share.

What is made lies on this machine first. A note says that it has still to be shared, until it is: so a service that
goes away in the middle of a run, or a kill, costs no work. Notes are seen to before the next stage is computed, and by
maintenance.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earwitness.errors import EarwitnessError, StorageError
from earwitness.home import checkpoints_path, home, store_path
from earwitness.storage.checkpoints import files_named, is_of_a_stage, stored_files, write_checkpoint
from earwitness.storage.locks import is_held
from earwitness.storage.remote import RemoteStore, remote_store

log = logging.getLogger(__name__)

_YOUNG_S = 3600.0


def keep_checkpoint(key: str, content: bytes) -> None:
    """Write the checkpoint of a stage here, and share it with the files that it names.

    A shared store that fails costs nothing now: `share_waiting` tries again, and says what is wrong.

    Args:
        key: a file name.
        content: what `read_checkpoint` will give back.

    Raises:
        StorageError: it can't be written here.
        UsageError: `EARWITNESS_STORE` is not a URL that can be used.
    """
    remote = remote_store()
    if remote is None or not is_of_a_stage(key):
        write_checkpoint(key, content)
        return
    note = _waiting_path() / key
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()  # first: a kill leaves a note too many, and none too few
    except OSError as error:
        raise StorageError(
            f"{note} can't be written ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
    write_checkpoint(key, content)
    try:
        _share(note, remote)
    except EarwitnessError as error:
        log.warning("%s stays on this machine for now: %s", key, error)


def share_waiting() -> list[str]:
    """Share what could not be shared before; the keys of what was. Nothing happens without a shared store.

    Raises:
        StoreUnreachable: the service does not answer for `EARWITNESS_STORE_PATIENCE_S` [60].
        StorageError: it refuses: credentials, bucket, a full or read-only disk.
        UsageError: `EARWITNESS_STORE` is not a URL that can be used.
    """
    remote = remote_store()
    return [note.name for note in _notes() if _share(note, remote)] if remote else []


def waiting() -> list[str]:
    """Keys of finished stages that lie on this machine only, and that nobody is sharing at this moment."""
    return [note.name for note in _notes() if not is_held(note)]


def _waiting_path() -> Path:
    return home() / "unshared"


def _notes() -> list[Path]:
    try:
        return sorted(_waiting_path().iterdir())
    except OSError:
        return []


def _share(note: Path, remote: RemoteStore) -> bool:
    """Whether it was shared, by us: one process does it. The files first: nobody finds a checkpoint without them."""
    with _ours(note) as ours:
        if ours is None:
            return False
        try:
            content = (checkpoints_path() / note.name).read_bytes()
        except FileNotFoundError:  # cleaned away since, or about to be written
            if time.time() - os.fstat(ours).st_mtime > _YOUNG_S:
                note.unlink(missing_ok=True)
            return False
        for path in stored_files(files_named(content)):
            remote.upload(path, f"store/{path.relative_to(store_path()).as_posix()}")
        remote.write(f"checkpoints/{note.name}", content)
        note.unlink(missing_ok=True)
        return True


@contextmanager
def _ours(note: Path) -> Iterator[int | None]:
    """The open note, locked; None if it is gone or somebody else sees to it."""
    try:
        descriptor = os.open(note, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = os.fstat(descriptor).st_nlink > 0
        except BlockingIOError:
            free = False
        yield descriptor if free else None
    finally:
        os.close(descriptor)
