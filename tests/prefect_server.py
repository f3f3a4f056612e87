"""A real Prefect server for tests that need one."""

from collections.abc import Iterator
from importlib import import_module

import pytest


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One server on a temporary SQLite database for the whole session."""
    import_module("tasks")  # switches telemetry off before Prefect is imported
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # the heartbeat thread sleeps in steps of a second, which every flow call would wait for
    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield
