"""What tests have Dask workers do, and ask them."""

import sys
from typing import Any

from earwitness.engines import supervisor
from earwitness.engines.supervisor import run_supervised
from earwitness.progress import Progress
from tests.plugins.engine_faults import mark_and_stall


def loads(*, progress: Progress) -> dict[str, int]:
    """How often this process loaded each model, as the caches of its loaders count."""
    counts = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("earwitness.speech."):
            for loader in ("_model", "_network", "_session", "_load"):
                if (cached := getattr(module, loader, None)) and (misses := cached.cache_info().misses):
                    counts[f"{name.rpartition('.')[2]}.{loader}"] = misses
    return counts


def loads_by_engine() -> dict[str, dict[str, int]]:
    """Of all engines of a worker."""
    return {family: run_supervised(family, loads, timeout_s=60) for family in list(supervisor._engines)}


def stall(job: dict[str, Any]) -> None:
    """A recording whose engine does not come to an end."""
    from tasks.on_worker import at_work

    with at_work(job["batch"], "stalled"):
        run_supervised("stalled", mark_and_stall, job["mark"], timeout_s=600)
