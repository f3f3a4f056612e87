"""Make the pools, queues, limits and deployments on the server at `PREFECT_API_URL`; may be called again at any time.

    python -m deployments [runs at a time]

`earwitness up` does this by itself; compose, Kubernetes and systemd have a step that calls it.
"""

import subprocess
import sys
import time

import click

import tasks  # noqa: F401 - sets what Prefect reads when it is imported
from earwitness.errors import ServerUnavailable
from earwitness.local_service.service import project
from tasks.service import prepare_pools

_PATIENCE_S = 180.0
"""Whatever starts us may have started the server in the same second."""


def main() -> int:
    """Prepare the server; the exit code of `prefect deploy`."""
    at_once = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            prepare_pools(at_once)
            break
        except ServerUnavailable as error:
            if time.monotonic() > deadline:
                click.echo(f"earwitness: {error}", err=True)
                return error.exit_code
            time.sleep(2)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    return subprocess.run(command, cwd=project(), check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
