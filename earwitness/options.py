"""One model of every option of a run: the Python API, the command line, the Prefect form and job files read this."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from earwitness.corrections.corrections import Corrections
from earwitness.errors import UsageError
from earwitness.memory.settings import MemorySettings
from earwitness.money.budget import Budget
from earwitness.settings import (
    AlignSettings,
    ClipSettings,
    DiarizeSettings,
    Limits,
    ListenSettings,
    PreprocessSettings,
    PublishSettings,
    ShowSettings,
    SummarizeSettings,
    TranscribeSettings,
    ValidateSettings,
    VoiceSettings,
)
from earwitness.spans import parse_slice


class Profile(StrEnum):
    """What the recording is, and so what should come out of it."""

    TABLETOP = "tabletop"
    """A session of a role-playing game: recap, story, characters, game master."""
    PODCAST = "podcast"
    """An episode: clips first, show notes, chapters."""
    ARCHIVE = "archive"
    """An oral-history or heritage recording: abstract, subjects, fixity."""
    WORKPLACE = "workplace"
    """A meeting or a day of interactions: decisions and action items."""


class RunOptions(BaseModel):
    """Everything a run can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    profile: Profile = Field(default=Profile.TABLETOP, description="what kind of recording it is")
    out: Path = Field(default=Path("earwitness-out"), description="folder that bundles are written to")
    cast: Path | None = Field(default=None, description="cast file (YAML or TOML): people, characters, roles")
    transcript: Path | None = Field(default=None, description="a transcript of the recording, aligned to it")
    corrections: Corrections | Path | None = Field(
        default=None, description="what a person put right, all of it (corrections.json); empty: what the bundle holds"
    )
    speakers: int | None = Field(default=None, ge=1, le=50, description="exact number of speakers, if known")
    min_speakers: int | None = Field(default=None, ge=1, le=50, description="at least this many speakers")
    max_speakers: int | None = Field(default=None, ge=1, le=50, description="at most this many speakers")
    tracks: Literal["auto", "mixed", "speakers", "channels"] = Field(
        default="auto",
        description="speakers: one file a speaker, in a zip or folder; channels: one channel a speaker; mixed: all "
        "speakers in one sound; auto: speakers for a zip of sound files, else mixed",
    )
    slice: str | None = Field(default=None, description="only this part, e.g. 10:00-12:00")
    dry_run: bool = Field(default=False, description="check the recording, estimate time, storage and cost, and stop")
    validate_: ValidateSettings = Field(
        default_factory=ValidateSettings,
        validation_alias=AliasChoices("validate", "validate_"),
        serialization_alias="validate",
        description="reading and measuring",
    )
    preprocess: PreprocessSettings = Field(default_factory=PreprocessSettings, description="the engines' copy")
    listen: ListenSettings = Field(default_factory=ListenSettings, description="the people's copy")
    diarize: DiarizeSettings = Field(default_factory=DiarizeSettings, description="who speaks when")
    transcribe: TranscribeSettings = Field(default_factory=TranscribeSettings, description="what is said")
    align: AlignSettings = Field(default_factory=AlignSettings, description="when each word is said")
    voices: VoiceSettings = Field(default_factory=VoiceSettings, description="who is named by voice")
    summarize: SummarizeSettings = Field(default_factory=SummarizeSettings, description="the notes")
    memory: MemorySettings = Field(default_factory=MemorySettings, description="what is remembered")
    clip: ClipSettings = Field(default_factory=ClipSettings, description="the clips")
    show: ShowSettings = Field(default_factory=ShowSettings, description="the episode")
    publish: PublishSettings = Field(default_factory=PublishSettings, description="the bundle")
    budget: Budget = Field(default_factory=Budget, description="what paid services may cost")
    limits: Limits = Field(default_factory=Limits, description="time limits and retries of every stage")

    @field_validator("slice")
    @classmethod
    def _slice_is_readable(cls, value: str | None) -> str | None:
        if value is not None:
            parse_slice(value)
        return value

    @model_validator(mode="after")
    def _counts_agree(self) -> "RunOptions":
        low, exact, high = self.min_speakers, self.speakers, self.max_speakers
        if exact is not None and (low is not None or high is not None):
            raise ValueError("give either an exact number of speakers or a minimum and maximum, not both")
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_speakers ({low}) is more than max_speakers ({high})")
        return self

    def retries_of(self, stage: str) -> int:
        """How often a stage is tried again after a transient failure."""
        own: int | None = getattr(getattr(self, "validate_" if stage == "validate" else stage, None), "retries", None)
        return self.limits.retries if own is None else own


def read_options(values: Mapping[str, Any]) -> RunOptions:
    """Options from plain values, as the API, the command line and job files give them.

    Raises:
        UsageError: unknown or unacceptable options, each with what is allowed.
    """
    try:
        return RunOptions.model_validate(dict(values))
    except ValidationError as error:
        findings = [_explain(item) for item in error.errors()]
        raise UsageError("; ".join(findings) + ".", "See earwitness run --help and docs/options.md.") from error


def _explain(item: ErrorDetails) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "options"
    if item["type"] == "extra_forbidden":
        return f"unknown option {where}; known there: {', '.join(_known_beside(item['loc']))}"
    return f"{where} = {item['input']!r}: {item['msg'].removeprefix('Value error, ')}"


def _known_beside(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = RunOptions
    for part in loc[:-1]:
        field = model.model_fields.get("validate_" if part == "validate" else str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            break
        model = field.annotation
    return sorted("validate" if name == "validate_" else name for name in model.model_fields)
