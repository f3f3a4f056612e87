"""Steps of maintenance that look after the store: leftovers, what is not shared yet, old stages, room."""

from earwitness.errors import EarwitnessError
from earwitness.home import store_path
from earwitness.maintenance.options import MaintainOptions, StepReport
from earwitness.storage.clean import clean, sweep_leftovers
from earwitness.storage.room import size_text
from earwitness.storage.sharing import share_waiting, waiting
from tasks.alerting import tell_of_room

_DAY_S = 86_400.0


def clean_up(options: MaintainOptions) -> StepReport:
    """What dead processes left, and where it is wanted what nobody has used for long.

    Raises:
        StorageError: something can't be read or removed.
    """
    if options.clean_after_days is None:
        done, what = sweep_leftovers(), "leftovers of dead processes"
    else:
        done, what = clean(options.clean_after_days * _DAY_S), "things that nothing needs"
    line = f"removed {len(done.items):,} {what}, {size_text(done.bytes)}"
    return StepReport(step="cleaning", done=[line] if done.items else [])


def share(_options: MaintainOptions) -> StepReport:
    """What could not be brought to the shared store when it was made."""
    report = StepReport(step="sharing")
    try:
        report.done.extend(f"shared {key.rpartition('-')[0]}" for key in share_waiting())
    except EarwitnessError as error:
        report.mind.append(f"{len(waiting()):,} finished stages lie on this machine only: {error}")
    return report


def look_at_room(_options: MaintainOptions) -> StepReport:
    """Whether there is room left for the store.

    Raises:
        StorageError: the disk can't be looked at.
    """
    low = tell_of_room(store_path())
    return StepReport(step="room", mind=[f"{size_text(one.free_bytes)} are free at {one.path}" for one in low])
