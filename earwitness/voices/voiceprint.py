"""What is kept of an enrolled voice: an embedding, and under which conditions it may be used.

A voice print is biometric data: it never leaves `EARWITNESS_HOME`, and is neither logged nor shown.
"""

import base64
import hashlib
from datetime import date
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from earwitness.schema import SCHEMA_VERSION, Record
from earwitness.speech.voice_encoder import DIMENSIONS, Vectors


class VoicePrint(Record):
    """One person's voice as one encoder hears it."""

    schema_version: str = SCHEMA_VERSION
    name: str = Field(min_length=1, max_length=200)
    encoder: str = Field(description="which encoder, version and method: prints of another are never compared")
    embedding: str = Field(repr=False, description="base64 of 256 little-endian float32, unit length")
    speech_s: float = Field(gt=0, description="speech that it was made of")
    samples: int = Field(ge=1, description="recordings that it was made of")
    consent: str = Field(default="", max_length=2_000, description="what the person agreed to, when, to whom")
    scope: str | None = Field(default=None, min_length=1, max_length=200, description="only for runs with this scope")
    expires: date | None = Field(default=None, description="the last day (UTC) on which it is used")
    added: date = Field(description="UTC")

    @model_validator(mode="after")
    def _is_a_vector(self) -> Self:
        if len(base64.b64decode(self.embedding, validate=True)) != 4 * DIMENSIONS:
            raise ValueError(f"the embedding does not hold {DIMENSIONS} numbers")
        return self

    @property
    def vector(self) -> Vectors:
        """float32, shape (256,), unit length."""
        return np.frombuffer(base64.b64decode(self.embedding), "<f4").astype(np.float32)

    def expired(self, today: date) -> bool:
        """Whether it may not be used any more."""
        return self.expires is not None and today > self.expires

    def used_in(self, scope: str | None) -> bool:
        """Whether a run with this scope may use it; upper and lower case alike."""
        return self.scope is None or (scope is not None and self.scope.casefold() == scope.casefold())


def packed(vector: Vectors) -> str:
    """An embedding as a print holds it."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def trace_of(name: str) -> str:
    """What marks the checkpoints in which somebody is named by voice: 8 hex digits, upper and lower case alike."""
    return _digest(name)[:8]


def file_of(name: str) -> str:
    """The file that a person's print lies in."""
    return f"{_digest(name)[:24]}.json"


def _digest(name: str) -> str:
    return hashlib.sha256(name.casefold().encode()).hexdigest()
