"""What is known about a recording of several tracks: the results of its stages, beside those of every recording."""

from typing import Literal

from pydantic import Field

from earwitness.audio.facts import Enhancement, Preprocessed, Validated
from earwitness.schema import Record
from earwitness.storage.store import FileRef

Layout = Literal["speakers", "channels", "mixed"]
"""speakers: one file a speaker; channels: one channel of a file a speaker; mixed: several files of which none is one
speaker's, so that only their sum counts."""


class MeasuredTrack(Record):
    """A track that could be read."""

    source: str = Field(description="path inside the zip or folder; 'channel 1' of a file")
    name: str | None = Field(description="of the speaker, by the file's name; None: it names nobody")
    validated: Validated = Field(description="the track by itself")


class LeftOut(Record):
    """A track that could not be read."""

    source: str
    reason: str


class TracksValidated(Validated):
    """Result of *validate* for several tracks; facts and quality are of their mix, digest and size of the whole."""

    layout: Layout
    tracks: list[MeasuredTrack]
    left_out: list[LeftOut] = Field(default_factory=list)
    mix: FileRef | None = Field(description="FLAC of all tracks together; None: the source has it (channels)")

    def for_listening(self) -> Validated:
        """Facts of `mix` as those of a file of its own: a slice was cut before the tracks were mixed."""
        if self.mix is None:
            return self
        facts = self.facts.model_copy(update={"slice_ms": None})
        return Validated(facts=facts, quality=self.quality, decoded=self.decoded)


class SpokenTrack(Record):
    """What one speaker says, alone."""

    label: str = Field(description="SPEAKER_00, ... in order of first appearance; those who say nothing come last")
    source: str
    name: str | None
    speech: FileRef = Field(description="16 kHz mono FLAC, silent where this speaker does not speak")
    spans: list[tuple[int, int]] = Field(description="own speech in ms, in order, apart; empty: says nothing")
    enhancement: Enhancement | None = None


class TracksPreprocessed(Preprocessed):
    """Result of *preprocess* for tracks that are a speaker each; `speech` is their mix."""

    tracks: list[SpokenTrack]

    def names(self) -> dict[str, str]:
        """Label → name, by the names of the files."""
        return {track.label: track.name for track in self.tracks if track.name and track.spans}
