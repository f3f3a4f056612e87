"""What did the work of a stage, and how good an answer that is."""

from pydantic import Field

from earwitness.schema import Record


class EngineUse(Record):
    """An engine chosen for a stage. Its first three fields are part of the checkpoint's key."""

    name: str = Field(description="e.g. whisperx, pyannote, bundled, sidecar, sphinx, extractive, ffmpeg")
    version: str = Field(description="version of the library that does the work")
    model: str = Field(default="", description="model id or weights digest")
    degraded: bool = Field(default=False, description="a better engine exists but could not be used")
    reason: str = Field(default="", description="why this engine was taken, for people")

    def key(self) -> list[str]:
        """What decides whether an earlier answer still holds."""
        return [self.name, self.version, self.model]
