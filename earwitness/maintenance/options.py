"""Looking after the house: what `earwitness maintain` and the scheduled flow do, and what they say of it."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from earwitness.options import RunOptions
from earwitness.schema import Record


class MaintainOptions(BaseModel):
    """How maintenance is done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resume: int = Field(
        default=0, ge=0, le=10, description="how often a killed run is started again; 0: it is only reported"
    )
    here: bool = Field(
        default=False,
        description="start killed runs that belong to no deployment again too, in this process, one after the other",
    )
    silent_s: float = Field(
        default=900,
        ge=0,
        description="a run on another machine counts as dead when its heartbeats (every 180 s) have stopped this long",
    )
    pending_s: float = Field(
        default=3600, ge=0, description="a run on another machine that has not started for so long counts as dead"
    )
    pending_before: datetime | None = Field(
        default=None,
        description="a run that was handed to a worker before this moment and has not started counts as dead at once; "
        "set by earwitness up when it starts the worker anew",
    )
    clean_after_days: float | None = Field(
        default=None,
        ge=0,
        description="finished stages that were not used for so long are removed, those of bundles that are still there "
        "excepted; empty: only leftovers of dead processes are",
    )


class StepReport(Record):
    """What one step of maintenance did."""

    step: str
    done: list[str] = Field(default_factory=list, description="one line a thing that was done")
    mind: list[str] = Field(default_factory=list, description="what a person should know")
    failed: str = Field(default="", description="why the step could not be done; empty: it was")


def from_folder(folder: str, path: str | Path) -> Path:
    """A path as it was meant by a process that worked in `folder`."""
    return Path(folder) / Path(path).expanduser()


def options_from_folder(folder: str, options: RunOptions) -> RunOptions:
    """Options as they were meant by a process that worked in `folder`."""
    paths = {name: value for name, value in options if isinstance(value, Path)}
    return options.model_copy(update={name: from_folder(folder, path) for name, path in paths.items()})
