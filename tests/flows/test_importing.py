import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from flows import run_flow
from prefect.settings import get_current_settings
server = get_current_settings().server
print(server.ephemeral.startup_timeout_seconds, server.analytics_enabled)
"""


def test_prefect_reads_our_settings_before_it_is_used_from_python() -> None:
    """Prefect reads its settings when it is imported: what we set later would be lost."""
    theirs = ("PREFECT_SERVER_ANALYTICS_ENABLED", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS")
    environment = {name: value for name, value in os.environ.items() if name not in theirs}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + "import flows.recording\n"],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
        cwd=Path(__file__).parents[2],
        env=environment,
    )
    assert done.stdout.split() == ["120", "False"]
