"""The base of everything that is stored, cached or published."""

import hashlib
import json
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from earwitness.errors import DamagedFile

SCHEMA_VERSION = "1.0"


def is_readable(version: str) -> bool:
    """Whether what was written with this schema version can be read here: its first number is ours."""
    return version.split(".")[0] == SCHEMA_VERSION.split(".")[0]


class Record(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(Record):
    """When and how long a stage ran. Never part of a digest: it differs from run to run."""

    started_at: str = Field(description="UTC, ISO 8601, whole seconds")
    seconds: float = Field(ge=0, description="wall time of the stage")


class Receipt(Record):
    """What a service was paid for the answers that a stage used, whenever that was."""

    stage: str
    service: str
    model: str
    calls: int = Field(default=1, ge=0)
    cost_usd: float | None = Field(ge=0, description="null: the price is not known")
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    audio_s: float = Field(default=0.0, ge=0, description="sound that was sent")


class StageResult(Record):
    """What a stage returns: small, typed, deterministic apart from `provenance`.

    A sealed result carries a checksum of itself, so that loading a checkpoint with a flipped bit fails even where
    the altered values would still be valid.
    """

    volatile: ClassVar[frozenset[str]] = frozenset({"provenance", "seal", "receipts"})

    warnings: list[str] = Field(default_factory=list, description="what the user should know about this result")
    receipts: list[Receipt] = Field(
        default_factory=list, exclude_if=lambda receipts: not receipts, description="what paid services cost"
    )
    provenance: Provenance | None = None
    seal: str | None = Field(default=None, description="SHA-256 over everything else, while it is a checkpoint")

    def digest(self) -> str:
        """SHA-256 of the content, provenance apart: equal outputs have equal digests."""
        return digest_of(self.model_dump(mode="json", exclude=set(self.volatile)))

    def sealed(self, provenance: Provenance) -> Self:
        """A copy that knows when it was made, and notices when it was altered."""
        stamped = self.model_copy(update={"provenance": provenance, "seal": None})
        return stamped.model_copy(update={"seal": stamped._checksum()})

    def _checksum(self) -> str:
        return digest_of(self.model_dump(mode="json", exclude={"seal"}))

    @model_validator(mode="after")
    def _unaltered(self) -> Self:
        if self.seal is not None and self.seal != self._checksum():
            raise DamagedFile(f"this {type(self).__name__} was altered after it was stored")
        return self


def digest_of(value: Any) -> str:
    """SHA-256 over canonical JSON of plain values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
