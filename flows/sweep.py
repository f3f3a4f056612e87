"""Look through a drop folder once: events get lost, watchers die. Scheduled."""

import time
from pathlib import Path

from prefect import flow

from earwitness.drops.arrivals import Patience
from earwitness.drops.folder import DropFolder
from earwitness.drops.watch import Watcher, is_watched, watching
from earwitness.errors import UsageError
from earwitness.home import drops_path
from tasks.drops import PrefectOffice
from tasks.summary import show_sweep


@flow(name="sweep", persist_result=False)
def sweep(folder: Path | None = None, settle_s: float = 5.0) -> list[str]:
    """Hand over what nobody processes; where nobody watches the folder, also what lies in incoming.

    Args:
        folder: the drop folder; empty: that of the worker (EARWITNESS_DROPS).
        settle_s: a file must be left alone for so long before it counts as whole, in seconds.
    """
    said: list[str] = []
    drops = DropFolder(folder or drops_path())
    watcher = Watcher(drops, PrefectOffice(), patience=Patience(settle_s=settle_s), tell=said.append)
    if is_watched(drops):
        watcher.find_lost()
    else:
        try:
            with watching(drops):
                watcher.look()
                time.sleep(settle_s + 0.5)  # files are whole when they have not changed since the first look
                watcher.look()
        except UsageError:  # a watcher began at this very moment
            watcher.find_lost()
    show_sweep(said)
    return said
