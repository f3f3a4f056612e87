"""Reading everything again to see whether it is still what was stored."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field

from earwitness.errors import StorageError
from earwitness.home import checkpoints_path, store_path
from earwitness.progress import Progress, no_progress
from earwitness.schema import Record
from earwitness.storage.checkpoints import checkpoint_problem
from earwitness.storage.damage import damage_found
from earwitness.storage.gate import gate
from earwitness.storage.remote import RemoteFile, RemoteStore, remote_store
from earwitness.storage.store import sha256_file, workspace

_STORED = re.compile(r"^([0-9a-f]{2})/(\1[0-9a-f]{62})(\.[a-z0-9]+)?$")


class Damage(Record):
    """Something that is not what it was."""

    where: Literal["store", "checkpoints", "remote"]
    name: str = Field(description="relative to where it lies")
    bytes: int = Field(ge=0)
    found: str = Field(description="what is wrong with it")
    repaired: bool = Field(default=False, description="removed, so that it is computed anew when it is needed")


class Verification(Record):
    """What a verification found."""

    files: int = Field(ge=0, description="how many were read")
    bytes: int = Field(ge=0)
    damaged: list[Damage]


def verify(*, repair: bool = False, remote: bool = False, progress: Progress = no_progress) -> Verification:
    """Hash every stored file and check the seal of every checkpoint.

    Args:
        repair: remove what is damaged. Nothing is lost by that: it could not be used, and is computed again.
        remote: also read everything in the shared store, all of which is downloaded for it.
        progress: told the share of bytes that were read.

    Raises:
        StorageError: something can't be read or removed.
        StoreUnreachable: the shared store does not answer.
    """
    shared = remote_store() if remote else None
    if remote and shared is None:
        raise StorageError("There is no shared store to verify.", "Set EARWITNESS_STORE to its URL.")
    here = [*_local("store"), *_local("checkpoints")]
    there = [file for file in shared.files() if not file.name.endswith(".part")] if shared else []
    total = sum(stat.st_size for *_, stat in here) + sum(file.size for file in there) or 1
    done, damaged = 0, []
    try:
        for where, name, path, stat in here:
            progress(done / total, name)
            if found := _problem(where, name, path):
                damage_found(f"{path}: {found}.", path)
                repaired = repair and _removed(path, stat)
                damaged.append(Damage(where=where, name=name, bytes=stat.st_size, found=found, repaired=repaired))
            done += stat.st_size
    except OSError as error:
        raise StorageError(
            f"{error.filename or store_path()} can't be verified ({error.strerror or error}).", "Check its permissions."
        ) from error
    for file in there:
        assert shared is not None
        progress(done / total, file.name)
        if found := _remote_problem(shared, file):
            damage_found(f"{file.name} in the shared store {shared.url}: {found}.", f"{shared.url}/{file.name}")
            damaged.append(Damage(where="remote", name=file.name, bytes=file.size, found=found, repaired=repair))
            if repair:
                shared.remove(file.name)
        done += file.size
    progress(1.0, "verified")
    return Verification(files=len(here) + len(there), bytes=done, damaged=damaged)


Stored = tuple[Literal["store", "checkpoints"], str, Path, os.stat_result]


def _local(where: Literal["store", "checkpoints"]) -> Iterator[Stored]:
    root = store_path() if where == "store" else checkpoints_path()
    for path in sorted(root.glob("[0-9a-f][0-9a-f]/*" if where == "store" else "[!.]*")):
        name = path.relative_to(root).as_posix()
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink() and (where == "checkpoints" or _STORED.match(name)):
                yield where, name, path, path.stat()


def _problem(where: str, name: str, path: Path) -> str:
    try:
        if where == "store":
            return "" if sha256_file(path) == _STORED.sub(r"\2", name) else "its bytes are not those of its name"
        return checkpoint_problem(name, path.read_bytes())
    except FileNotFoundError:  # cleaned away meanwhile
        return ""


def _remote_problem(shared: RemoteStore, file: RemoteFile) -> str:
    folder, _, name = file.name.partition("/")
    if folder == "checkpoints":
        content = shared.read(file.name)
        return "" if content is None else checkpoint_problem(name, content)
    if folder != "store" or not _STORED.match(name):
        return ""
    with workspace("verify") as scratch:
        copy = Path(scratch) / "copy"
        if not shared.fetch(file.name, copy):
            return ""
        return "" if sha256_file(copy) == _STORED.sub(r"\2", name) else "its bytes are not those of its name"


def _removed(path: Path, stat: os.stat_result) -> bool:
    """Remove what is damaged, unless a run has put a good one in its place since it was read."""
    with gate(alone=True):
        try:
            same = os.path.samestat(path.stat(), stat)
        except FileNotFoundError:
            return True
        if same:
            path.unlink()
    return same
