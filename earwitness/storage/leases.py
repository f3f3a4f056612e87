"""Signs of life of runs: a file that is locked for as long as the process of its run lives.

The kernel frees the lock when the process dies, however it dies. A run that ends takes its file away, so a file that
nobody has locked is that of a run whose process was killed. On one machine that is certain at once; files of other
machines (a home on a shared disk) say nothing here.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock

from pydantic import Field, ValidationError

from earwitness.errors import StorageError
from earwitness.home import home
from earwitness.schema import Record

_OLD_S = 3600.0


class Lease(Record):
    """Who works on a run."""

    run: str = Field(pattern=r"^[0-9a-f-]{1,64}$", description="id of the run")
    flow: str
    host: str
    boot: str = Field(description="id of the machine's last start; empty where there is none")
    pid: int
    process: str = Field(description="differs between two processes with the same pid")
    started_at: str = Field(description="UTC, ISO 8601")
    folder: str = Field(description="working directory, which relative paths of the run start from")
    resumes: str | None = Field(default=None, description="the killed run that this one takes up")
    reported: bool = Field(default=False, description="somebody was told that it ended badly")

    @property
    def is_of_this_machine(self) -> bool:
        """Whether its lock says anything here."""
        return self.host == socket.gethostname() or (self.boot != "" and self.boot == _boot())


@dataclass
class LeftBehind:
    """The lease of a dead process, held by us until we say what becomes of it."""

    lease: Lease
    _path: Path
    _descriptor: int

    def forget(self) -> None:
        """It was dealt with."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def leave(self) -> None:
        """Somebody else shall deal with it, or we, later."""
        os.close(self._descriptor)


def leases_path() -> Path:
    """One file a run that is being worked on."""
    return home() / "leases"


def take_lease(run: str, flow: str, *, resumes: str | None = None) -> Lease:
    """Say that this process works on a run, until `give_back` or its death.

    Raises:
        StorageError: the file can't be written.
    """
    with _guard:
        if run in _held:
            return _held[run][0]
    lease = Lease(
        run=run,
        flow=flow,
        host=socket.gethostname(),
        boot=_boot(),
        pid=os.getpid(),
        process=_process(os.getpid()),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        folder=_folder(),
        resumes=resumes,
    )
    path = leases_path() / f"{run}.json"
    part = path.with_name(f".{run}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(descriptor, lease)
            part.replace(path)  # nobody ever sees it without its lock or its content
        except OSError:
            os.close(descriptor)
            raise
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StorageError(
            f"No lease can be written in {leases_path()} ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder on a local disk.",
        ) from error
    with _guard:
        _held[run] = (lease, path, descriptor)
    return lease


def give_back(run: str) -> None:
    """The run has ended, and the server knows; nothing happens if its lease is not held here."""
    with _guard:
        held = _held.pop(run, None)
    if held:
        _, path, descriptor = held
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def give_up(run: str) -> None:
    """The run ends before it is done, and somebody was told; whoever looks after killed runs may start it again."""
    with _guard:
        held = _held.pop(run, None)
    if held:
        lease, _, descriptor = held
        with contextlib.suppress(OSError):
            _write(descriptor, lease.model_copy(update={"reported": True}))
        os.close(descriptor)


def is_held(run: str) -> bool | None:
    """Whether the process of a run lives; None where no file of this machine says so."""
    path = leases_path() / f"{run}.json"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        lease = _read(descriptor)
        if lease is None or not lease.is_of_this_machine:
            return None
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def left_behind() -> list[LeftBehind]:
    """The leases of dead processes of this machine. Whoever gets one has it alone until it is forgotten or left."""
    found = []
    for path in sorted(leases_path().glob("*.json")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # its run has just ended
        lease = _read(descriptor) if _lock(descriptor) else None
        if lease is None or os.fstat(descriptor).st_nlink == 0 or not lease.is_of_this_machine:
            os.close(descriptor)
        else:
            found.append(LeftBehind(lease, path, descriptor))
    for part in leases_path().glob(".*.part"):  # killed within the microseconds in which one is made
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _OLD_S:
                part.unlink()
    return found


def taken_up() -> set[str]:
    """Killed runs that another run, alive or dead itself, takes up."""
    found = set()
    for path in leases_path().glob("*.json"):
        with contextlib.suppress(OSError, ValidationError):
            lease = Lease.model_validate_json(path.read_bytes())
            found |= {lease.resumes} if lease.resumes else set()
    return found


def unchanged_for(signs: Mapping[str, str]) -> dict[str, float]:
    """Since when the last sign of life of each run has been the same, in seconds of this machine's clock.

    Clocks of machines differ, and a server that was down has told nobody anything: so what counts is how long we have
    seen the same sign, not how old it says that it is.

    Args:
        signs: run → its last sign of life. Runs that are not named are forgotten.
    """
    path, now = leases_path() / ".elsewhere", time.time()
    try:
        known = json.loads(path.read_bytes())
        seen = {run: (str(sign), float(at)) for run, (sign, at) in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        seen = {}
    for run, sign in signs.items():
        before, at = seen.get(run, ("", now))
        seen[run] = (sign, at if before == sign and at <= now else now)
    seen = {run: seen[run] for run in signs}
    if seen or path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".elsewhere.{os.getpid()}.part")
        part.write_text(json.dumps(seen), "utf-8")
        part.replace(path)
    return {run: now - at for run, (_, at) in seen.items()}


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write(descriptor: int, lease: Lease) -> None:
    content = json.dumps(lease.model_dump(mode="json"), indent=1).encode()
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _read(descriptor: int) -> Lease | None:
    try:
        return Lease.model_validate_json(os.pread(descriptor, 1 << 16, 0))
    except (OSError, ValidationError):
        return None


def _folder() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # somebody deleted it: relative paths fail here too
        return "/"


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


@lru_cache(maxsize=4)
def _process(pid: int) -> str:
    return f"{pid}-{uuid.uuid4().hex}"


_guard = Lock()
_held: dict[str, tuple[Lease, Path, int]] = {}


def _forget_leases() -> None:
    """After a fork: a child that lives on must not keep the leases of its dead parent."""
    global _guard
    _guard = Lock()
    for _, _, descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_leases)
