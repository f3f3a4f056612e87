"""What a run answers, on the command line (`--json`) and in Python."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from earwitness.errors import EarwitnessError, ExitCode
from earwitness.schema import SCHEMA_VERSION, Record


class Outcome(StrEnum):
    """How a recording ended. Only bugs raise."""

    DONE = "done"
    PARTIAL = "partial"
    """A bundle was published, but a stage failed for good; `warnings` says what is missing."""
    SKIPPED = "skipped"
    """Nothing was to be done: a dry run."""
    DUPLICATE = "duplicate"
    """The same content was handed in already."""
    QUARANTINED = "quarantined"
    """A dropped file that a person has to look at."""
    FAILED = "failed"
    """No bundle; `error` says why."""


class StageRun(Record):
    """What happened to one stage in this run."""

    state: Literal["computed", "cached", "skipped", "failed"]
    seconds: float = Field(ge=0, description="work done in this run; 0 when the answer was there already")


class ErrorInfo(Record):
    """An error as data."""

    code: str
    message: str
    remedy: str = ""
    exit_code: int = Field(default=int(ExitCode.BUG), description="what the command line returns for it")

    @classmethod
    def of(cls, error: EarwitnessError) -> "ErrorInfo":
        """From an exception."""
        return cls(code=error.code, message=error.message, remedy=error.remedy, exit_code=int(error.exit_code))


class StageCost(Record):
    """What a paid service will ask for one stage; dollars, null where its price is not known."""

    stage: str
    model: str
    low_usd: float | None = Field(ge=0)
    likely_usd: float | None = Field(ge=0)
    high_usd: float | None = Field(ge=0)
    basis: str


class Estimate(Record):
    """What a run would take, by a dry run."""

    seconds: float = Field(ge=0, description="wall time on this machine, roughly")
    storage_bytes: int = Field(ge=0, description="bundle and checkpoints together, roughly")
    cost_usd: float = Field(ge=0, description="likely; what has no known price is not in it")
    cost_low_usd: float = Field(default=0.0, ge=0)
    cost_high_usd: float = Field(default=0.0, ge=0)
    costs: list[StageCost] = Field(default_factory=list, description="by stage; empty: nothing is paid for")
    basis: str = Field(description="where the figures come from")


class RunResult(Record):
    """One object a recording."""

    schema_version: str = SCHEMA_VERSION
    outcome: Outcome
    recording_id: str | None = Field(default=None, description="None when the file could not be read")
    source: str = Field(description="the path as it was given")
    bundle: Path | None = Field(default=None, description="folder with everything that was made")
    profile: str
    duration_s: float | None = None
    seconds: float = Field(ge=0, description="wall time of this run")
    cost_usd: float = Field(default=0.0, ge=0)
    speakers: int | None = Field(default=None, description="how many; None when unknown")
    names: list[str] = Field(default_factory=list, description="of the speakers, as published")
    engines: dict[str, str] = Field(default_factory=dict, description="stage → engine")
    stages: dict[str, StageRun] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    changed: dict[str, int] | None = Field(
        default=None,
        exclude_if=lambda changed: changed is None,
        description="how many lines notes.json has of each kind of change since earlier recordings",
    )
    estimate: Estimate | None = Field(default=None, description="dry runs only")
    error: ErrorInfo | None = None

    @property
    def exit_code(self) -> ExitCode:
        """What the command line returns for this recording."""
        if self.outcome is Outcome.PARTIAL:
            return ExitCode.PARTIAL
        return ExitCode(self.error.exit_code) if self.error else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return self.model_dump(mode="json")
