"""Is everything there that runs need? Scheduled; people are told when it is not."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from earwitness.drops.health import check_drops
from earwitness.home import drops_path
from earwitness.preflight import check_machine
from tasks.alerting import tell_of_health
from tasks.summary import show_health


@flow(name="health", persist_result=False)
def health(folder: Path | None = None) -> State[Any]:
    """Look at the machine as `earwitness doctor` does, and at the drop folder.

    Args:
        folder: the drop folder; empty: that of the worker (EARWITNESS_DROPS).
    """
    checks = [*check_machine(), *check_drops(folder or drops_path())]
    show_health(checks)
    tell_of_health(checks)
    failed = [check.name for check in checks if check.state == "fail"]
    message = f"in the way: {', '.join(failed)}" if failed else "all is well"
    made: State[Any] = (Failed if failed else Completed)(message=message)
    return made
