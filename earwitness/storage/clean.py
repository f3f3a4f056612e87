"""Removing what nothing needs any more: old checkpoints, files that no checkpoint names, and what dead processes left.

Nothing is touched that a run in progress used since it began, or a killed one that may be started again (see
`earwitness.storage.leases`). Bundles hold copies of their files and outlive everything here; what they were made of
stays all the same as long as they are there, so that correcting one is cheap (see `earwitness.storage.needed`).
"""

import fcntl
import os
import re
import shutil
import stat as stat_module
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field

from earwitness.archive.place import abandoned_bundles, sweep_bundles
from earwitness.errors import StorageError
from earwitness.home import CRASH_PREFIX, calls_path, checkpoints_path, locks_path, scratch_path, store_path
from earwitness.schema import Record
from earwitness.storage.checkpoints import files_named
from earwitness.storage.gate import gate, stamped_ns
from earwitness.storage.leases import needed_since_ns, useless_leases
from earwitness.storage.locks import is_held
from earwitness.storage.needed import all_needs, needed_by_bundles

_ORPHAN_NS = 3_600 * 10**9
"""A file that no checkpoint names yet may belong to a script that holds no lease, for this long."""
_AT_ONCE = 100
_STORED = re.compile(r"^([0-9a-f]{64})(\.[a-z0-9]+)?$")
_LOCK = re.compile(r"^[0-9a-f]{64}$")
_PART = re.compile(r"\.part$")
_HALF = re.compile(r"^[0-9a-f]{64}(\.[a-z0-9]+)?\.[0-9a-f]{8}\.part$")
"""Written beside their places by versions up to 0.1."""

Kind = Literal["checkpoint", "file", "scratch", "lease", "lock", "crash", "bundle", "note"]


class Waste(Record):
    """Something that nothing needs."""

    kind: Kind
    path: Path
    bytes: int = Field(ge=0)
    why: str
    stamped_ns: int = Field(exclude=True, description="when it was needed last, for a last look before it goes")


class Cleaning(Record):
    """What was found, and what became of it."""

    dry_run: bool
    older_than_s: float
    items: list[Waste] = Field(description="what was removed; in a dry run what would be")
    spared: list[Waste] = Field(default_factory=list, description="came into use while we cleaned")
    bytes: int = Field(ge=0, description="of the items together")


def clean(older_than_s: float, out: Path | None = None, *, of_bundles: bool = False, dry_run: bool = False) -> Cleaning:
    """Remove checkpoints that were not used for a while, files that no checkpoint names, and leftovers.

    Safe at any time, beside any number of runs.

    Args:
        older_than_s: a checkpoint that was neither made nor used for this long goes.
        out: a folder of bundles, to be rid of half-placed ones.
        of_bundles: also what bundles were made of that are still there. They stay whole; correcting them, or running
            their recordings again, computes those stages again.
        dry_run: only look.

    Raises:
        StorageError: something can't be read or removed.
    """
    try:
        items = find_waste(older_than_s, out, of_bundles=of_bundles)
        spared = [] if dry_run else remove_waste(items)
    except OSError as error:
        raise _refused(error) from error
    return _cleaning(older_than_s, items, spared, dry_run=dry_run)


def find_waste(
    older_than_s: float, out: Path | None = None, now_ns: int | None = None, *, of_bundles: bool = False
) -> list[Waste]:
    """What `clean` would remove now, by kind and path.

    Args:
        older_than_s: as for `clean`.
        out: as for `clean`.
        now_ns: the time to judge by, in ns since 1970.
        of_bundles: as for `clean`.
    """
    now = time.time_ns() if now_ns is None else now_ns
    # before anything else is looked at: a run that begins after this stamps what it uses later than `now`
    needed = needed_since_ns()
    expired = min(now - round(older_than_s * 1e9), needed)
    orphaned = min(now - _ORPHAN_NS, needed)

    found, living, dying = _checkpoints(expired, needed, now, set() if of_bundles else needed_by_bundles())
    found += _files_in_store(expired, orphaned, now, living, dying)
    found += _half_answers(orphaned, now)
    found += _leftovers(expired)
    found += _half_placed(out)
    return sorted(found, key=lambda item: (item.kind, item.path))


