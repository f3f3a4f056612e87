"""Putting a finished bundle where the user wants it: whole, or not at all."""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from earwitness.archive.findings import Composed
from earwitness.archive.naming import ID_PATTERN
from earwitness.errors import StorageError
from earwitness.progress import Progress, no_progress
from earwitness.storage.room import need_free
from earwitness.storage.store import FileRef, sha256_file

MANIFEST = "manifest-sha256.txt"
_MARKS = (MANIFEST, "recording.json")
_CHUNK = 1 << 20
_SPARE_BYTES = 1 << 20
"""Kept free beyond the bundle itself: folder entries and block rounding."""
_HIDDEN = re.compile(r"^\.(?P<id>[a-z0-9-]+)\.[0-9a-f]{8}\.(?P<kind>part|old)$")

_ADVICE = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose another folder with --out."),
    errno.EDQUOT: ("your disk quota is used up", "Free some space, or choose another folder with --out."),
    errno.EROFS: ("it is on a read-only file system", "Choose a writable folder with --out."),
    errno.EACCES: ("writing there is not allowed", "Change its permissions, or choose another folder with --out."),
    errno.EPERM: ("writing there is not allowed", "Change its permissions, or choose another folder with --out."),
    errno.ENOTDIR: ("a part of that path is a file", "Choose a folder with --out."),
    errno.EEXIST: ("it is a file", "Choose a folder with --out."),
}


def place_bundle(composed: Composed, out: Path, progress: Progress = no_progress) -> tuple[Path, bool]:
    """Put a bundle at `<out>/<recording_id>/`.

    It is built beside its place, hidden, synced to disk and renamed: whoever looks finds the old bundle or the new
    one, never half of one. Files that a user added to an earlier bundle move into the new one.

    Returns:
        The folder, and whether anything was written: False when the very same bundle was there already.

    Raises:
        StorageError: no space, not writable, or something that is not a bundle lies in the way; nothing is left
            half-written and an earlier bundle stays as it was.
    """
    target = out / composed.recording_id
    try:
        _refuse_what_is_not_ours(target)
        if _is_in_place(composed, target):
            progress(1.0, "already in place")
            return target, False
        out.mkdir(parents=True, exist_ok=True)
        sweep_bundles(out)
        _need_space(composed, out)
        with _building(out, composed.recording_id) as part:
            _fill(composed, part, progress)
            with _locked(out):
                _refuse_what_is_not_ours(target)
                _carry_over(composed, target, part)
                _swap(part, target)
    except OSError as error:
        raise _explained(error, target) from error
    progress(1.0, "in place")
    return target, True


def manifest_text(files: dict[str, FileRef]) -> str:
    """The BagIt payload manifest (RFC 8493, 2.1.3): `<sha256>  <path>`, by path, without itself."""
    lines = []
    for path in sorted(files):
        if path != MANIFEST:
            # RFC 8493 wants exactly these three encoded
            shown = path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
            lines.append(f"{files[path].sha256}  {shown}\n")
    return "".join(lines)


def check_path(path: str) -> str:
    """A path inside the bundle, or ValueError: relative, forward slashes, no dots as parts."""
    parts = path.split("/")
    if "\\" in path or "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path!r} is not a path inside a bundle")
    return str(PurePosixPath(path))


def _refuse_what_is_not_ours(target: Path) -> None:
    if target.is_symlink():
        raise StorageError(
            f"{target} is a symbolic link; a bundle is only written to a real folder.",
            "Remove the link, or choose another folder with --out.",
        )
    if not target.exists():
        return
    if not target.is_dir():
        raise StorageError(
            f"{target} is a file; the bundle's folder has to go there.", "Move it away, or choose another --out."
        )
    if any(target.iterdir()) and not any((target / mark).is_file() for mark in _MARKS):
        raise StorageError(
            f"{target} exists and is not a bundle: it has neither of {', '.join(_MARKS)}.",
            "Move it away, or choose another folder with --out.",
        )


def _is_in_place(composed: Composed, target: Path) -> bool:
    """Every file is there with its own bytes; files that a user added don't count."""
    for path, ref in composed.files.items():
        file = target / path
        if file.is_symlink() or not file.is_file() or file.stat().st_size != ref.size:
            return False
    return all(sha256_file(target / path) == ref.sha256 for path, ref in composed.files.items())


