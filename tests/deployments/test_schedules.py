"""Our pins keep Prefect working: with SQLAlchemy 2.1 cron schedules silently never create runs."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.prefect_server import prefect_home

pytestmark = [pytest.mark.server, pytest.mark.slow]

DEPLOY = """
import tasks
from flows.batch import process_batch
process_batch.to_deployment("nightly", cron="0 3 * * *", parameters={"paths": ["/recordings"]}).apply()
"""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[str]:
    """A Prefect server as an operator starts it, with its services."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PREFECT_HOME": prefect_home(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    environment.pop("PREFECT_API_URL", None)
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}/api"
        deadline = time.monotonic() + 150
        while not _answers(url):
            assert server.poll() is None, (tmp_path / "server.log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_cron_deployment_gets_scheduled_runs(api: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PREFECT_API_URL": api, "PREFECT_HOME": str(tmp_path / "client")}
    subprocess.run([sys.executable, "-c", DEPLOY], env=environment, check=True, timeout=120)
    query = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    deadline = time.monotonic() + 90
    while len(httpx.post(f"{api}/flow_runs/filter", json=query, timeout=10).json()) < 3:
        assert time.monotonic() < deadline, "the scheduler made no runs; are the pins of pyproject.toml installed?"


def test_prefect_yaml_deploys_and_its_form_has_the_options(api: str, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {
        **os.environ,
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(tmp_path / "client"),
        "EARWITNESS_PROJECT": str(root),
    }

    def prefect(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    prefect("work-pool", "create", "local", "--type", "process")
    prefect("--no-prompt", "deploy", "--all")
    found = {made["name"]: made for made in httpx.post(f"{api}/deployments/filter", json={}, timeout=10).json()}
    assert set(found) == {"recording", "batch", "maintain"}
    assert found["maintain"]["schedules"][0]["schedule"]["interval"] == 600
    assert found["maintain"]["parameters"] == {"options": {"resume": 2, "clean_after_days": 30}}
    assert found["recording"]["entrypoint"] == "flows/recording.py:process_recording"
    schema = found["recording"]["parameter_openapi_schema"]
    assert set(schema["properties"]) == {"path", "options"}
    options = schema["definitions"]["RunOptions"]["properties"]
    assert "clip" in options
    assert all(field.get("description") for field in options.values())
