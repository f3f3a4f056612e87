"""What makes a library function a stage: a Prefect task with a checkpoint, retries and a clock."""

import functools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.states import get_state_exception
from prefect.tasks import exponential_backoff

from earwitness.errors import Transient
from earwitness.home import checkpoints_path
from earwitness.options import Limits
from earwitness.schema import Provenance, StageResult
from tasks.checkpoints import CheckpointSerializer, StageKey, local_policy

P = ParamSpec("P")
R = TypeVar("R", bound=StageResult)

HOUR_MS = 3_600_000


def stage(name: str, *, version: str, unkeyed: tuple[str, ...] = ()) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a stage of a function.

    Args:
        name: as users know it; also the task's name in Prefect.
        version: raise it when the same inputs give another answer.
        unkeyed: inputs that must not decide whether an earlier answer still holds.
    """

    def wrap(function: Callable[P, R]) -> Task[P, R]:
        @functools.wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            started, clock = datetime.now(UTC), time.perf_counter()
            result = function(*args, **kwargs)
            provenance = Provenance(
                started_at=started.isoformat(timespec="seconds"), seconds=round(time.perf_counter() - clock, 3)
            )
            return result.sealed(provenance)

        return task(
            name=name,
            task_run_name=name,
            cache_policy=StageKey(stage=name, version=version, unkeyed=frozenset(unkeyed)),
            persist_result=True,
            result_serializer=CheckpointSerializer(),
            cache_result_in_memory=False,
        )(timed)

    return wrap


def on_this_machine(stage_task: Task[P, R], limits: Limits) -> Task[P, R]:
    """The stage with this machine's folders and the user's retries: read now, never at import."""
    policy = stage_task.cache_policy
    assert isinstance(policy, StageKey)
    return stage_task.with_options(
        cache_policy=local_policy(policy),
        result_storage=_folder(),
        retries=limits.retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=limits.retry_delay_s),
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
    )


def _folder() -> Any:
    folder = checkpoints_path()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def is_transient(_task: Task[..., Any], _run: Any, state: State[Any]) -> bool:
    """Whether a failure is worth another try: decided by its class, never by its text."""
    return isinstance(failure_of(state), Transient)


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
