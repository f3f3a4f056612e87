"""One recording on its way through the stages: what was computed, what failed, what comes of it."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Generic, Literal, ParamSpec, Self, TypeVar
from uuid import UUID

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.utilities.annotations import opaque

from earwitness import __version__
from earwitness.archive.findings import Missing
from earwitness.engines.engine import EngineUse
from earwitness.errors import (
    BudgetExceeded,
    ContractBroken,
    EarwitnessError,
    EngineFailed,
    EngineUnavailable,
    ExitCode,
    Interrupted,
    PriceUnknown,
    RecordingGone,
    ServerUnavailable,
    ServiceUnavailable,
    StorageError,
    UsageError,
)
from earwitness.home import store_path
from earwitness.interrupt import Interruption, current_interruption, interrupt_once_more
from earwitness.job import Job
from earwitness.money.budget import machine_limits
from earwitness.money.cheaper import cheaper, why_not
from earwitness.money.paying import PAID, current_account, open_account, spent_on
from earwitness.options import RunOptions
from earwitness.result import ErrorInfo, Estimate, Outcome, RunResult, StageRun
from earwitness.schema import StageResult
from earwitness.storage.clean import sweep_scratch
from earwitness.storage.needed import note_needs
from earwitness.storage.room import need_room
from earwitness.storage.sharing import waiting
from earwitness.storage.store import disk_trouble
from tasks.alerting import tell_of_room
from tasks.checkpoints import key_of
from tasks.lease import need_lease
from tasks.progress import StageEvent, current_recording, tell
from tasks.stage import failure_of, on_this_machine
from tasks.transcribe import vocabulary_for

log = logging.getLogger(__name__)

_ORDER = (
    "validate",
    "preprocess",
    "listen",
    "diarize",
    "transcribe",
    "align",
    "summarize",
    "rank",
    "clip",
    "show",
    "publish",
)
READING = ("validate", "listen")
"""Stages that read the recording itself; all others work on what these two and the store hold."""

P = ParamSpec("P")
R = TypeVar("R", bound=StageResult)


_NOT_ASKED = (ServiceUnavailable, EngineUnavailable, EngineFailed)
"""What a chat model that should put clips in order fails with."""
_LOOK_S = 1.0
_said: dict[UUID, RunResult] = {}


def said_by(flow_run_id: UUID | None) -> RunResult | None:
    """What a run of this process came to, told once."""
    return None if flow_run_id is None else _said.pop(flow_run_id, None)


@dataclass(frozen=True)
class Pending(Generic[R]):
    """A stage that was started."""

    stage: str
    future: PrefectFuture[R]
    ended: Event
    again: Callable[[dict[str, Any]], "Pending[R]"]
    """Starts it once more, with other inputs in place of some."""
    inputs: dict[str, Any]


class Run:
    """Starts stages, keeps the score, and turns what happened into a `RunResult`.

    As a context manager it ends the recipe at the first expected error and keeps it as the outcome; bugs pass through.
    """

    def __init__(self, path: Path, options: RunOptions) -> None:
        self.path = path
        self.options = options
        self.job: Job | None = None
        self.engines: dict[str, EngineUse] = {}
        self.stages: dict[str, StageRun] = {}
        self.missing: list[Missing] = []
        self.warnings: list[str] = []
        self.bundle: Path | None = None
        self.duration_ms: int | None = None
        self.names: list[str] | None = None
        self.estimate: Estimate | None = None
        self.changed: dict[str, int] | None = None
        self.error: EarwitnessError | None = None
        self._clock = time.perf_counter()
        self._keys: set[str] = set()
        self._interruption = Interruption()
        self._parts = ExitStack()
        current_recording.set(path.name)
        self._account = open_account(run=_run_id())
        self._pays = False

    def __enter__(self) -> Self:
        if whole := current_interruption.get():  # of the batch that this is a part of
            self._parts.enter_context(whole.stopping(self._interruption.happen))
        self._before = current_interruption.set(self._interruption)
        self._account_before = current_account.set(self._account)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False] | bool:
        current_interruption.reset(self._before)
        current_account.reset(self._account_before)
        self._parts.close()
        if error is not None and not isinstance(error, Exception):  # Ctrl-C, SIGTERM, a cancelled run
            self._interruption.happen()
        if isinstance(error, OSError):
            error = disk_trouble(error) or error
        if isinstance(error, EarwitnessError):
            log.error("%s: %s", self.path.name, error)
            self.error = error
            return True
        return False

    def begin(self, job: Job) -> Job:
        """Take over what was planned; from now on nobody cleans away what the run uses.

        Raises:
            StorageError: there is too little room to begin with.
        """
        self.job = job
        self.options = job.options
        self.engines.update(job.engines)
        self._account = open_account(
            run=self._account.spender.run,
            recording=job.recording_id,
            profile=job.options.profile.value,
            budget=job.options.budget,
        )
        current_account.set(self._account)
        self._pays = any(engine.name in PAID for engine in job.engines.values())
        machine_limits()  # a mistake in them is told now
        need_lease()
        sweep_scratch()
        tell_of_room(store_path(), self.options.out)
        need_room(0, self.options.out, self.options.limits.min_free_gb)
        return job

    def expect(self, forecast: Estimate) -> None:
        """Refuse now what would fail for want of room in an hour.

        Raises:
            StorageError: there is too little room for what will be made.
        """
        need_room(forecast.storage_bytes, self.options.out, self.options.limits.min_free_gb)

    def use(self, stage: str, engine: EngineUse) -> EngineUse:
        """Note an engine that could only be chosen on the way."""
        self.engines[stage] = engine
        return engine

    def engines_in_order(self) -> dict[str, EngineUse]:
        """As the work goes on, whenever they were chosen."""
        return dict(sorted(self.engines.items(), key=lambda item: _ORDER.index(item[0])))

    def start(self, stage_task: Task[P, R], /, *args: P.args, **inputs: P.kwargs) -> Pending[R]:
        """Start a stage beside others; its inputs decide its checkpoint."""
        name = stage_task.name
        tell(StageEvent(self.path.name, name, "started"))
        # opaque: Prefect would otherwise walk through every turn and segment in search of futures
        hidden: dict[str, Any] = {key: opaque(value) for key, value in inputs.items()}
        here = on_this_machine(stage_task, self.options.limits, self.options.retries_of(name))
        submit: Callable[..., PrefectFuture[R]] = here.submit
        again = partial(self._again, stage_task, args, inputs)
        pending = Pending(name, submit(*args, **hidden), Event(), again, dict(inputs))
        pending.future.add_done_callback(lambda _: pending.ended.set())
        return pending

    def _again(
        self, stage_task: Task[..., R], args: tuple[Any, ...], inputs: dict[str, Any], other: dict[str, Any]
    ) -> Pending[R]:
        return self.start(stage_task, *args, **{**inputs, **other})

    def take(self, pending: Pending[R]) -> R:
        """Wait for a stage that the rest can't do without.

        Raises:
            EarwitnessError: what the stage failed with.
        """
        while not pending.ended.wait(_LOOK_S):
            interrupt_once_more()
        pending.future.wait()
        state = pending.future.state
        if not state.is_completed():
            self._ended(pending.stage, "failed", 0.0)
            raise self._explained(pending.stage, failure_of(state))
        result: R = pending.future.result()
        if key := key_of(state):
            self._keys.add(key)
        if state.name == "Cached":
            self._ended(pending.stage, "cached", 0.0)
        else:
            self._ended(pending.stage, "computed", result.provenance.seconds if result.provenance else 0.0)
        self.warnings.extend(warning for warning in result.warnings if warning not in self.warnings)
        return result

    def _explained(self, stage: str, error: BaseException) -> BaseException:
        """Why a stage that has nothing to read was run at all."""
        if self.job is None or self.job.found or stage not in READING or not isinstance(error, EarwitnessError):
            return error
        return UsageError(
            f"The checkpoint of {stage} is gone, and the recording {self.job.source_name} is not where it was.",
            "Say where it is: earwitness fix BUNDLE --recording PATH.",
        )

    def do(self, stage_task: Task[P, R], /, *args: P.args, **inputs: P.kwargs) -> R:
        """Start a stage and wait for it."""
        return self.take(self.start(stage_task, *args, **inputs))

    def hope(self, pending: Pending[R]) -> R | None:
        """Wait for a stage that the rest can do without: its failure is noted and costs nothing else.

        Clips that no model could rank are made in the order of their scores.

        Raises:
            ContractBroken: the stage gave wrong data, which says more about us than about the recording.
            StorageError: nothing else could be kept either.
            Interrupted: nobody wants the rest.
            ServerUnavailable: the stage did not get its turn, which says nothing about the recording.
            BudgetExceeded: there is no money for it, and it is not to be done for less: whoever pays has to say more.
                Notes alone are missing then: what was heard was paid for.
            EarwitnessError: a bundle is made anew that has what the stage makes: it must not lose that.
        """
        try:
            return self.take(pending)
        except (BudgetExceeded, PriceUnknown) as error:
            if pending.inputs.get("ranker"):
                return self.hope(self._unranked(pending, why_not(error)))
            if (less := self._for_less(pending, error)) is not None:
                return self.hope(less)
            if pending.stage != "summarize" or (self.job and self.job.settled):
                raise
            self._without(pending.stage, error)
            return None
        except RecordingGone as error:
            self.warnings.append(f"{error.message} They show a waveform. {error.remedy}")
            return self.hope(pending.again({"film": None}))
        except (ContractBroken, StorageError, ServerUnavailable, Interrupted):
            raise
        except EarwitnessError as error:
            if pending.inputs.get("ranker") and isinstance(error, _NOT_ASKED):
                return self.hope(self._unranked(pending, error.message))
            if self.job and pending.stage in self.job.settled:
                raise
            self._without(pending.stage, error)
            return None

    def _without(self, stage: str, error: EarwitnessError) -> None:
        log.warning("%s: %s failed: %s", self.path.name, stage, error)
        self.missing.append(Missing(stage=stage, code=error.code, message=error.message, remedy=error.remedy))

    def _for_less(self, pending: Pending[R], error: BudgetExceeded | PriceUnknown) -> Pending[R] | None:
        """The stage once more, by what the budget says to go on with; None where that is nothing."""
        found = cheaper(pending.inputs["settings"], self.engines[pending.stage], self.options.budget, error)
        if found is None:
            return None
        log.warning("%s: %s goes on with %s: %s", self.path.name, pending.stage, found.engine.name, error)
        self.warnings.append(f"{pending.stage} went on with {found.engine.name}: {found.engine.reason}.")
        self.use(pending.stage, found.engine)
        self.options = self.options.model_copy(update={pending.stage: found.settings})
        other: dict[str, Any] = {"settings": found.settings, "engine": found.engine}
        if "vocabulary" in pending.inputs:
            other["vocabulary"] = vocabulary_for(found.engine, self.job.cast if self.job else None)
        return pending.again(other)

    def _unranked(self, pending: Pending[R], why: str) -> Pending[R]:
        """The clips once more, in the order of their scores: the next run that can ask the model does."""
        log.warning("%s: no model puts the clips in order: %s", self.path.name, why)
        self.warnings.append(f"The clips are in the order of their scores: {why.rstrip('.')}.")
        self.use("rank", EngineUse(name="weights", version=__version__, degraded=True, reason=why))
        return pending.again({"ranker": None})

    def skip(self, *stages: str, because: str) -> None:
        """Note stages that have nothing to work on."""
        for stage in stages:
            self._ended(stage, "skipped", 0.0)
            self.missing.append(Missing(stage=stage, code="skipped", message=because))

    def _ended(self, stage: str, state: Literal["computed", "cached", "skipped", "failed"], seconds: float) -> None:
        self.stages[stage] = StageRun(state=state, seconds=seconds)
        tell(StageEvent(self.path.name, stage, "ended", 1.0, state))

    def lacks(self, parts: Sequence[Missing]) -> None:
        """Note what did not pass the checks before publishing.

        Raises:
            ContractBroken: a bundle is made anew: it must not lose what it has.
        """
        if parts and self.job and self.job.settled:
            raise ContractBroken(parts[0].message, f"The bundle is left as it was. {parts[0].remedy}")
        self.missing.extend(parts)

    def placed(self, bundle: Path, *, written: bool) -> None:
        """Note where the bundle lies and what it was made of; it counts as computed if anything had to be written."""
        self.bundle = bundle
        try:
            note_needs(bundle, self._keys)
        except StorageError as error:  # the bundle is there; only cleaning will not know what it was made of
            log.warning("%s: %s", self.path.name, error)
        if unshared := waiting():
            self.warnings.append(
                f"{len(unshared):,} finished stages lie on this machine only: the shared store could not be used. "
                "The next run that computes something, or earwitness maintain, brings them there."
            )
        if written and self.stages["publish"].state == "cached":
            self.stages["publish"] = StageRun(state="computed", seconds=0.0)

    def result(self) -> RunResult:
        """What to tell the user."""
        cost_usd, money = spent_on(self._account.spender.run) if self._pays else (0.0, [])
        return RunResult(
            outcome=self._outcome(),
            recording_id=self.job.recording_id if self.job else None,
            source=str(self.path),
            bundle=self.bundle,
            profile=self.options.profile.value,
            duration_s=None if self.duration_ms is None else self.duration_ms / 1000,
            seconds=round(time.perf_counter() - self._clock, 3),
            cost_usd=cost_usd,
            speakers=None if self.names is None else len(self.names),
            names=self.names or [],
            engines={stage: engine.name for stage, engine in self.engines_in_order().items()},
            stages=self.stages,
            warnings=[*self.warnings, *money, *(f"{part.stage} is missing: {part.message}" for part in self.missing)],
            changed=self.changed,
            estimate=self.estimate,
            error=self._error(),
        )

    def _outcome(self) -> Outcome:
        if self.error:
            return Outcome.FAILED
        if self.estimate:
            return Outcome.SKIPPED
        return Outcome.PARTIAL if self.missing else Outcome.DONE

    def _error(self) -> ErrorInfo | None:
        if self.error:
            return ErrorInfo.of(self.error)
        for part in self.missing:
            return ErrorInfo(code=part.code, message=part.message, remedy=part.remedy, exit_code=int(ExitCode.PARTIAL))
        return None

    def state(self) -> State[RunResult]:
        """The flow's final state; its data is the result, whatever the outcome."""
        result = self.result()
        if (context := FlowRunContext.get()) and context.flow_run:
            _said[context.flow_run.id] = result
        name, message = result.outcome.value.capitalize(), str(self.error or "; ".join(result.warnings) or "done")
        made: State[RunResult] = (Failed if self.error else Completed)(name=name, message=message, data=result)
        return made


def _run_id() -> str:
    context = FlowRunContext.get()
    return str(context.flow_run.id) if context and context.flow_run else ""
