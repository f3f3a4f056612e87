"""Real Prefect servers for tests that need one, and the database that they begin with."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from tests.warm import a_strangers, warm_python

WHICH = "EARWITNESS_TEST_SERVER"
"""Set to `production`, it makes the whole suite run on what deployments/compose.yaml starts."""

_CACHE = Path(__file__).resolve().parents[1] / ".pytest_cache"


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One server for the whole session: on a temporary SQLite database, or as in production."""
    import_module("tasks")  # switches telemetry off before Prefect is imported
    kinds = {"": _on_sqlite, "production": _as_in_production}
    wanted = os.environ.get(WHICH, "")
    if wanted not in kinds:
        pytest.fail(f"{WHICH} may be production or nothing, not {wanted}", pytrace=False)
    with kinds[wanted](tmp_path_factory.mktemp("prefect")):
        yield


@contextmanager
def _on_sqlite(folder: Path) -> Iterator[None]:
    with sqlite_server(folder) as (api, _), as_client_of(api):
        yield


@contextmanager
def sqlite_server(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """What `earwitness up` starts, on a database in this folder; gives its address and its process."""
    from tests.runs import ROOT, wait_until  # which imports from here

    port = free_port()
    settings = {"PREFECT_HOME": prefect_home(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    log = folder / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*warm_python(), "-m", "deployments.server", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
            cwd=ROOT,
            env=a_strangers(**settings),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        api = f"http://127.0.0.1:{port}/api"
        wait_until(lambda: process.poll() is not None or _answers(api), 180, log.read_text)
        assert process.poll() is None, log.read_text()
        yield api, process
    finally:
        with suppress(ProcessLookupError):  # the test may have ended it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def as_client_of(api: str, secret: str | None = None) -> Iterator[None]:
    """Flows of this process run on the server, and so do those of its children that are given its address.

    Args:
        api: its address.
        secret: user and password, where it has one.
    """
    from prefect.context import _temporary_global_settings_context, get_settings_context
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    def let_go() -> None:
        """Of connections to the server that flows of this process have spoken to."""
        APILogWorker.drain_all(at_exit=False)
        EventsWorker.drain_all(at_exit=False)

    settings = {PREFECT_API_URL: api} | ({PREFECT_API_AUTH_STRING: secret} if secret else {})
    let_go()
    with (
        pytest.MonkeyPatch.context() as patch,
        # the heartbeat thread sleeps in steps of a second, which every flow call would wait for
        temporary_settings({**settings, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        _temporary_global_settings_context(get_settings_context()),  # for threads that began before
    ):
        if secret:
            patch.setenv("PREFECT_API_AUTH_STRING", secret)
        yield
        let_go()


@contextmanager
def _as_in_production(folder: Path) -> Iterator[None]:
    from tests.production_server import production_server  # which imports from here

    with ExitStack() as stack:
        try:
            server = stack.enter_context(production_server(folder))
        except pytest.skip.Exception as error:  # whoever asks for it does not want to see green without it
            pytest.fail(f"{WHICH}: {error}", pytrace=False)
        stack.enter_context(as_client_of(server.api, server.for_clients["PREFECT_API_AUTH_STRING"]))
        yield


def prefect_home(folder: Path) -> str:
    """A folder for PREFECT_HOME with a database in it: at its first start Prefect would take half a minute for that."""
    if not (folder / "prefect.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_new_database(), folder / "prefect.db")
    return str(folder)


def _new_database() -> Path:
    """Made once in this checkout and version of Prefect, whoever asks first."""
    database = _CACHE / f"prefect-{version('prefect')}" / "prefect.db"
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "prefect.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            making = database.parent.with_suffix(".part")
            shutil.rmtree(making, ignore_errors=True)
            own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
            subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
                env={**own, "PREFECT_HOME": str(making), "DO_NOT_TRACK": "1"},
                check=True,
                capture_output=True,
            )
            making.replace(database.parent)
    return database