def _checkpoints(expired: int, needed: int, now: int, of_bundles: set[str]) -> tuple[list[Waste], set[str], set[str]]:
    """Those that go, the digests that the others name, and the digests that they name themselves."""
    found: list[Waste] = []
    living: set[str] = set()
    dying: set[str] = set()
    for path, stat in _files(checkpoints_path()):
        if path.name.startswith(".") and _PART.search(path.name):
            if stamped_ns(stat) < needed and not is_held(path):
                found.append(_waste("scratch", path, stat, "half-written checkpoint of a dead process"))
            continue
        with suppress(FileNotFoundError):
            named = files_named(path.read_bytes())
            if stamped_ns(stat) < expired and path.name not in of_bundles:
                dying |= named
                found.append(_waste("checkpoint", path, stat, f"not used for {_ago(now, stat)}"))
            else:
                living |= named
    return found, living, dying


def _files_in_store(expired: int, orphaned: int, now: int, living: set[str], dying: set[str]) -> Iterator[Waste]:
    for folder in _folders(store_path(), r"^[0-9a-f]{2}$"):
        for path, stat in _files(folder):
            if (match := _STORED.match(path.name)) is None:
                if _HALF.match(path.name) and stamped_ns(stat) < orphaned:
                    yield _waste("scratch", path, stat, f"half-written, not touched for {_ago(now, stat)}")
            elif match[1] in dying - living and stamped_ns(stat) < expired:
                yield _waste("file", path, stat, "named by removed checkpoints only")
            elif match[1] not in living | dying and stamped_ns(stat) < orphaned:
                yield _waste("file", path, stat, "named by no checkpoint")


def _half_answers(orphaned: int, now: int) -> Iterator[Waste]:
    """Of paid services; whole answers stay for ever, since they would be paid for again."""
    for folder in _folders(calls_path(), r"^[0-9a-f]{2}$"):
        for path, stat in _files(folder):
            if _PART.search(path.name) and stamped_ns(stat) < orphaned:
                yield _waste("scratch", path, stat, f"half-written, not touched for {_ago(now, stat)}")


def remove_waste(items: list[Waste]) -> list[Waste]:
    """Remove what was found, with a last look at each behind the closed gate; gives what came into use meanwhile."""
    spared: list[Waste] = []
    for out in {item.path.parent for item in items if item.kind == "bundle"}:
        sweep_bundles(out)
    here = [item for item in items if item.kind != "bundle"]
    for start in range(0, len(here), _AT_ONCE):
        folders: list[tuple[Path, int]] = []
        with gate(alone=True):
            needed = needed_since_ns()
            for item in here[start : start + _AT_ONCE]:
                if _in_use(item, needed):
                    spared.append(item)
                elif item.kind == "scratch" and item.path.is_dir():
                    folders.append((item.path, _seize(item.path)))
                elif item.kind == "lock":
                    if not _removed_while_held(item.path):
                        spared.append(item)
                else:
                    item.path.unlink(missing_ok=True)
        for path, descriptor in folders:  # ours now, so nobody has to wait while it goes
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)
    return spared


def sweep_scratch() -> None:
    """Remove the scratch folders of dead processes, so that engines that keep crashing don't fill the disk."""
    remove_waste(list(_dead_scratch()))


