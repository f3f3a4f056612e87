"""`corrections.json`: what a person put right. An input like the cast: kept in the bundle, applied after *align*."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from earwitness.errors import UsageError
from earwitness.schema import SCHEMA_VERSION, Record, is_readable

FILE = "corrections.json"
_LABEL = r"^SPEAKER_\d{2,}$"
_UTTERANCE = r"^u\d{4,}$"
Label = Annotated[str, Field(pattern=_LABEL)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
MAX_BYTES = 16 << 20
"""Some 100,000 edits."""


class WordEdit(Record):
    """Some words of an utterance, written differently. Found again by place and text, else by text and time."""

    kind: Literal["word"] = "word"
    utterance: str = Field(pattern=_UTTERANCE)
    word: int = Field(ge=1, description="place of the first of them in the utterance, from 1")
    was: str = Field(description="what stood there; empty: something was left out before this place")
    text: str = Field(max_length=20_000, description="what was said; empty: nothing")
    start_s: float = Field(ge=0, description="where that is in the recording")


class Replacement(Record):
    """A spelling, put right wherever it occurs as a whole word."""

    kind: Literal["replace"] = "replace"
    was: Name
    text: str = Field(max_length=200)


class SpeakerEdit(Record):
    """An utterance that somebody else says."""

    kind: Literal["speaker"] = "speaker"
    utterance: str = Field(pattern=_UTTERANCE)
    speaker: Label
    start_s: float = Field(ge=0, description="where it is in the recording")


class ClipEdges(Record):
    """A clip that begins and ends with other sentences than those it was chosen with."""

    was_start_s: float = Field(ge=0, description="where the clip that was chosen begins")
    was_end_s: float = Field(gt=0, description="where it ends")
    start_s: float = Field(ge=0, description="start of the first word it should have")
    end_s: float = Field(gt=0, description="end of the last word it should have")

    @model_validator(mode="after")
    def _forwards(self) -> "ClipEdges":
        if self.was_end_s <= self.was_start_s or self.end_s <= self.start_s:
            raise ValueError("a clip ends after it starts")
        return self


Edit = Annotated[WordEdit | Replacement | SpeakerEdit, Field(discriminator="kind")]


class Corrections(Record):
    """Everything that was put right in a recording."""

    schema_version: str = SCHEMA_VERSION
    names: dict[Label, Name] = Field(default_factory=dict, description="diarization label → who it is")
    merged: dict[Label, Label] = Field(
        default_factory=dict, description="diarization label → the label of the same person"
    )
    edits: list[Edit] = Field(default_factory=list, description="in the order in which they apply")
    clips: list[ClipEdges] = Field(default_factory=list, description="clips that were extended or trimmed")

    def __bool__(self) -> bool:
        """Whether there is anything to put right."""
        return bool(self.names or self.merged or self.edits or self.clips)

    @property
    def touch_words(self) -> bool:
        """Whether words or their speakers change, and not only names."""
        return bool(self.merged or self.edits)

    def of_words(self) -> "Corrections":
        """Without names and edges of clips, which decide nothing about words."""
        return self.model_copy(update={"names": {}, "clips": []})

    @field_validator("schema_version")
    @classmethod
    def _known_version(cls, value: str) -> str:
        if not is_readable(value):
            raise ValueError(f"version {value} is not known here; this Earwitness reads {SCHEMA_VERSION}")
        return value

    @model_validator(mode="after")
    def _merges_end(self) -> "Corrections":
        for label in self.merged:
            self.voice_of(label)
        return self

    def voice_of(self, label: str) -> str:
        """The label that a voice has after merging.

        Raises:
            ValueError: labels are merged in a circle.
        """
        seen = {label}
        while label in self.merged:
            label = self.merged[label]
            if label in seen:
                raise ValueError(f"{label} is merged into itself")
            seen.add(label)
        return label


def load_corrections(path: Path) -> Corrections:
    """Read a `corrections.json`.

    Raises:
        UsageError: it can't be read, or holds something that is not allowed; names the place.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(
                f"The corrections {path} are too large: at most {MAX_BYTES >> 20} MB are read.", f"Is it a {FILE}?"
            )
        return Corrections.model_validate(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UsageError(
            f"The corrections {path} can't be read ({error.strerror or error}).", f"Give the path of a {FILE}."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        reason = first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"The corrections {path} can't be used: {place}: {reason}.",
            "See docs/corrections.md, or drop them all with earwitness fix BUNDLE --reset.",
        ) from error
    except (ValueError, RecursionError) as error:
        why = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"not JSON ({error})"
        raise UsageError(
            f"The corrections {path} are {why}.",
            "Mend the file, or drop all corrections with earwitness fix BUNDLE --reset.",
        ) from error
