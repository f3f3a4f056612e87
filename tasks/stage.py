"""What makes a library function a stage: a Prefect task with a checkpoint, retries and a clock."""

import functools
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.states import get_state_exception

from earwitness.errors import Transient
from earwitness.schema import Provenance, StageResult
from earwitness.settings import Limits
from earwitness.storage.remote import remote_store
from earwitness.storage.sharing import share_waiting
from earwitness.storage.store import disk_trouble
from tasks.checkpoints import StageKey, local_checkpoints, local_policy
from tasks.limits import slot_for

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R", bound=StageResult)

HOUR_MS = 3_600_000


def stage(
    name: str, *, version: str, unkeyed: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a stage of a function.

    Args:
        name: as users know it; also the task's name in Prefect.
        version: raise it when the same inputs give another answer.
        unkeyed: inputs that must not decide whether an earlier answer still holds.
        optional: inputs that decide it only where they are not None.
    """

    def wrap(function: Callable[P, R]) -> Task[P, R]:
        @functools.wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            if remote := remote_store():
                remote.check()  # there may be an answer that could not be read
                share_waiting()  # what can't be shared would be computed on other machines once more
            with slot_for(name):
                started, clock = datetime.now(UTC), time.perf_counter()
                try:
                    result = function(*args, **kwargs)
                except OSError as error:
                    if trouble := disk_trouble(error):
                        raise trouble from error
                    raise
                seconds = round(time.perf_counter() - clock, 3)
            return result.sealed(Provenance(started_at=started.isoformat(timespec="seconds"), seconds=seconds))

        return task(
            name=name,
            task_run_name=name,
            cache_policy=StageKey(
                stage=name, version=version, unkeyed=frozenset(unkeyed), optional=frozenset(optional)
            ),
            persist_result=True,
            result_serializer="json",
            cache_result_in_memory=False,
        )(timed)

    return wrap


def on_this_machine(stage_task: Task[P, R], limits: Limits, retries: int | None = None) -> Task[P, R]:
    """The stage with this machine's folders and the user's retries: read now, never at import.

    Args:
        stage_task: made by `stage`.
        limits: of every stage.
        retries: of this one, where it differs.
    """
    policy = stage_task.cache_policy
    assert isinstance(policy, StageKey)
    tries = limits.retries if retries is None else retries
    here = stage_task.with_options(
        cache_policy=local_policy(policy),
        retries=tries,
        retry_delay_seconds=[0.0] * tries,  # each is filled in when it is known
        retry_jitter_factor=0.0,  # it is in the pauses already
        retry_condition_fn=patience(limits),
    )
    # not through with_options: that takes saved blocks only, so that other processes can load them from the server;
    # ours needs nothing but the environment
    here.result_storage = local_checkpoints()
    return here


def patience(limits: Limits) -> Callable[[Task[..., Any], Any, State[Any]], bool]:
    """What decides whether a failed stage is tried again, and when: one for each stage of a run.

    The class of the failure decides, never its text. The pause doubles from try to try, give or take a half, and is at
    least what the error asks for. A try that would make the stage wait longer than `limits.retry_total_s` altogether
    is not made.
    """
    pauses: list[float] = []

    # Prefect takes a function here, and nothing else that can be called
    def another_try(stage_task: Task[..., Any], _run: Any, state: State[Any]) -> bool:
        error = failure_of(state)
        if not isinstance(error, Transient):
            return False
        pause_s = limits.retry_delay_s * 2 ** len(pauses) * random.uniform(0.5, 1.5)
        pause_s = max(pause_s, error.retry_after_s or 0.0)
        if sum(pauses) + pause_s > limits.retry_total_s:
            log.warning("%s is not tried again: that would mean to wait for another %.0f s", stage_task.name, pause_s)
            return False
        planned = stage_task.retry_delay_seconds
        assert isinstance(planned, list)
        planned[len(pauses)] = pause_s  # Prefect reads it as soon as this function says yes
        pauses.append(pause_s)
        return True

    return another_try


def failure_of(state: State[Any]) -> BaseException:
    """The exception behind a failed state."""
    found = get_state_exception(state)
    if isinstance(found, BaseException):
        return found
    raise TypeError("failures are looked at from threads without an event loop")


def attempt() -> int:
    """Which try of its stage the running task is: 1, 2, ..."""
    context = TaskRunContext.get()
    return context.task_run.run_count if context and context.task_run.run_count else 1


def time_limit_s(limits: Limits, duration_ms: int) -> float:
    """How long one try of a stage may take on a recording of this length."""
    return limits.min_timeout_s + limits.timeout_per_hour_s * duration_ms / HOUR_MS
