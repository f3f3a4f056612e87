"""Who the speakers are: people, aliases, characters, roles."""

from typing import Literal

from pydantic import Field

from earwitness.schema import Record


class CastMember(Record):
    """One person of a cast file."""

    person: str = Field(min_length=1, max_length=200)
    aliases: list[str] = Field(default_factory=list)
    character: str | None = None
    role: str | None = Field(default=None, description="e.g. game master, player, host, guest, interviewer, worker")
    speaker: str | None = Field(default=None, description="pin to a diarization label, e.g. SPEAKER_01")


class Cast(Record):
    """A cast file (YAML or TOML)."""

    campaign: str | None = None
    session: str | None = None
    members: list[CastMember] = Field(default_factory=list)
    complete: bool = Field(
        default=True, description="True: nobody else speaks, so the cast gives the number of speakers"
    )


class Speaker(Record):
    """A voice of this recording and who it is."""

    label: str = Field(description="SPEAKER_00, ...")
    name: str = Field(description="the person's name, or the label while unknown")
    character: str | None = None
    role: str | None = None
    named_by: Literal["transcript", "cast", "nobody"] = "nobody"
