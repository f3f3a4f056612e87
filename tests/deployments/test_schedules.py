"""Our pins keep Prefect working: with SQLAlchemy 2.1 cron schedules silently never create runs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from earwitness.local_service.pools import check_pools
from tests.prefect_server import sqlite_server
from tests.runs import wait_until

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    """A Prefect server as an operator starts it, with its services."""
    with sqlite_server(tmp_path / "prefect") as (url, _):
        yield url


DROP = """
import sys
from pathlib import Path
import tasks
from earwitness.drops.arrivals import Patience
from earwitness.drops.folder import DropFolder
from earwitness.drops.watch import Watcher
from tasks.drops import PrefectOffice
folder = DropFolder(Path(sys.argv[1]))
folder.make()
(folder.incoming / "a 'talk' – é.wav").write_text("sound")
(folder.incoming / "b.wav").write_text("other sound")
watcher = Watcher(folder, PrefectOffice(), patience=Patience(0, 0), lost_s=0)
print(watcher.look(), *(drop.ticket for drop in folder.drops()))
"""
LOST = """
import sys
from pathlib import Path
import tasks
from earwitness.drops.folder import DropFolder
from earwitness.drops.watch import Watcher
from tasks.drops import PrefectOffice
folder = DropFolder(Path(sys.argv[1]))
print(PrefectOffice().runs(folder), Watcher(folder, PrefectOffice(), lost_s=0).find_lost())
"""
POOLS = """
import tasks
from tasks.service import prepare_pools
prepare_pools(3)
prepare_pools(2)
"""


def test_what_prefect_yaml_deploys(api: str, tmp_path: Path) -> None:
    """All on one server, which takes long to start: schedules, queues, the form, and the event of a dropped file."""
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(tmp_path / "client"),
        "EARWITNESS_PROJECT": str(root),
        "EARWITNESS_PYTHON": sys.executable,
    }

    def python(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=root, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(path: str, **query: Any) -> Any:
        return httpx.post(f"{api}/{path}/filter", json=query, timeout=30).json()

    python("-c", POOLS)
    queues = {queue["name"]: queue["priority"] for queue in ask("work_pools/earwitness/queues")}
    assert {**queues, "default": 0} == {"default": 0, "high": 1, "normal": 5, "low": 9}
    assert httpx.get(f"{api}/work_pools/earwitness", timeout=30).json()["concurrency_limit"] == 2
    assert {limit["name"]: limit["limit"] for limit in ask("v2/concurrency_limits")} == {
        f"earwitness-{stage}": 3 for stage in ("diarize", "transcribe", "align", "clip")
    }  # as they were made: people may have changed them since

    assert {check.name: check.found for check in check_pools(api)} == {
        "work pool earwitness": "no worker serves it", "work pool earwitness-upkeep": "no worker serves it",
        "limits of stages": "align 3, clip 3, diarize 3, transcribe 3",
    }  # fmt: skip
    httpx.patch(f"{api}/work_pools/earwitness", json={"is_paused": True}, timeout=30).raise_for_status()
    assert next(check_pools(api)).found == "it is paused"

    python("-m", "prefect", "--no-prompt", "deploy", "--all")
    found = {made["name"]: made for made in ask("deployments")}
    assert set(found) == {"recording", "drop", "batch", "sweep", "maintain", "health"}
    assert found["maintain"]["parameters"] == {"options": {"resume": 2, "clean_after_days": 30, "pending_s": 900}}
    assert found["recording"]["entrypoint"] == "flows/recording.py:process_recording"
    assert found["recording"]["work_queue_name"] == "high"
    schema = found["recording"]["parameter_openapi_schema"]
    assert set(schema["properties"]) == {"path", "options"}
    options = schema["definitions"]["RunOptions"]["properties"]
    assert "clip" in options
    assert all(field.get("description") for field in options.values())

    handed_over, first, second = python("-c", DROP, str(tmp_path / "drops")).split()
    assert handed_over == "2"
    waiting = {"state": {"type": {"any_": ["SCHEDULED"]}}}

    def runs_of(name: str) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = ask(
            "flow_runs", flow_runs=waiting, deployments={"id": {"any_": [found[name]["id"]]}}
        )
        return made

    wanted = ("drop", "sweep", "maintain", "health")  # an event, two crons, an interval
    wait_until(lambda: all(map(runs_of, wanted)), 120, lambda: str({name: len(runs_of(name)) for name in found}))
    assert runs_of("batch") == []  # its schedule is off until somebody sets its paths
    (dropped,) = runs_of("drop")
    assert dropped["parameters"] == {
        "folder": str(tmp_path / "drops"), "tickets": [first, second], "name": "a 'talk' – é.wav and 1 more"
    }  # fmt: skip
    assert python("-c", LOST, str(tmp_path / "drops")).strip() == f"{{'{first}': 'waiting', '{second}': 'waiting'}} 0"
    httpx.delete(f"{api}/flow_runs/{dropped['id']}", timeout=30).raise_for_status()
    assert python("-c", LOST, str(tmp_path / "drops")).strip() == "{} 2"
