"""Leases: who is at work on this machine, as the kernel knows it.

A lease is a file that is locked with `flock(2)` for as long as its process lives: the kernel frees the lock when the
process dies, however it dies, and keeps it while the process or the whole machine is paused. Who ends takes its file
away. So a lease that nobody has locked is that of a killed process. Two things rest on that:

* Cleaning leaves alone whatever was used since the oldest lease began, see `needed_since_ns`.
* Maintenance finds runs that were killed, see `left_behind`.

All of it holds on one machine and a local disk: locks on network disks (NFS, SMB) can't be trusted. The lease of
another machine, in a home that was copied or lies on a shared disk, says nothing here about that machine's processes;
it only keeps the cleaner away for a week.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock

from pydantic import Field, ValidationError

from earwitness.errors import StorageError
from earwitness.home import leases_path
from earwitness.schema import Record
from earwitness.storage.gate import gate
from earwitness.storage.locks import is_held

WAITING_S = 7 * 86_400.0
"""For so long, what a killed run made stays for whoever starts it again."""
_MARGIN_NS = 1_000_000_000
"""The kernel dates stamps by a coarser clock than ours."""
_FAR_FUTURE_NS = 1 << 63
_LOOKS, _BETWEEN_LOOKS_S = 3, 0.005


class Lease(Record):
    """Who works, and since when."""

    purpose: str = Field(description="for people; the flow of a run")
    run: str | None = Field(default=None, pattern=r"^[0-9a-f-]{1,64}$", description="id of the run, if it is one")
    host: str
    boot: str = Field(description="id of the machine's last start; empty where there is none")
    pid: int
    process: str = Field(description="differs between two processes with the same pid")
    began_at: str = Field(description="UTC, ISO 8601")
    began_ns: int = Field(description="the same in ns since 1970, by the clock of the machine")
    began_up_s: float = Field(description="the same in seconds since the machine's start, by a clock that nobody sets")
    folder: str = Field(description="working directory, which relative paths of the run start from")
    resumes: str | None = Field(default=None, description="the killed run that this one takes up")
    reported: bool = Field(default=False, description="somebody was told that it ended badly")

    @property
    def is_of_this_machine(self) -> bool:
        """Whether its lock says anything here."""
        return self.host == socket.gethostname() or (self.boot != "" and self.boot == _boot())

    def since_ns(self) -> int:
        """What was stamped then or later may be in use by its holder, however the clock was set meanwhile."""
        began = self.began_ns
        if self.boot and self.boot == _boot():
            began = min(began, time.time_ns() - round((_up_s() - self.began_up_s) * 1e9))
        return began - _MARGIN_NS


@dataclass
class LeftBehind:
    """The lease of a killed run, held by us until we say what becomes of it."""

    lease: Lease
    _path: Path
    _descriptor: int

    def forget(self) -> None:
        """It was dealt with."""
        with gate(alone=True):  # the same run may begin again at this moment
            _remove(self._path, self._descriptor)

    def leave(self) -> None:
        """Somebody else shall deal with it, or we, later."""
        os.close(self._descriptor)


def take_lease(purpose: str, *, run: str | None = None, resumes: str | None = None) -> str:
    """Say that this process is at work, until `give_back`, `give_up` or its death.

    Args:
        purpose: for people who look at what is going on; of a run, its flow.
        run: id of the run. A run has one lease: taken again in this process, it stays as it is.
        resumes: id of the killed run that this one takes up.

    Returns:
        what `give_back` wants: the id of the run, if there is one.

    Raises:
        StorageError: the file can't be written.
    """
    name = run or f"{os.getpid()}-{secrets.token_hex(4)}"
    with _guard:
        if name in _held:
            return name
        try:
            leases_path().mkdir(parents=True, exist_ok=True)
            with gate():
                _held[name] = _written(name, _lease(purpose, run, resumes))
        except OSError as error:
            raise StorageError(
                f"No lease can be written in {leases_path()} ({error.strerror or error}).",
                "Free some space or point EARWITNESS_HOME at a writable folder on a local disk.",
            ) from error
    return name


def give_back(name: str) -> None:
    """The work has ended; nothing happens if its lease is not held here."""
    with _guard:
        held = _held.pop(name, None)
    if held:
        _, path, descriptor = held
        _remove(path, descriptor)


def give_up(run: str) -> None:
    """The run ends before it is done, and somebody was told; whoever looks after killed runs may start it again."""
    with _guard:
        held = _held.pop(run, None)
    if held:
        lease, _, descriptor = held
        with contextlib.suppress(OSError):
            _fill(descriptor, lease.model_copy(update={"reported": True}))
        os.close(descriptor)


@contextmanager
def using_store(purpose: str) -> Iterator[None]:
    """Whatever is kept or read until the end of the block stays, whoever cleans. For scripts; runs have it anyway.

    Raises:
        StorageError: no lease can be written.
    """
    name = take_lease(purpose)
    try:
        yield
    finally:
        give_back(name)


def needed_since_ns() -> int:
    """What was stamped at this time or later is needed, in ns since 1970; the far future where nobody needs anything.

    By those who are at work, and by killed runs that may still be started again. Behind the closed gate the answer is
    exact: leases are written with the gate passed.
    """
    since = _FAR_FUTURE_NS
    for path, lease in _leases():
        if is_held(path):
            since = min(since, lease.since_ns() if lease else 0)
        elif lease and lease.run and time.time_ns() - lease.began_ns < WAITING_S * 1e9:
            since = min(since, lease.since_ns())
    return since


def living_leases() -> list[Path]:
    """The leases of who is at work on this machine."""
    return [path for path, _ in _leases() if is_held(path)]


def useless_leases() -> list[Path]:
    """What killed scripts left, what can't be read, and what other machines left long ago. Exact behind the gate.

    Not the leases of this machine's killed runs: those are for maintenance, whenever it comes.
    """
    return [
        path
        for path, lease in _leases()
        if not is_held(path)
        and (
            lease is None
            or lease.run is None
            or (not lease.is_of_this_machine and time.time_ns() - lease.began_ns > WAITING_S * 1e9)
        )
    ]


def is_alive(run: str) -> bool | None:
    """Whether a process of this machine works on a run; None where no lease of this machine says so."""
    found = [is_held(path) for path, lease in _leases() if lease and lease.run == run and lease.is_of_this_machine]
    return any(found) if found else None


def killed_runs() -> list[Lease]:
    """The runs of this machine whose process is gone."""
    return [
        lease
        for path, lease in _leases()
        if lease and lease.run and lease.is_of_this_machine and not is_held(path) and path.exists()
    ]


def left_behind() -> list[LeftBehind]:
    """The killed runs of this machine. Whoever gets one has it alone until it is forgotten or left."""
    alive = {lease.run for path, lease in _leases() if lease and lease.run and is_held(path)}
    found = []
    for path, _ in _leases():
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # it has just ended
        lease = _read(descriptor) if _seized(descriptor) else None
        ours = lease is not None and lease.run is not None and lease.is_of_this_machine
        if lease is None or not ours or lease.run in alive or os.fstat(descriptor).st_nlink == 0:
            os.close(descriptor)
        else:
            found.append(LeftBehind(lease, path, descriptor))
    return found


def taken_up() -> set[str]:
    """Killed runs that another run, alive or dead itself, takes up."""
    return {lease.resumes for _, lease in _leases() if lease and lease.resumes}


def _lease(purpose: str, run: str | None, resumes: str | None) -> Lease:
    now_ns = time.time_ns()
    return Lease(
        purpose=purpose,
        run=run,
        host=socket.gethostname(),
        boot=_boot(),
        pid=os.getpid(),
        process=_process(os.getpid()),
        began_at=datetime.fromtimestamp(now_ns / 1e9, UTC).isoformat(timespec="seconds"),
        began_ns=now_ns,
        began_up_s=_up_s(),
        folder=_folder(),
        resumes=resumes,
    )


def _written(name: str, lease: Lease) -> tuple[Lease, Path, int]:
    """A lease that nobody ever sees without its lock or its content."""
    path = leases_path() / f"{name}.json"
    if is_held(path):  # another process works on the same run, or did when it was paused
        path = path.with_name(f"{name}.{secrets.token_hex(4)}.json")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _fill(descriptor, lease)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return lease, path, descriptor


def _remove(path: Path, descriptor: int) -> None:
    """Take a lease away, unless somebody has written another one in its place."""
    with contextlib.suppress(OSError):
        if os.path.samestat(path.stat(), os.fstat(descriptor)):
            path.unlink()
    os.close(descriptor)


def _leases() -> Iterator[tuple[Path, Lease | None]]:
    """All that are there; None for what can't be read."""
    for path in sorted(leases_path().glob("*.json")):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError:
            content = b""
        yield path, _parsed(content)


def _seized(descriptor: int) -> bool:
    """Whether we have its lock now. Those who only look have it for microseconds."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_BETWEEN_LOOKS_S)
        else:
            return True
    return False


def _fill(descriptor: int, lease: Lease) -> None:
    content = lease.model_dump_json(indent=1).encode()
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _read(descriptor: int) -> Lease | None:
    try:
        return _parsed(os.pread(descriptor, 1 << 16, 0))
    except OSError:
        return None


def _parsed(content: bytes) -> Lease | None:
    try:
        return Lease.model_validate_json(content)
    except ValidationError:
        return None


def _folder() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # somebody deleted it: relative paths fail here too
        return "/"


def _up_s() -> float:
    """Seconds since the machine's start, time asleep included."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


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
