"""Does the drop folder do its work?"""

import os
import time
from pathlib import Path

from earwitness.drops.arrivals import files_below, is_companion
from earwitness.drops.folder import DropFolder
from earwitness.drops.watch import is_full, is_watched
from earwitness.preflight import Check
from earwitness.schema import Record

_LONG_S = 3600.0


class DropState(Record):
    """What lies in a drop folder at this moment."""

    drop_folder: str
    watched: bool
    waiting: int
    oldest_waiting_s: float
    processing: int
    full: bool
    in_hand: int
    done: int
    rejected: int


def drop_state(root: Path) -> DropState:
    """Count what lies where; done and rejected as the journal has them."""
    folder = DropFolder(root)
    waiting = [found.st_mtime for path, found in files_below(folder.incoming) if not is_companion(path)]
    drops = folder.drops()
    entries = folder.journal.entries()
    return DropState(
        drop_folder=str(folder.incoming),
        watched=is_watched(folder),
        waiting=len(waiting),
        oldest_waiting_s=round(max(0.0, time.time() - min(waiting)), 1) if waiting else 0.0,
        processing=len(drops),
        full=is_full(folder),
        in_hand=sum(folder.is_in_hand(drop) for drop in drops),
        done=sum(entry.to == "done" for entry in entries),
        rejected=sum(entry.to == "rejected" for entry in entries),
    )


def check_drops(root: Path) -> list[Check]:
    """As `check_machine` does it; nothing where there is no drop folder."""
    folder = DropFolder(root)
    if not folder.incoming.is_dir():
        return []
    state = drop_state(root)
    usable = os.access(folder.incoming, os.R_OK | os.W_OK | os.X_OK)
    stuck = state.oldest_waiting_s > _LONG_S
    return [
        Check(
            name="drop folder",
            state="fail" if not usable else "warn" if stuck else "ok",
            found=f"{state.drop_folder}: {state.waiting:,} wait, {state.processing:,} are processed"
            + ("" if usable else "; it can't be written"),
            remedy=""
            if usable and not stuck
            else "See the watcher's log, and whether a worker runs: earwitness status.",
        ),
        Check(
            name="watcher",
            state="ok" if state.watched else "warn",
            found="watches the drop folder" if state.watched else "nobody watches the drop folder",
            remedy=""
            if state.watched
            else "Start it: earwitness up, or earwitness watch. The sweep stands in meanwhile.",
        ),
    ]
