"""Moments worth posting."""

from collections.abc import Collection

from pydantic import Field

from earwitness.corrections.corrections import ClipEdges
from earwitness.engines.engine import EngineUse
from earwitness.schema import SCHEMA_VERSION, Record, StageResult
from earwitness.storage.store import FileRef


class Rendition(Record):
    """A file of a clip, made for one kind of place."""

    preset: str = Field(description="audio, tiktok, reels, shorts, youtube, square or podcast")
    path: str = Field(description="relative to the bundle, e.g. clips/clip-1-tiktok.mp4")
    width: int | None = Field(default=None, description="pixels; null: there is no picture")
    height: int | None = None
    duration_s: float = Field(gt=0)
    loudness_lufs: float | None = Field(default=None, description="integrated, as measured in the file; null: silence")
    true_peak_dbtp: float | None = Field(default=None, description="as measured in the file")


class Ranking(Record):
    """Where a chat model put a clip."""

    place: int = Field(ge=1, description="1: it liked this moment best")
    of: int = Field(ge=1, description="moments that it put in order, most of which are no clips")
    said: str = Field(
        default="", description="why, in its own words; empty: it did not say, or not in words that can be published"
    )


class Clip(Record):
    """One entry of `clips.json`; times in seconds on the recording's clock."""

    id: str = Field(description="clip-1, clip-2, ... best first")
    start_s: float = Field(ge=0)
    end_s: float
    score: float = Field(ge=0, le=1)
    reason: str = Field(description="why it was chosen, in a sentence")
    title: str
    preset: str = Field(description="of the first file: audio, square, ...")
    path: str = Field(description="first file, relative to the bundle, e.g. clips/clip-1.mp4")
    captions: str | None = Field(
        description="relative path of its .srt, on the clip's clock; null: nobody knows its words"
    )
    evidence: list[str] = Field(default_factory=list, description="utterances heard in it")
    features: dict[str, float] = Field(default_factory=dict, description="what its score is made of, each 0..1")
    description: str = Field(default="", description="to post with it")
    hashtags: list[str] = Field(default_factory=list, description="to post with it")
    lacks: list[str] = Field(default_factory=list, description="what those who see only this don't know")
    by_hand: bool = Field(
        default=False, description="a person extended or trimmed it; score and features are those it was chosen with"
    )
    ranking: Ranking | None = Field(
        default=None, description="by a chat model; absent: it stands where its score puts it"
    )
    cut_out_s: float = Field(default=0.0, ge=0, description="fillers and pauses that were taken out of it")
    renditions: list[Rendition] = Field(default_factory=list, description="all its files, the first one included")

    @property
    def files(self) -> list[str]:
        """Paths of everything that belongs to it."""
        own = [self.path, *(made.path for made in self.renditions if made.path != self.path)]
        return [*own, self.captions] if self.captions else own

    def with_files(self, there: Collection[str]) -> "Clip | None":
        """The clip with those of its files that are there; None without captions that it had, or without any media."""
        if self.captions and self.captions not in there:
            return None
        if not self.renditions:
            return self if self.path in there else None
        left = [made for made in self.renditions if made.path in there]
        if not left:
            return None
        return self.model_copy(update={"renditions": left, "path": left[0].path, "preset": left[0].preset})


class Learned(Record):
    """What ratings made of the shipped weights."""

    factors: dict[str, float] = Field(default_factory=dict, description="feature → what multiplies its shipped weight")
    ratings: int = Field(default=0, description="people's ratings behind it")
    imported: int = Field(default=0, description="performance numbers behind it: clips on a platform")


class Given(Record):
    """What decides clips beside the settings and what the stages found."""

    brand: dict[str, str] | None = Field(default=None, description="digests of the artwork and the font")
    learned: Learned | None = Field(default=None, description="what ratings made of the weights")
    edges: list[ClipEdges] = Field(default_factory=list, description="clips that were extended or trimmed")
    misheard: bool = Field(default=False, description="the words are the bundled recogniser's, which mishears many")


class ClipList(Record):
    """`clips.json`."""

    schema_version: str = SCHEMA_VERSION
    clips: list[Clip]
    reason: str = Field(default="", description="why there are none, or fewer than asked")
    weights: dict[str, float] = Field(default_factory=dict, description="feature → what it weighs in the score")
    learned: Learned | None = Field(default=None, description="what ratings made of the weights; absent: as shipped")
    ranked_by: str | None = Field(default=None, description="chat model that put them in order; absent: the scores did")


class Clipped(StageResult):
    """Result of *clip*."""

    engine: EngineUse
    listing: ClipList
    files: dict[str, FileRef] = Field(description="path in the bundle → file")
