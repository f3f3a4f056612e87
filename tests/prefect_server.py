"""Real Prefect servers for tests that need one, and the database that they begin with."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

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
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    shutil.copyfile(_new_database(), folder / "prefect-test.db")
    with (
        pytest.MonkeyPatch.context() as patch,
        # the heartbeat thread sleeps in steps of a second, which every flow call would wait for
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        patch.setattr("prefect.testing.utilities.mkdtemp", lambda: str(folder))  # no other way to hand in a database
        with prefect_test_harness(server_startup_timeout=180):
            yield


@contextmanager
def _as_in_production(folder: Path) -> Iterator[None]:
    from tests.production_server import as_client_of, production_server  # which import from here

    with ExitStack() as stack:
        try:
            server = stack.enter_context(production_server(folder))
        except pytest.skip.Exception as error:  # whoever asks for it does not want to see green without it
            pytest.fail(f"{WHICH}: {error}", pytrace=False)
        stack.enter_context(as_client_of(server))
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
