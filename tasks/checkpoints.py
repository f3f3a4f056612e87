"""Prefect's cache as checkpoints: what decides a key, and locks that a kill frees."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.locking.protocol import LockManager
from prefect.serializers import JSONSerializer
from prefect.transactions import IsolationLevel
from prefect.utilities.annotations import opaque, quote
from pydantic import BaseModel, Field, ValidationError

from earwitness.alerts.alert import corruption_found
from earwitness.alerts.tell import raise_alert
from earwitness.archive.findings import Findings
from earwitness.engines.engine import EngineUse
from earwitness.errors import DamagedFile, MissingFile
from earwitness.home import home, locks_path
from earwitness.options import StageSettings
from earwitness.schema import StageResult, digest_of
from earwitness.storage.locks import POLL_S, FileLocks
from earwitness.storage.store import FileRef

log = logging.getLogger(__name__)


@dataclass
class StageKey(CachePolicy):
    """Key of a stage: its name and version, and the content of the inputs that matter, nothing else.

    Inputs named in `unkeyed` (paths, time limits) have no say. An engine counts with its name, version and model; a
    file with its digest; an upstream result with its content, times apart.
    """

    stage: str = ""
    version: str = ""
    unkeyed: frozenset[str] = field(default_factory=frozenset)

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """A file name without dots or slashes, which Prefect's stores would misread."""
        body = {name: content_of(value) for name, value in inputs.items() if name not in self.unkeyed}
        return f"{self.stage}-{digest_of([self.stage, self.version, body])}"


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
            return value.model_dump(mode="json", exclude={"engine"})
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


class CheckpointSerializer(JSONSerializer):
    """Prefect's JSON, but a checkpoint that was altered does not pass for a missing one: people are told."""

    type: str = Field(default="earwitness-json", frozen=True)

    def loads(self, blob: bytes) -> Any:
        """As Prefect, which takes any error for a missing checkpoint and computes the stage again."""
        try:
            return super().loads(blob)
        except ValidationError as error:
            for item in error.errors(include_url=False):
                found = item.get("ctx", {}).get("error")
                if isinstance(found, DamagedFile) and not isinstance(found, MissingFile):
                    log.warning("%s: computed again", found)
                    raise_alert(corruption_found(f"{str(found)[:1].upper()}{str(found)[1:]}.", where=str(home())))
            raise


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
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


def local_policy(policy: StageKey) -> CachePolicy:
    """The policy with this machine's locks: two runs of one recording compute each stage once."""
    return policy.configure(lock_manager=KernelLocks(locks_path()), isolation_level=IsolationLevel.SERIALIZABLE)
