"""The small results of finished stages: read and written whole, here and in the shared store."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from earwitness.errors import StorageError
from earwitness.home import checkpoints_path, store_path
from earwitness.schema import digest_of
from earwitness.storage.damage import damage_found
from earwitness.storage.gate import gate, stamp
from earwitness.storage.remote import RemoteStore, remote_store
from earwitness.storage.whole import write_whole

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_STORED = re.compile(r"^([0-9a-f]{64})(\.[a-z0-9]+)?$")
_KEY = re.compile(r"-[0-9a-f]{64}$")


def is_of_a_stage(key: str) -> bool:
    """Whether a checkpoint is the result of a stage; Prefect also keeps failures, under names of its own."""
    return _KEY.search(key) is not None


def read_checkpoint(key: str) -> bytes:
    """A checkpoint from this machine, else from the shared store, of which a copy then stays here.

    Reading it stamps it and every stored file that it names: all of them are in use from this moment on. A damaged
    one counts as missing.

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
        if not (problem := checkpoint_problem(key, content)):
            return content
        damage_found(f"The finished stage {path}: {problem}.", path)
    except FileNotFoundError:
        pass
    remote = remote_store()
    fetched = _fetched(key, remote) if remote else None
    if fetched is None:
        raise FileNotFoundError(path)
    write_checkpoint(key, fetched)
    return fetched


def _fetched(key: str, remote: RemoteStore) -> bytes | None:
    name = f"checkpoints/{key}"
    content = remote.read(name)
    if content is not None and (problem := checkpoint_problem(key, content)):
        damage_found(f"The finished stage {key} in the shared store {remote.url}: {problem}.", f"{remote.url}/{name}")
        return None  # the next upload replaces it
    return content


def checkpoint_problem(key: str, content: bytes) -> str:
    """What is wrong with a checkpoint; empty if nothing is.

    The result of a stage carries a seal over everything else in it (`earwitness.schema.StageResult`).
    """
    if not is_of_a_stage(key):
        return ""
    try:
        record = json.loads(content)
        result = json.loads(record["result"])
        data = dict(result["data"])
    except (ValueError, KeyError, TypeError):
        return "it can't be read"
    seal = data.pop("seal", None)
    return "" if seal is None or seal == digest_of(data) else "its content is not what was sealed"


def files_named(content: bytes) -> set[str]:
    """The digests of stored files in a checkpoint, and other digests: who protects too much loses nothing."""
    return {match.decode() for match in _DIGEST.findall(content)}


def stored_files(digests: Iterable[str]) -> list[Path]:
    """Where the stored files of these digests lie, of those that are there."""
    found: list[Path] = []
    for digest in digests:
        folder = store_path() / digest[:2]
        if folder.is_dir():
            names = [entry.name for entry in os.scandir(folder)]
            found += [folder / name for name in names if (match := _STORED.match(name)) and match[1] == digest]
    return found


def _stamp_files(content: bytes) -> None:
    for path in stored_files(files_named(content)):
        stamp(path)


def write_checkpoint(key: str, content: bytes) -> None:
    """Write a checkpoint on this machine, whole or not at all.

    Args:
        key: a file name.
        content: what `read_checkpoint` will give back.

    Raises:
        StorageError: it can't be written.
    """
    path = checkpoints_path() / key
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gate():
            write_whole(path, content)
            stamp(path)
            _stamp_files(content)
    except OSError as error:
        raise StorageError(
            f"The checkpoint {path} can't be written ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
