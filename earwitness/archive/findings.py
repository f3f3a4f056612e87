"""All that a run found out about one recording: what the bundle is made from."""

from typing import Any

from pydantic import Field

from earwitness.audio.facts import ListeningCopy, Preprocessed, Validated
from earwitness.checks.finding import Finding
from earwitness.clips.clip import Clipped
from earwitness.corrections.corrections import Corrections
from earwitness.engines.engine import EngineUse
from earwitness.notes.notes import Summarized
from earwitness.schema import Receipt, Record, StageResult
from earwitness.show.make import Shown
from earwitness.speech.segments import Transcribed
from earwitness.speech.turns import Diarized
from earwitness.storage.store import FileRef
from earwitness.talk.talk import Talk
from earwitness.voices.identify import VoiceDoubt
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Aligned


class Missing(Record):
    """A part that the bundle lacks because its stage failed."""

    stage: str
    code: str
    message: str
    remedy: str = ""


class Findings(Record):
    """Input of *publish*. A stage that failed for good is None and listed in `missing`."""

    recording_id: str
    source_name: str = Field(description="file name, without its folder")
    profile: str
    settings: dict[str, Any] = Field(description="resolved settings a stage, as JSON")
    engines: dict[str, EngineUse] = Field(description="stage → engine")
    validated: Validated
    preprocessed: Preprocessed
    listening: ListeningCopy | None
    diarized: Diarized | None
    transcribed: Transcribed | None
    aligned: Aligned | None
    talk: Talk | None = None
    cast: Cast | None = None
    corrections: Corrections = Field(default_factory=Corrections)
    speakers: list[Speaker] = Field(default_factory=list)
    voice_doubts: list[VoiceDoubt] = Field(default_factory=list)
    summarized: Summarized | None
    clipped: Clipped | None
    shown: Shown | None = None
    missing: list[Missing] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)

    def digest_parts(self) -> dict[str, Any]:
        """What the bundle's content depends on, without the times of provenance."""
        parts: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            parts[name] = value.digest() if isinstance(value, StageResult) else None
        plain = self.model_dump(mode="json", exclude={name for name, value in parts.items() if value is not None})
        receipts = [receipt.model_dump(mode="json") for receipt in self.receipts()]
        return {**parts, **plain, **({"receipts": receipts} if receipts else {})}

    def receipts(self) -> list[Receipt]:
        """What paid services cost, by stage as the work goes on."""
        results = (getattr(self, name) for name in type(self).model_fields)
        return [receipt for result in results if isinstance(result, StageResult) for receipt in result.receipts]


class Composed(StageResult):
    """Result of *publish*: every file of the bundle, by relative path, the manifest included."""

    recording_id: str
    files: dict[str, FileRef]
    missing: list[Missing] = Field(default_factory=list, description="files that did not pass the check, left out")
    checks: list[Finding] = Field(default_factory=list, description="what the checks say of the files in it")
