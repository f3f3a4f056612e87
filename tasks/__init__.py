"""One module a stage: the Prefect task, its retries, its checkpoint, its contract check."""

import contextlib
import os
from pathlib import Path

# Set before Prefect is imported, where the user has not decided otherwise: nothing that we ship reports home, and a
# loaded machine may need longer than 20 s to start the in-process server.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")

if _prefect_home := os.environ.get("PREFECT_HOME"):
    # Prefect makes this folder but not those above it, and where they are missing it fails two minutes later, when its
    # server can't open a database.
    with contextlib.suppress(OSError):
        Path(_prefect_home).expanduser().mkdir(parents=True, exist_ok=True)
