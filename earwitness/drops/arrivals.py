"""What lies in `incoming`: junk, companions of recordings, and files that are whole."""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from earwitness.audio.endings import ending_of
from earwitness.speech.sidecar import SUFFIXES

OPTIONS_SUFFIX = ".toml"
_COMPANIONS = (*SUFFIXES, OPTIONS_SUFFIX, ".yaml", ".yml")
_JUNK_NAMES = {
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "$recycle.bin",
    "lost+found",
    "system volume information",
}
_JUNK_STARTS = (".", "~", "@", "__macosx")
"""Hidden files, what office programs lock, Synology's folders (@eaDir), what zips of a Mac carry along."""
_JUNK_ENDS = (
    ".part", ".partial", ".crdownload", ".download", ".opdownload", ".filepart", ".tmp", ".temp", ".swp", ".swx",
    ".lock", ".lnk", ".!ut", ".!qb", ".!sync", ".bc!", ".aria2", ".icloud", ".syncthing.tmp", "~",
)  # fmt: skip
"""Unfinished downloads and copies, and what editors and synchronisers leave."""


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is nobody's recording, and never will be under this name."""
    low = name.lower()
    return (
        low in _JUNK_NAMES
        or low.startswith(_JUNK_STARTS)
        or low.endswith(_JUNK_ENDS)
        or ".sync-conflict-" in low
    )  # fmt: skip


def is_companion(path: Path) -> bool:
    """Whether it belongs to a recording: a transcript, a cast, options. It waits for its recording."""
    return path.suffix.lower() in _COMPANIONS


def companions(recording: Path) -> list[Path]:
    """What lies beside a recording and goes where it goes: its transcript, and `<file>.toml`."""
    wanted = _names_of_companions(recording)
    try:
        with os.scandir(recording.parent) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if entry.name.lower() in wanted and entry.is_file(follow_symlinks=False)
            )
    except OSError:
        return []


def _names_of_companions(recording: Path) -> set[str]:
    bases = (recording.stem, recording.name)
    wanted = {f"{base}{suffix}".lower() for base in bases for suffix in SUFFIXES}
    return wanted | {f"{recording.name}{OPTIONS_SUFFIX}".lower()}


def options_file(recording: Path) -> Path | None:
    """`<file>.toml`, if it is there."""
    return next((path for path in companions(recording) if path.suffix.lower() == OPTIONS_SUFFIX), None)


def files_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Regular files that are no junk, sorted; no link is followed, and nothing that vanishes meanwhile is an error."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        for name in sorted(names):
            path = Path(parent) / name
            if is_junk(name):
                continue
            try:
                found = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield path, found


@dataclass(frozen=True)
class Patience:
    """How long a file has to be left alone before it counts as whole, in seconds."""

    settle_s: float = 2.0
    """Size and times unchanged for so long."""
    cut_off_s: float = 30.0
    """The same for a file that is empty, or shorter than its own header promises: a copy may have stalled."""


@dataclass(frozen=True)
class _Seen:
    mark: tuple[int, int, int, int]
    since: float


class Arrivals:
    """Notices when files of a folder have become whole."""

    def __init__(self, folder: Path, patience: Patience | None = None) -> None:
        self.folder = folder
        self.patience = patience or Patience()
        self.unreadable: dict[Path, str] = {}
        """What can't be opened, and why."""
        self._seen: dict[Path, _Seen] = {}

    def whole(self) -> list[Path]:
        """Recordings that are whole, together with the companions that were seen, the oldest first."""
        now = time.monotonic()
        seen: dict[Path, _Seen] = {}
        changed: dict[Path, float] = {}
        for path, found in files_below(self.folder):
            mark = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            before = self._seen.get(path)
            seen[path] = before if before and before.mark == mark else _Seen(mark, now)
            changed[path] = found.st_mtime
        self._seen = seen
        self.unreadable = {path: why for path, why in self.unreadable.items() if path in seen}
        beside: dict[tuple[Path, str], list[Path]] = {}
        for path in filter(is_companion, seen):
            beside.setdefault((path.parent, path.name.lower()), []).append(path)
        ready = []
        for path in seen:
            if not is_companion(path):
                names = _names_of_companions(path)
                theirs = [one for name in names for one in beside.get((path.parent, name), [])]
                if self._is_left_alone([path, *theirs], now) and self._is_whole(path, now):
                    ready.append(path)
        return sorted(ready, key=lambda path: (changed[path], path))

    def waiting(self) -> list[Path]:
        """Recordings that were there at the last look."""
        return [path for path in self._seen if not is_companion(path)]

    def is_still_whole(self, recording: Path) -> bool:
        """Whether it has no companion that came after the last look, or just before it."""
        return self._is_left_alone(companions(recording), time.monotonic())

    def _is_left_alone(self, paths: Iterable[Path], now: float) -> bool:
        return all(path in self._seen and now - self._seen[path].since >= self.patience.settle_s for path in paths)

    def _is_whole(self, path: Path, now: float) -> bool:
        try:
            with path.open("rb") as file:
                file.read(1)
            cut_off = self._seen[path].mark[1] == 0 or ending_of(path).missing_bytes > 0
        except OSError as error:
            self.unreadable[path] = error.strerror or str(error)
            return False
        self.unreadable.pop(path, None)
        return not cut_off or now - self._seen[path].since >= self.patience.cut_off_s
