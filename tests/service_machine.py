"""A machine of a user's on which `earwitness up` runs."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.prefect_server import prefect_home
from tests.warm import a_strangers, warm_python


class Machine:
    """A user's machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            **a_strangers(),
            "EARWITNESS_HOME": str(folder / "home"),
            "PREFECT_HOME": prefect_home(folder / "prefect"),
        }

    def __call__(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*warm_python(), "-c", "from earwitness.cli import main; main()", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
            cwd=self.folder,
            env=self.environment,
        )

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return answer

    def pids(self) -> dict[str, int | None]:
        return {part["name"]: part["pid"] for part in self.status()["parts"]}
