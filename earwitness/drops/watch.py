"""Watching a drop folder: what is whole is claimed and handed over, what was lost on the way is handed over again."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from earwitness.drops.arrivals import Arrivals, Patience
from earwitness.drops.folder import Drop, DropFolder
from earwitness.errors import EarwitnessError, StorageError, Transient, UsageError
from earwitness.result import Outcome

T = TypeVar("T")
RunState = Literal["waiting", "running", "cancelled"]

TOGETHER, TOGETHER_BYTES = 20, 30_000_000
"""Small files that come at once are processed by one run: starting one takes longer than a minute of speech does."""

_FULL = "full"
"""A lock that the watcher has while files wait because of `most`: others see it, and it goes when the watcher dies."""


class Office(Protocol):
    """Who has drops processed."""

    def hand_over(self, folder: DropFolder, drops: Sequence[Drop]) -> None:
        """Have them processed by one run; raises `Transient` where that can't be asked for now."""

    def runs(self, folder: DropFolder) -> Mapping[str, RunState]:
        """Ticket → its newest run, ended ones left out; raises `Transient` where that can't be known now."""


@dataclass
class Watcher:
    """Looks at one folder again and again. One of them a folder: see `watching`."""

    folder: DropFolder
    office: Office
    defaults: Mapping[str, Any] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    most: int = 100
    """Drops in processing at a time; what comes beyond them waits in incoming."""
    lost_s: float = 60.0
    """How often to look for drops that nobody processes, and how long ago one must have been handed over."""
    tell: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self._arrivals = Arrivals(self.folder.incoming, self.patience)
        self._trouble = ""
        self._rest_until = 0.0
        self._pause_s = 0.0
        self._next_check = 0.0
        self._unreadable: set[str] = set()
        self._held_back = self._said_full = False

    def look(self) -> int:
        """One look; how many drops were handed over. Troubles that may pass are told once, and waited out."""
        whole = self._arrivals.whole()
        self._tell_unreadable()
        if time.monotonic() < self._rest_until:
            return 0
        count = 0
        try:
            if time.monotonic() >= self._next_check:
                count += self.find_lost()
                self._next_check = time.monotonic() + self.lost_s
            count += self._take(whole)
            self._tell_full()
        except (Transient, StorageError) as error:
            self._rest(error)
        else:
            self._recovered()
        return count

    def is_busy(self) -> bool:
        """Whether anything that was dropped waits or is processed."""
        return bool(self._arrivals.waiting() or self.folder.drops())

    def find_lost(self) -> int:
        """Bring broken off moves to an end, and hand over again what nobody processes; how many that were."""
        for line in self.folder.recover():
            self.tell(line)
        drops = self.folder.drops()
        runs = self.office.runs(self.folder) if drops else {}
        lost = list(self._lost(drops, runs))
        together = _together(lost, lambda drop: _size(self.folder.recording(drop)))
        return sum(self._hand_over(group) for group in together)

    def _lost(self, drops: Sequence[Drop], runs: Mapping[str, RunState]) -> Iterator[Drop]:
        for drop in drops:
            state = runs.get(drop.ticket)
            if self.folder.is_in_hand(drop) or state == "waiting" or self.folder.drop(drop.ticket) is None:
                continue
            if state == "cancelled":
                reason = "Its run was cancelled. Move it back into incoming to start it again."
                self.folder.end(drop, outcome=Outcome.QUARANTINED, reason=reason)
                self.tell(f"{drop.name}: its run was cancelled")
                continue
            ago_s = self.folder.announced_s_ago(drop)
            if (ago_s is not None and ago_s < self.lost_s) or self.folder.tries(drop)[1] > time.time():
                continue
            yield drop

    def _take(self, whole: Sequence[Path]) -> int:
        count, room = 0, self._room()
        self._held_back = False
        for together in _together(whole, _size):
            count += self._hand_over(self._claim(together, room - count))
            if self._held_back:
                break
        return count

    def _room(self) -> int:
        """How many may be taken: once `most` were in processing, none until a group has room.

        A file that took the place of each that ends would have no others to be processed with.
        """
        room = self.most - len(self.folder.drops())
        return 0 if self._said_full and room < min(TOGETHER, self.most - self.most // 2) else room

    def _claim(self, paths: Sequence[Path], room: int) -> list[Drop]:
        claimed: list[Drop] = []
        for path in paths:
            if len(claimed) >= room:
                self._held_back = True
                break
            if not self._arrivals.is_still_whole(path):
                continue
            if drop := self.folder.claim(path, self.defaults):
                claimed.append(drop)
            else:
                self.tell(f"{path.name}: rejected, see rejected/" if not path.exists() else f"{path.name}: changed")
        return claimed

    def _hand_over(self, drops: Sequence[Drop]) -> int:
        if drops:
            self.office.hand_over(self.folder, drops)
        for drop in drops:
            self.folder.note_announced(drop)
            self.tell(f"{drop.name}: handed over ({drop.ticket})")
        return len(drops)

    def _rest(self, error: EarwitnessError) -> None:
        self._pause_s = min(max(1.0, self._pause_s * 2), 15.0)
        self._rest_until = time.monotonic() + self._pause_s
        self._next_check = 0.0  # what was claimed but not handed over is found then
        if error.message != self._trouble:
            self._trouble = error.message
            self.tell(f"waiting: {error}")

    def _recovered(self) -> None:
        if self._trouble:
            self.tell("going on")
        self._trouble, self._pause_s = "", 0.0

    def _tell_full(self) -> None:
        if self._held_back and not self._said_full:
            self.folder.locks.try_acquire(_FULL, "me")
            self.tell(f"full: {self.most:,} files are in processing (--most), so others wait in incoming")
        elif self._said_full and not self._held_back:
            if self.folder.locks.holds(_FULL, "me"):  # the sweep may look at the same time
                self.folder.locks.release(_FULL, "me")
            self.tell("no longer full")
        self._said_full = self._held_back

    def _tell_unreadable(self) -> None:
        for path, why in self._arrivals.unreadable.items():
            if str(path) not in self._unreadable:
                self.tell(f"{path.name}: can't be opened ({why}); it stays in incoming until it can")
        self._unreadable = {str(path) for path in self._arrivals.unreadable}


def _together(items: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Small files in groups, each larger one alone; in their order."""
    group: list[T] = []
    room = TOGETHER_BYTES
    for item in items:
        taken = size(item)
        if group and (taken > room or len(group) == TOGETHER):
            yield group
            group, room = [], TOGETHER_BYTES
        group.append(item)
        room -= taken
    if group:
        yield group


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # moved meanwhile: whoever takes it will see
        return 0


@contextmanager
def watching(folder: DropFolder) -> Iterator[None]:
    """Be the one who watches this folder.

    Raises:
        UsageError: somebody else does.
    """
    folder.make()
    if not folder.locks.try_acquire("watcher", "me"):
        raise UsageError(
            f"Another process watches {folder.root} already.", "One is enough: earwitness status shows it."
        )
    try:
        yield
    finally:
        folder.locks.release("watcher", "me")


def is_watched(folder: DropFolder) -> bool:
    """Whether a living process watches the folder."""
    return folder.locks.folder.is_dir() and not folder.locks.is_free("watcher")


def is_full(folder: DropFolder) -> bool:
    """Whether files wait in incoming because as many as may be are in processing."""
    return folder.locks.folder.is_dir() and not folder.locks.is_free(_FULL)
