"""Prefect's cache as checkpoints: what decides a key, and locks that a kill frees."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.filesystems import LocalFileSystem
from prefect.locking.protocol import LockManager
from prefect.transactions import IsolationLevel
from prefect.utilities.annotations import opaque, quote
from pydantic import BaseModel

from earwitness.archive.findings import Findings
from earwitness.engines.engine import EngineUse
from earwitness.home import checkpoints_path, locks_path
from earwitness.interrupt import stop_if_interrupted
from earwitness.schema import StageResult, digest_of
from earwitness.settings import StageSettings
from earwitness.storage.checkpoints import read_checkpoint
from earwitness.storage.locks import POLL_S, FileLocks
from earwitness.storage.sharing import keep_checkpoint
from earwitness.storage.store import FileRef
from earwitness.voices.forget import marked
from earwitness.voices.identify import VoiceDoubt
from earwitness.words.cast import Speaker


@dataclass
class StageKey(CachePolicy):
    """Key of a stage: its name and version, and the content of the inputs that matter, nothing else.

    Inputs named in `unkeyed` (paths, time limits) have no say. Those named in `optional` came later than checkpoints
    that are still of use: where one is None, the key is what it was without it. An engine counts with its name,
    version and model; a file with its digest; an upstream result with its content, times apart.
    """

    stage: str = ""
    version: str = ""
    unkeyed: frozenset[str] = field(default_factory=frozenset)
    optional: frozenset[str] = field(default_factory=frozenset)

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """A file name without dots or slashes, which Prefect's stores would misread.

        It is marked for everybody whom the stage will name by voice, so that forgetting a voice finds it.
        """
        body = {name: content_of(value) for name, value in inputs.items() if name not in self.unkeyed}
        body = {name: value for name, value in body.items() if value is not None or name not in self.optional}
        return marked(self.stage, digest_of([self.stage, self.version, body]), _voices_behind(list(inputs.values())))


def _voices_behind(value: Any) -> set[str]:
    """Traces of the people whom an input names or suspects by voice."""
    match value:
        case opaque() | quote():
            return _voices_behind(value.unwrap())
        case Speaker():
            return {value.trace} if value.trace else set()
        case VoiceDoubt():
            return set(value.traces)
        case Findings():
            return _voices_behind([*value.speakers, *value.voice_doubts])
        case list() | tuple():
            return {trace for item in value for trace in _voices_behind(item)}
        case _:
            return set()


def content_of(value: Any) -> Any:
    """What of an input decides the answer, as plain values."""
    match value:
        case opaque() | quote():
            return content_of(value.unwrap())
        case EngineUse():
            return value.key()
        case FileRef():
            return value.sha256
        case StageResult():
            return value.digest()
        case Findings():
            return digest_of(value.digest_parts())
        case StageSettings():
            # which engine was asked for does not matter, only which one was taken: that is an input of its own
            keyed = value.model_dump(mode="json", exclude={"engine", *value.UNKEYED})
            return {name: item for name, item in keyed.items() if name not in value.ADDED or item != value.ADDED[name]}
        case BaseModel():
            return value.model_dump(mode="json")
        case dict():
            return {str(key): content_of(item) for key, item in value.items()}
        case list() | tuple():
            return [content_of(item) for item in value]
        case Path():
            raise TypeError(f"a path ({value}) must not decide a checkpoint's key")
        case _:
            return value


class KernelLocks(LockManager):
    """Prefect's lock protocol on `flock(2)`. The stock file locks hang for ever after a kill -9."""

    def __init__(self, folder: Path) -> None:
        self._locks = FileLocks(folder)

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Wait for the lock; `hold_timeout` is not needed, since the kernel frees the lock of a dead holder."""
        return _poll(lambda: self._locks.try_acquire(key, holder), acquire_timeout)

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """As `acquire_lock`, without blocking the event loop."""
        return await asyncio.to_thread(self.acquire_lock, key, holder, acquire_timeout)

    def release_lock(self, key: str, holder: str) -> None:
        """Give the lock back; ValueError if `holder` does not have it."""
        self._locks.release(key, holder)

    def is_locked(self, key: str) -> bool:
        """Whether anybody has it."""
        return not self._locks.is_free(key)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether `holder` has it."""
        return self._locks.holds(key, holder)

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody has it."""
        return _poll(lambda: self._locks.is_free(key), timeout)

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """As `wait_for_lock`, without blocking the event loop."""
        return await asyncio.to_thread(self.wait_for_lock, key, timeout)


def _poll(attempt: Any, timeout: float | None) -> bool:
    deadline = None if timeout is None else time.monotonic() + timeout
    while not attempt():
        stop_if_interrupted()
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


class Checkpoints(LocalFileSystem):
    """Where Prefect keeps the results of stages: this machine's folder, and the shared store beside it.

    Prefect's own local storage writes in place (a kill leaves half a file) and knows nothing of leases; its remote
    one can't be used without registering a block on a server.
    """

    _block_type_name = "Earwitness checkpoints"

    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override]
        """A result; whatever this raises counts as a miss."""
        return read_checkpoint(self._key(path))

    async def aread_path(self, path: str) -> bytes:
        """As `read_path`, without blocking the event loop."""
        return await asyncio.to_thread(self.read_path, path)

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> str:  # type: ignore[override]
        """Write a result, whole or not at all."""
        keep_checkpoint(self._key(path), content)
        return path

    async def awrite_path(self, path: str, content: bytes) -> str:
        """As `write_path`, without blocking the event loop."""
        return await asyncio.to_thread(self.write_path, path, content)

    def _key(self, path: str) -> str:
        return str(self._resolve_path(path).relative_to(checkpoints_path().resolve()))


def key_of(state: State[Any]) -> str | None:
    """The key of the checkpoint behind a completed stage, if there is one."""
    metadata = getattr(state.data, "metadata", None)  # of a ResultRecord, which Prefect keeps to itself
    place = getattr(metadata, "storage_key", None)
    return Path(place).name if place else None


def local_checkpoints() -> Checkpoints:
    """The checkpoints of this machine: read now, never at import."""
    checkpoints_path().mkdir(parents=True, exist_ok=True)
    return Checkpoints(basepath=str(checkpoints_path()))


def local_policy(policy: StageKey) -> CachePolicy:
    """The policy with this machine's locks: two runs of one recording compute each stage once."""
    return policy.configure(lock_manager=KernelLocks(locks_path()), isolation_level=IsolationLevel.SERIALIZABLE)