def sweep_leftovers(out: Path | None = None) -> Cleaning:
    """Remove what dead processes left, and nothing that is finished, however old.

    Raises:
        StorageError: something can't be read or removed.
    """
    try:
        items = [*_leftovers(0), *_half_placed(out)]
        spared = remove_waste(items)
    except OSError as error:
        raise _refused(error) from error
    return _cleaning(0.0, items, spared, dry_run=False)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links count for nothing."""
    if path.is_symlink():
        return 0
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                stat = (Path(folder) / name).lstat()
                total += stat.st_size if stat_module.S_ISREG(stat.st_mode) else 0
    return total


def _leftovers(expired: int) -> list[Waste]:
    """What dead processes left. Who lives holds a lock that was taken with the gate passed."""
    found = list(_dead_scratch())
    with gate(alone=True):
        for path in useless_leases():
            with suppress(FileNotFoundError):
                found.append(_waste("lease", path, path.stat(), "of a dead process"))
        for path, stat in _files(locks_path()):
            if _LOCK.match(path.name) and stamped_ns(stat) < expired and not is_held(path):
                found.append(_waste("lock", path, stat, "held by nobody"))
    for path, needs in all_needs():
        if not needs.is_there and not any((checkpoints_path() / key).exists() for key in needs.keys):
            with suppress(FileNotFoundError):
                found.append(_waste("note", path, path.stat(), "the bundle and what it was made of are gone"))
    for path, stat in _files(Path(tempfile.gettempdir()), CRASH_PREFIX):
        if stat.st_uid == os.getuid() and not is_held(path) and time.time_ns() - stamped_ns(stat) > 60 * 10**9:
            found.append(_waste("crash", path, stat, "of a dead process"))
    return found


def _dead_scratch() -> Iterator[Waste]:
    with gate(alone=True):  # between the making of a folder and its lock the gate is passed
        dead = [path for path in _folders(scratch_path(), r".") if not is_held(path)]
    for path in dead:
        yield Waste(kind="scratch", path=path, bytes=size_of(path), why="of a dead process", stamped_ns=0)


def _half_placed(out: Path | None) -> list[Waste]:
    return [
        Waste(kind="bundle", path=path, bytes=size_of(path), why="half-placed by a dead process", stamped_ns=0)
        for path in (abandoned_bundles(out) if out is not None else ())
    ]


def _cleaning(older_than_s: float, items: list[Waste], spared: list[Waste], *, dry_run: bool) -> Cleaning:
    removed = [item for item in items if item not in spared]
    return Cleaning(
        dry_run=dry_run,
        older_than_s=older_than_s,
        items=removed,
        spared=spared,
        bytes=sum(item.bytes for item in removed),
    )


def _refused(error: OSError) -> StorageError:
    return StorageError(
        f"{error.filename or store_path()} can't be cleaned ({error.strerror or error}).",
        "Check its permissions; what was removed so far stays removed, and that is safe.",
    )


def _in_use(item: Waste, needed: int) -> bool:
    try:
        stat = item.path.lstat()
    except FileNotFoundError:
        return False
    if item.kind in {"checkpoint", "file", "note"}:
        return stamped_ns(stat) != item.stamped_ns or stamped_ns(stat) >= needed
    return is_held(item.path)


def _seize(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _removed_while_held(lock: Path) -> bool:
    """Lock files are taken without passing the gate, so the file goes while its lock is ours."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _waste(kind: Kind, path: Path, stat: os.stat_result, why: str) -> Waste:
    return Waste(kind=kind, path=path, bytes=stat.st_size, why=why, stamped_ns=stamped_ns(stat))


def _files(folder: Path, prefix: str = "") -> Iterator[tuple[Path, os.stat_result]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.name.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    # not of the entry: what it remembers may be from before somebody stamped it
                    yield Path(entry.path), Path(entry.path).lstat()


def _folders(parent: Path, pattern: str) -> Iterator[Path]:
    with suppress(FileNotFoundError), os.scandir(parent) as entries:
        for entry in entries:
            if re.search(pattern, entry.name) and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _ago(now: int, stat: os.stat_result) -> str:
    seconds = max(0, now - stamped_ns(stat)) // 10**9
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
