"""Processes that outlive their terminal: started, found again and stopped, and never mistaken for another one."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from earwitness.errors import StorageError
from earwitness.schema import Record
from earwitness.storage.whole import write_whole

_LOOK_S = 0.1
_TOKEN = "EARWITNESS_SERVICE_PART"
_MAX_LOG_BYTES = 10_000_000

State = Literal["running", "stopped", "died"]


class Started(Record):
    """A process as its pid file has it."""

    name: str
    pid: int
    mark: str
    """When it began, as the system has it: a pid is given to other processes later."""
    token: str
    """In the environment of everything that descends from it."""
    command: list[str]
    log: str
    at: float
    """Seconds since 1970."""


class Part:
    """One process of the service."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.file = folder / f"{name}.json"
        self.log = folder / f"{name}.log"

    def state(self) -> State:
        """died: it was started, was not stopped, and is gone."""
        started = self.started()
        if started is None:
            return "stopped"
        return "running" if is_running(started.pid, started.mark) else "died"

    def started(self) -> Started | None:
        """What the pid file says."""
        try:
            return Started.model_validate_json(self.file.read_bytes())
        except (OSError, ValidationError):
            return None

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Started:
        """Start it in a session of its own, which no terminal ends; its output goes to the log.

        Raises:
            StorageError: its files can't be written.
        """
        token = secrets.token_hex(8)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            if self.log.exists() and self.log.stat().st_size > _MAX_LOG_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    list(command),
                    cwd=folder,
                    env={**environment, _TOKEN: token},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            made = Started(
                name=self.name,
                pid=process.pid,
                mark=mark_of(process.pid) or "",
                token=token,
                command=list(command),
                log=str(self.log),
                at=time.time(),
            )
            write_whole(self.file, made.model_dump_json(indent=1).encode())
        except OSError as error:
            raise StorageError(
                f"{self.name} can't be started: {error.strerror or error} ({error.filename}).",
                "Point EARWITNESS_HOME at a writable folder on a local disk.",
            ) from error
        return made

    def stop(self, patience_s: float = 10.0) -> bool:
        """End it and what it has started, however it likes that; whether anything was running.

        Args:
            patience_s: seconds until those that don't end by themselves are killed.
        """
        started = self.started()
        if started is None:
            return False
        found = _relatives(started)
        _send(found, signal.SIGTERM, only=started.pid if started.pid in found else None)
        deadline = time.monotonic() + patience_s
        while (left := _living(found)) and time.monotonic() < deadline:
            if started.pid not in left:
                _send(left, signal.SIGTERM)
            time.sleep(_LOOK_S)
        _send({**_living(found), **_relatives(started)}, signal.SIGKILL)
        while _living(found):
            _reap(started.pid)
            time.sleep(_LOOK_S)
        self.file.unlink(missing_ok=True)
        return bool(found)


def is_running(pid: int, mark: str) -> bool:
    """Whether the very process still runs that had this pid when it was marked so."""
    return mark != "" and mark_of(pid) == mark


def mark_of(pid: int) -> str | None:
    """When a process began, as the system has it; None where there is none, or where it is dead already."""
    _reap(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return _mark_by_ps(pid) if not Path("/proc/self/stat").exists() else None
    if fields[0] == "Z":
        return None
    return f"{_boot()}-{fields[19]}"


def _mark_by_ps(pid: int) -> str | None:
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
    except OSError:
        return ""


def _relatives(started: Started) -> dict[int, str]:
    """Pid → mark of the process and everything that descends from it, however those were started.

    Whoever descends from it has its token in the environment, even where whoever started it is dead.
    """
    found = {started.pid: started.mark} if is_running(started.pid, started.mark) else {}
    token = f"{_TOKEN}={started.token}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            carries = token in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is not ours
        if carries and (mark := mark_of(int(entry.name))):
            found[int(entry.name)] = mark
    return found


def _living(found: Mapping[int, str]) -> dict[int, str]:
    return {pid: mark for pid, mark in found.items() if is_running(pid, mark)}


def _send(found: Mapping[int, str], number: int, *, only: int | None = None) -> None:
    for pid in found if only is None else [only]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _reap(pid: int) -> None:
    """Where it is a child of ours, the system keeps it as dead until we have asked."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        return
