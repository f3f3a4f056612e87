"""What a run is told about remembering."""

from pydantic import BaseModel, ConfigDict, Field


class MemorySettings(BaseModel):
    """Remembering a campaign, show or collection from one recording to the next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="campaign, show or collection that the recording belongs to: its notes say what changed since the "
        "ones before; empty: nothing is remembered",
    )
    number: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="number of the recording in the scope; empty: after those that were run before it",
    )
