"""What can be run: `run_flow` for Python, `process_recording` and `process_batch` for Prefect."""

import tasks  # noqa: F401 - before Prefect is imported: it sets what Prefect reads then
from flows.api import run_flow

__all__ = ["run_flow"]
