"""Server, workers, watcher and deployments of one machine: started in the right order, stopped in the reverse."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from pydantic import Field, ValidationError

from earwitness.drops.health import DropState, drop_state
from earwitness.errors import ServerUnavailable, StorageError, UsageError
from earwitness.home import home
from earwitness.local_service.processes import Part, State
from earwitness.schema import Record
from earwitness.storage.locks import locked
from earwitness.storage.whole import write_whole

WORK_POOL, UPKEEP_POOL = "earwitness", "earwitness-upkeep"
LIMIT_PREFIX = "earwitness-"
"""What the names of the limits of stages begin with."""
_FORKS = sys.platform == "linux"
"""Elsewhere a copy of a process is not safe to use."""
PARTS = ("server", *(["starter"] if _FORKS else []), "worker", "upkeep", "watcher")
"""They are stopped in the reverse order."""
_START_S = 240.0
_ANSWER_S = 2.0
_DEPLOY_S = 300.0
_FORKSERVER = "EARWITNESS_FORKSERVER"
"""As `deployments.warm` has it."""
_LOOK_OFTEN = "PREFECT_WORKER_QUERY_SECONDS"


class ServiceOptions(Record):
    """What `up` was told; it is remembered."""

    drops: Path = Field(description="the drop folder")
    port: int = Field(default=4200, ge=1, le=65_535, description="of Prefect's server and UI")
    at_once: int = Field(default=2, ge=1, le=64, description="recordings that are processed at the same time")
    watch: list[str] = Field(default_factory=list, description="options of earwitness watch")

    @property
    def api(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}/api"


class PartState(Record):
    """One process."""

    name: str
    state: State
    pid: int | None = None
    since_s: float | None = Field(default=None, description="how long it has been running")
    log: str = ""
    note: str = ""


class ServiceState(Record):
    """Everything, at this moment."""

    ok: bool = Field(description="all parts run and the server answers")
    parts: list[PartState]
    ui: str | None = None
    api: str | None = None
    drop_folder: str | None = Field(default=None, description="where to drop recordings")
    drops: DropState | None = None


class Service:
    """The service of this machine's home folder."""

    def __init__(self) -> None:
        self.folder = home() / "service"
        self._remembered = self.folder / "options.json"

    def part(self, name: str) -> Part:
        """One of `PARTS`."""
        return Part(self.folder, name)

    def options(self) -> ServiceOptions | None:
        """What the last `up` was told."""
        try:
            return ServiceOptions.model_validate_json(self._remembered.read_bytes())
        except (OSError, ValidationError):
            return None

    def up(
        self,
        want: ServiceOptions,
        prepare: Callable[[int], bool],
        see_to_killed: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        """Start what does not run. Parts that run with other options are started anew.

        Args:
            want: how.
            prepare: makes work pools and queues on the server at `PREFECT_API_URL`, for so many runs at a time, and
                says whether the server knows our deployments.
            see_to_killed: has the runs of a worker that is gone seen to.
            tell: takes one line a step.

        Raises:
            UsageError: the port is in use, or the project's files are not there.
            ServerUnavailable: a part does not start.
            StorageError: the home folder can't be written.
        """
        root = project()
        with locked("service"):
            self._keep(want)
            environment = self._environment(want, root)
            if _FORKS:  # first: it imports for seconds, and so does the server
                starter = [sys.executable, "-m", "deployments.forkserver", environment[_FORKSERVER]]
                self._start("starter", starter, environment, root, tell)
            self._server(want, environment, root, tell)
            os.environ["PREFECT_API_URL"] = want.api
            self._deploy(environment, root, tell, anew=not prepare(want.at_once))
            python = [sys.executable, "-m", "prefect", "worker", "start", "--install-policy", "never"]
            name = socket.gethostname()
            if self._start("worker", [*python, "--pool", WORK_POOL, "--name", name], environment, root, tell):
                see_to_killed()
            # each look of a worker writes to the database three times, and SQLite has one writer: upkeep can wait 10 s
            unhurried = {key: value for key, value in environment.items() if key != _LOOK_OFTEN}
            self._start("upkeep", [*python, "--pool", UPKEEP_POOL, "--name", f"{name}-upkeep"], unhurried, root, tell)
            command = [sys.executable, "-c", "from earwitness.cli import main; main()", "watch", str(want.drops)]
            self._start("watcher", [*command, *want.watch], environment, root, tell)

    def down(self, tell: Callable[[str], None]) -> None:
        """Stop everything that `up` has started; runs in progress are left resumable."""
        with locked("service"):
            for name in reversed(PARTS):
                if self.part(name).stop():
                    tell(f"{name}: stopped")

    def state(self) -> ServiceState:
        """Look at everything; changes nothing."""
        options = self.options()
        parts = [self._part_state(name) for name in PARTS]
        answers = options is not None and _answers(options.api)
        if parts[0].state == "running" and not answers:
            parts[0] = parts[0].model_copy(update={"note": "does not answer (yet)"})
        drops = drop_state(options.drops) if options and options.drops.is_dir() else None
        return ServiceState(
            ok=answers and all(part.state == "running" for part in parts),
            parts=parts,
            ui=f"http://127.0.0.1:{options.port}" if options else None,
            api=options.api if options else None,
            drop_folder=drops.drop_folder if drops else None,
            drops=drops,
        )

    def _part_state(self, name: str) -> PartState:
        part = self.part(name)
        started, state = part.started(), part.state()
        if started is None:
            return PartState(name=name, state=state)
        since = round(time.time() - started.at, 1) if state == "running" else None
        note = "see its log" if state == "died" else ""
        return PartState(name=name, state=state, pid=started.pid, since_s=since, log=started.log, note=note)

    def _keep(self, want: ServiceOptions) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._remembered, want.model_dump_json(indent=1).encode())
        except OSError as error:
            raise StorageError(
                f"{self.folder} can't be written ({error.strerror or error}).", "Point EARWITNESS_HOME elsewhere."
            ) from error

    def _environment(self, want: ServiceOptions, root: Path) -> dict[str, str]:
        return {
            **os.environ,
            "PREFECT_HOME": os.environ.get("PREFECT_HOME") or str(self.folder / "prefect"),
            "PREFECT_API_URL": want.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            _LOOK_OFTEN: "1",  # the default lets a dropped file wait for up to 10 s
            "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
            # the default forgets at a restart who holds slots of limits: they would never come back
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_SERVER_DATABASE_TIMEOUT": "60",  # SQLite has one writer at a time; the default gives up after 10 s
            "EARWITNESS_PROJECT": str(root),
            "EARWITNESS_PYTHON": sys.executable,
            "EARWITNESS_DROPS": str(want.drops),
            "EARWITNESS_HOME": str(home()),
            _FORKSERVER: str(self.folder / "starter.sock"),
        }

    def _server(
        self, want: ServiceOptions, environment: Mapping[str, str], root: Path, tell: Callable[[str], None]
    ) -> None:
        part = self.part("server")
        command = [sys.executable, "-m", "deployments.server", "--host", "127.0.0.1", "--port", str(want.port)]
        started = part.started()
        if part.state() == "running" and started and started.command == command and _answers(want.api):
            tell("server: runs already")
            return
        part.stop()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", want.port))
            except OSError as error:
                raise UsageError(
                    f"Port {want.port} is used by another program.", "Choose another: earwitness up --port 4300."
                ) from error
        Path(environment["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
        part.start(command, environment, root)
        deadline = time.monotonic() + _START_S
        while not _answers(want.api):
            if part.state() != "running" or time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"Prefect's server did not start; its log ends with: {_last_lines(part.log)}", f"See {part.log}."
                )
            time.sleep(0.2)
        tell(f"server: started, http://127.0.0.1:{want.port}")

    def _deploy(self, environment: Mapping[str, str], root: Path, tell: Callable[[str], None], *, anew: bool) -> None:
        note = self.folder / "deployed"
        digest = _digest_of_definitions(root) + environment["PREFECT_API_URL"] + environment["PREFECT_HOME"]
        with suppress(OSError):
            if note.read_text() == digest and not anew:
                tell("deployments: up to date")
                return
        note.unlink(missing_ok=True)
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
        done = subprocess.run(
            command, cwd=root, env=dict(environment), capture_output=True, text=True, timeout=_DEPLOY_S, check=False
        )
        if done.returncode != 0:
            (self.folder / "deploy.log").write_text(done.stdout + done.stderr)
            raise ServerUnavailable("prefect deploy failed.", f"See {self.folder / 'deploy.log'}.")
        note.write_text(digest)
        tell("deployments: made")

    def _start(
        self, name: str, command: list[str], environment: Mapping[str, str], root: Path, tell: Callable[[str], None]
    ) -> bool:
        """Whether it had to be started."""
        part = self.part(name)
        started = part.started()
        if part.state() == "running" and started and started.command == command:
            tell(f"{name}: runs already")
            return False
        part.stop()
        part.start(command, environment, root)
        tell(f"{name}: started")
        return True


def project() -> Path:
    """The folder with `prefect.yaml` and the flows.

    Raises:
        UsageError: Earwitness was installed without it.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "prefect.yaml").is_file():
        raise UsageError(f"There is no prefect.yaml in {root}.", "Run earwitness up from a checkout of the project.")
    return root


def _answers(api: str) -> bool:
    try:
        with urlopen(f"{api}/health", timeout=_ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError, ValueError):
        return False


def _last_lines(log: Path) -> str:
    try:
        return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
    except OSError:
        return ""


def _digest_of_definitions(root: Path) -> str:
    """Changes with whatever decides deployments: prefect.yaml, and the parameters of flows."""
    digest = hashlib.sha256()
    for path in [
        root / "prefect.yaml",
        *sorted((root / "flows").glob("*.py")),
        *sorted((root / "earwitness").rglob("*.py")),
    ]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
