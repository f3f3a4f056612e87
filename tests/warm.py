"""Python for the processes of tests: a copy of one that has imported everything (deployments/forkserver.py).

Not for processes that a test kills to see what they leave behind: of a copy its children are killed with it.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from deployments.warm import ADDRESS

_ROOT = Path(__file__).resolve().parents[1]
AS_THE_COMMAND = {"PREFECT_LOGGING_LEVEL": "CRITICAL", "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"}
"""What `earwitness run` sets before it imports Prefect, which is too late in a copy."""
_ALSO = ("earwitness.cli", "prefect.cli", "prefect.server.api.server")
_NOT_INHERITED = ("PYTEST_", "PYTHONDONTWRITEBYTECODE")
"""What pytest says there changes with every test; and no start must compile our code anew."""
_OURS = ("PREFECT_", "EARWITNESS_")
"""What a stranger does not have."""


def warm_python() -> list[str]:
    """How a command begins that goes on with -m MODULE or -c CODE; see `environment`."""
    return [sys.executable, str(_ROOT / "deployments" / "warm.py")]


def environment(**variables: str) -> dict[str, str]:
    """For a process that is started with `warm_python`: that of this one, and these variables."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
    return {**ours, **a_strangers(), **variables}


def a_strangers(**variables: str) -> dict[str, str]:
    """The same for somebody who has neither the store nor the Prefect of this process."""
    return {**_common(), ADDRESS: str(_fork_server()), **variables}


def _common() -> dict[str, str]:
    left_out = (*_NOT_INHERITED, *_OURS)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**inherited, "PYTHONPATH": str(_ROOT), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


@cache
def _fork_server() -> Path:
    """Starts with the first process that wants it; those that come before it is ready start as ever."""
    folder = Path(tempfile.mkdtemp(prefix="earwitness-warm-"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.forkserver", str(folder / "socket"), *_ALSO],
            cwd=_ROOT,
            env=_common(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def end() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return folder / "socket"
