"""The base of everything that is stored, cached or published."""

import hashlib
import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1.0"


class Record(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Provenance(Record):
    """When and how long a stage ran. Never part of a digest: it differs from run to run."""

    started_at: str = Field(description="UTC, ISO 8601, whole seconds")
    seconds: float = Field(ge=0, description="wall time of the stage")


class StageResult(Record):
    """What a stage returns: small, typed, deterministic apart from `provenance`."""

    volatile: ClassVar[frozenset[str]] = frozenset({"provenance"})

    warnings: list[str] = Field(default_factory=list, description="what the user should know about this result")
    provenance: Provenance | None = None

    def digest(self) -> str:
        """SHA-256 of the content, provenance apart: equal outputs have equal digests."""
        return digest_of(self.model_dump(mode="json", exclude=set(self.volatile)))


def digest_of(value: Any) -> str:
    """SHA-256 over canonical JSON of plain values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
