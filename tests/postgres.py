"""A PostgreSQL server of the tests' own, where its programs and its driver are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.ports import free_port

_FOLDERS = "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin"


def _program(name: str) -> str:
    found = shutil.which(name)
    candidates = [Path(found)] if found else []
    for pattern in _FOLDERS:
        candidates += sorted(Path("/").glob(f"{pattern.lstrip('/')}/{name}"))
    if not candidates:
        pytest.skip(f"PostgreSQL's {name} is not installed")
    return str(candidates[-1])


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of an empty database; the server lives as long as the block. Skips where there can be none."""
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: earwitness[postgres]")
    initdb, server = _program("initdb"), _program("postgres")
    # PostgreSQL refuses to run as root, so root's tests give it to somebody who owns nothing
    somebody: dict[str, int] = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
    port = free_port()
    address = f"postgresql://tester@127.0.0.1:{port}/postgres"
    with tempfile.TemporaryDirectory(prefix="earwitness-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        if somebody:
            os.chown(data, somebody["user"], somebody["group"])
        options = ["-D", str(data), "-U", "tester", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run([initdb, *options], check=True, capture_output=True, cwd=data, **somebody)  # type: ignore[call-overload]
        command = [server, "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", "", "-F"]
        command += ["-c", "max_connections=120"]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=data, **somebody)  # type: ignore[call-overload]
        try:
            _wait_for(process, address, folder / "log")
            yield address
        finally:
            process.terminate()
            process.wait(30)
            log.close()


def new_user(address: str, name: str, password: str) -> None:
    """Somebody who may own databases on the server."""
    _ask(address, f"create role \"{name}\" login password '{password}'")


def new_database(address: str, name: str, owner: str = "tester") -> str:
    """An empty database on the server; its address."""
    _ask(address, f'create database "{name}" owner "{owner}"')
    return f"{address.rpartition('/')[0]}/{name}"


def _wait_for(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    from sqlalchemy.exc import OperationalError

    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            _ask(address, "select 1")
            return
        except OperationalError:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
    raise AssertionError(log.read_text())


def _ask(address: str, statement: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)
