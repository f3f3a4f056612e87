"""Watching a drop folder: what is whole is claimed and handed over, what was lost on the way is handed over again."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from earwitness.drops.arrivals import Arrivals, Patience
from earwitness.drops.folder import Drop, DropFolder
from earwitness.errors import EarwitnessError, StorageError, Transient, UsageError
from earwitness.result import Outcome

RunState = Literal["waiting", "running", "cancelled"]


class Office(Protocol):
    """Who has drops processed."""

    def hand_over(self, folder: DropFolder, drop: Drop) -> None:
        """Have it processed; raises `Transient` where that can't be asked for now."""

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
            active = len(self.folder.drops())
            for path in whole:
                if active >= self.most:
                    break
                drop = self.folder.claim(path, self.defaults)
                if drop is None:
                    self.tell(f"{path.name}: rejected, see rejected/" if not path.exists() else f"{path.name}: changed")
                    continue
                active += 1
                self._hand_over(drop)
                count += 1
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
        count = 0
        for drop in drops:
            state = runs.get(drop.ticket)
            if self.folder.is_at_work(drop) or state == "waiting" or self.folder.drop(drop.ticket) is None:
                continue
            if state == "cancelled":
                reason = "Its run was cancelled. Move it back into incoming to start it again."
                self.folder.end(drop, outcome=Outcome.QUARANTINED, reason=reason)
                self.tell(f"{drop.name}: its run was cancelled")
                continue
            ago_s = self.folder.announced_s_ago(drop)
            if (ago_s is not None and ago_s < self.lost_s) or self.folder.tries(drop)[1] > time.time():
                continue
            self._hand_over(drop)
            count += 1
        return count

    def _hand_over(self, drop: Drop) -> None:
        self.office.hand_over(self.folder, drop)
        self.folder.note_announced(drop)
        self.tell(f"{drop.name}: handed over ({drop.ticket})")

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

    def _tell_unreadable(self) -> None:
        for path, why in self._arrivals.unreadable.items():
            if str(path) not in self._unreadable:
                self.tell(f"{path.name}: can't be opened ({why}); it stays in incoming until it can")
        self._unreadable = {str(path) for path in self._arrivals.unreadable}


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