def _need_space(composed: Composed, out: Path) -> None:
    need = sum(ref.size for ref in composed.files.values()) + _SPARE_BYTES
    need_free(out, need, "The bundle")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the kernel frees the lock of a process that dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _building(out: Path, name: str) -> Iterator[Path]:
    """A hidden folder, locked while its maker lives, gone afterwards unless it was renamed."""
    part = out / f".{name}.{secrets.token_hex(4)}.part"
    with _locked(out):
        part.mkdir()
        descriptor = os.open(part, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(descriptor)


def sweep_bundles(out: Path) -> None:
    """Remove what dead runs left half-placed; a bundle that one had set aside goes back if it is the only one."""
    with _locked(out):
        _sweep(out)


def abandoned_bundles(out: Path) -> list[Path]:
    """What `sweep_bundles` would remove: folders of dead runs."""
    if not out.is_dir():
        return []
    with _locked(out), ExitStack() as held:
        return [entry for entry in _abandoned(out, held) if not _belongs_back(entry)]


def _sweep(out: Path) -> None:
    with ExitStack() as held:
        for entry in _abandoned(out, held):
            if _belongs_back(entry):
                entry.rename(_home_of(entry))
            else:
                shutil.rmtree(entry)


def _abandoned(out: Path, held: ExitStack) -> Iterator[Path]:
    """Hidden folders whose makers are dead, each locked by us until `held` is closed."""
    for entry in sorted(out.iterdir()):
        match = _HIDDEN.match(entry.name)
        if not match or not ID_PATTERN.match(match["id"]) or entry.is_symlink() or not entry.is_dir():
            continue
        descriptor = os.open(entry, os.O_RDONLY)
        held.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        yield entry


def _belongs_back(entry: Path) -> bool:
    return entry.suffix == ".old" and not _home_of(entry).exists()


def _home_of(entry: Path) -> Path:
    return entry.with_name(entry.name[1:].split(".", 1)[0])


def _fill(composed: Composed, part: Path, progress: Progress) -> None:
    total = sum(ref.size for ref in composed.files.values()) or 1
    done = 0
    for path, ref in sorted(composed.files.items()):
        file = part / check_path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        _copy(ref, file)
        done += ref.size
        progress(0.99 * done / total, path)
    for folder in sorted({part, *(entry for entry in part.rglob("*") if entry.is_dir())}, reverse=True):
        _sync_folder(folder)


def _copy(ref: FileRef, file: Path) -> None:
    """Copy, and prove on the way that the bytes are those of the manifest."""
    digest = hashlib.sha256()
    with ref.path.open("rb") as source, file.open("xb") as sink:
        while block := source.read(_CHUNK):
            digest.update(block)
            sink.write(block)
        sink.flush()
        os.fsync(sink.fileno())
    if digest.hexdigest() != ref.sha256:
        raise StorageError(
            f"The stored copy of {file.name} is damaged ({ref.path}).", "Delete it and run again: it is made anew."
        )


def _carry_over(composed: Composed, target: Path, part: Path) -> None:
    """Files that a user put into the earlier bundle belong to the user."""
    if not target.is_dir():
        return
    ours = {*composed.files, *_listed(target)}
    for entry in sorted(target.rglob("*")):
        path = entry.relative_to(target).as_posix()
        kept = part / path
        if path in ours or (entry.is_dir() and not entry.is_symlink()) or kept.exists():
            continue
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(entry, kept, follow_symlinks=False)
        if not kept.is_symlink():
            with kept.open("rb") as file:
                os.fsync(file.fileno())


def _listed(target: Path) -> set[str]:
    manifest = target / MANIFEST
    lines = manifest.read_text("utf-8", errors="replace").splitlines() if manifest.is_file() else []
    paths = [line.split("  ", 1)[1] for line in lines if "  " in line]
    named = (path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") for path in paths)
    return {MANIFEST, *named}


def listed_in(path: Path) -> Path | None:
    """The bundle whose manifest lists a file; None where the file is nobody's, whether it exists or not."""
    place = path.absolute()
    for folder in place.parents:
        if (folder / MANIFEST).is_file() and place.relative_to(folder).as_posix() in _listed(folder):
            return folder
    return None


def _swap(part: Path, target: Path) -> None:
    aside = part.with_suffix(".old")
    replaces = target.exists()
    if replaces:
        target.rename(aside)
    try:
        part.rename(target)
    except OSError:
        if replaces:
            aside.rename(target)
        raise
    _sync_folder(target.parent)
    if replaces:
        shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explained(error: OSError, target: Path) -> StorageError:
    why, remedy = _ADVICE.get(
        error.errno or 0, ((error.strerror or str(error)).lower(), "Check the folder given with --out.")
    )
    return StorageError(f"The bundle can't be written to {target}: {why}.", remedy, errno=error.errno)
