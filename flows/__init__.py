"""What can be run: `run_flow` for Python, `process_recording` and `process_batch` for Prefect."""

from flows.api import run_flow

__all__ = ["run_flow"]
