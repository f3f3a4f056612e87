"""Settings of the stages: what each may be told, bounded and described, which is what enters its checkpoint's key.

A setting that says "as the profile says" is filled from `earwitness/profiles/<profile>.toml` by
`earwitness.profiles.resolve`; stage code only ever sees resolved settings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from earwitness.spans import parse_slice

COLOUR = "^#[0-9A-Fa-f]{6}$"
"""#RRGGBB."""


def by_profile(description: str, **bounds: Any) -> Any:
    """A field without a default of its own: the profile decides unless the user does."""
    return Field(default=None, description=f"{description} (empty: as the profile says)", **bounds)


class StageSettings(BaseModel):
    """Base of the settings of one stage; these enter the key of its checkpoint, `UNKEYED` apart."""

    UNKEYED: ClassVar[frozenset[str]] = frozenset({"retries"})
    """What never decides an answer; not recorded in the bundle either, `RECORDED` apart."""
    RECORDED: ClassVar[frozenset[str]] = frozenset()
    """Of these, what a bundle needs to be made anew."""
    ADDED: ClassVar[Mapping[str, Any]] = {}
    """Settings that came later, with the value that means what was done before: answers from then still hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    retries: int | None = Field(
        default=None, ge=0, le=10, description="further tries after a transient failure; empty: as limits.retries says"
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, data: Any) -> Any:
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, dict) else data


class Limits(BaseModel):
    """How long and how often a stage may try, and what it leaves free. Never part of a checkpoint's key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retries: int = Field(default=2, ge=0, le=10, description="further tries after a transient failure")
    retry_delay_s: float = Field(default=2.0, ge=0, le=600, description="first pause; doubles each time, with jitter")
    retry_total_s: float = Field(
        default=600, ge=0, le=86_400, description="pauses of a stage together; no further try that would need more"
    )
    min_timeout_s: float = Field(default=900, gt=0, description="time limit of a try, for short recordings")
    timeout_per_hour_s: float = Field(default=14_400, gt=0, description="added per hour of sound")
    min_free_gb: float = Field(default=1.0, ge=0, description="room that a run leaves on each disk; else it is refused")


class ValidateSettings(StageSettings):
    """Reading and measuring the recording."""

    min_score: float = Field(default=0.2, ge=0, le=1, description="a recording that scores lower is refused")
    enhance_below: float = Field(default=0.6, ge=0, le=1, description="enhancement is considered under this score")
    min_duration_s: float = Field(default=0.3, ge=0.05, le=60, description="shorter recordings are refused")


class PreprocessSettings(StageSettings):
    """Making the copy that the speech engines hear."""

    enhance: Literal["auto", "always", "never"] = Field(
        default="auto", description="auto: only where the quality verdict asks for it"
    )


class ListenSettings(StageSettings):
    """Making the copy that people hear."""

    loudness_lufs: float = Field(default=-16.0, ge=-31, le=-9, description="integrated loudness of listen.m4a")
    bit_rate_kbps: int = Field(default=64, ge=32, le=320, description="of listen.m4a")


class DiarizeSettings(StageSettings):
    """Finding who speaks when."""

    engine: Literal["auto", "pyannote", "bundled"] = Field(
        default="auto", description="pyannote: community-1 (needs a token once); bundled: needs nothing"
    )
    model: str = Field(
        default="pyannote/speaker-diarization-community-1", description="hub id or folder of the pyannote pipeline"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where models run")
    speakers: int | None = Field(default=None, ge=1, le=50, description="exact number of speakers, if known")
    min_speakers: int | None = Field(default=None, ge=1, le=50, description="at least this many")
    max_speakers: int | None = Field(default=None, ge=1, le=50, description="at most this many")


class TranscribeSettings(StageSettings):
    """Finding the words."""

    UNKEYED: ClassVar[frozenset[str]] = StageSettings.UNKEYED | {"delete_hosted"}
    ADDED: ClassVar[Mapping[str, Any]] = {
        "hear_again": "auto",
        "assemblyai_models": ["universal-3-5-pro", "universal-2"],
    }

    engine: Literal["auto", "sidecar", "whisperx", "bundled", "openai", "assemblyai"] = Field(
        default="auto",
        description="auto: a transcript beside the recording, else whisperX, else the bundled recogniser; openai, "
        "assemblyai: hosted services, which are sent the speech and paid for",
    )
    model: str = Field(default="small", description="Whisper model name or folder of a CTranslate2 model")
    hosted_model: str = Field(default="whisper-1", description="model of the openai engine")
    assemblyai_models: tuple[str, ...] = Field(
        default=("universal-3-5-pro", "universal-2"),
        min_length=1,
        description="models of the assemblyai engine, the first that knows the language",
    )
    base_url: str | None = Field(
        default=None,
        description="address of the hosted service, e.g. https://api.eu.assemblyai.com; empty: $OPENAI_BASE_URL or "
        "$ASSEMBLYAI_BASE_URL, else the maker's",
    )
    delete_hosted: bool = Field(
        default=False, description="assemblyai: have each transcript and its sound deleted there once it is here"
    )
    hear_again: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="listen once more where text looks made up; auto: with engines on this machine; always: with "
        "hosted ones too, which is paid for",
    )
    language: str | None = Field(default=None, description="ISO 639-1, e.g. en; empty: detect")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where models run")
    compute_type: Literal["auto", "int8", "float16", "float32"] = Field(
        default="auto", description="arithmetic of the Whisper model"
    )
    batch_size: int = Field(default=8, ge=1, le=128, description="windows recognised together")
    find_sidecar: bool = Field(default=True, description="look for a transcript with the recording's name beside it")


class AlignSettings(StageSettings):
    """Giving each word its time and speaker."""

    engine: Literal["auto", "whisperx", "bundled"] = Field(
        default="auto", description="whisperx: wav2vec2 alignment; bundled: forced alignment with PocketSphinx"
    )
    model: str | None = Field(default=None, description="hub id or folder of a wav2vec2 CTC model; empty: by language")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where models run")
    pause_s: float = Field(default=1.2, ge=0.1, le=30, description="a longer pause starts a new utterance")
    max_utterance_s: float = Field(
        default=30, ge=5, le=600, description="a longer utterance is split at the end of a sentence"
    )


class SummarizeSettings(StageSettings):
    """Writing the notes."""

    UNKEYED: ClassVar[frozenset[str]] = StageSettings.UNKEYED | {"timeout_s", "stream"}
    ADDED: ClassVar[Mapping[str, Any]] = {"secrets": [], "private": [], "private_marks": None}

    engine: Literal["auto", "extractive", "chat"] = Field(
        default="auto",
        description="extractive: bundled, cites everything; chat: a chat model, which is sent the transcript and may "
        "cost money; auto: chat if summarize.model is set, else extractive",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="model of the chat engine, e.g. gpt-4.1-mini, llama3.1:8b or anthropic:claude-sonnet-4-5",
    )
    base_url: str | None = Field(
        default=None,
        description="address of the chat engine's service (Ollama, vLLM ...); empty: $OPENAI_BASE_URL, else OpenAI",
    )
    temperature: float = Field(
        default=0, ge=0, le=2, description="of the chat engine; left out for models that refuse it"
    )
    context_tokens: int | None = Field(
        default=None,
        ge=8_000,
        le=10_000_000,
        description="window of the chat model in tokens; empty: as it is known, else 16000. Transcripts that don't fit "
        "are read in parts",
    )
    timeout_s: float = Field(default=300, gt=0, le=3_600, description="patience with one answer of the chat engine")
    stream: bool = Field(
        default=False, description="have the chat engine's answers sent as they are written, so that progress moves"
    )
    words: int | None = Field(default=None, ge=20, le=20_000, description="length of the notes; empty: by length")
    chapters: int | None = Field(default=None, ge=1, le=100, description="number of chapters; empty: by content")
    headings: tuple[str, ...] = by_profile("headings of the notes, in order")
    story: bool = by_profile("also tell it as a story (story.md)")
    secrets: tuple[str, ...] = Field(
        default=(), max_length=500, description="names and words that players must not read: notes.players.md"
    )
    private: tuple[str, ...] = Field(
        default=(), max_length=500, description="parts that players must not know, e.g. [1:02:00-1:04:30]"
    )
    private_marks: tuple[str, str] | None = Field(
        default=None, description="words with which somebody begins and ends what players must not know"
    )

    @field_validator("private")
    @classmethod
    def _spans_are_readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_slice(text)
        return value


class ClipSettings(StageSettings):
    """Choosing and rendering clips."""

    UNKEYED: ClassVar[frozenset[str]] = StageSettings.UNKEYED | {"artwork", "font"}
    RECORDED: ClassVar[frozenset[str]] = frozenset({"artwork", "font"})
    ADDED: ClassVar[Mapping[str, Any]] = {"rank": "weights", "rank_model": None}

    count: int = by_profile("clips at most", ge=0, le=20)
    min_s: float = by_profile("shortest clip in seconds", ge=3, le=600)
    max_s: float = by_profile("longest clip in seconds", ge=5, le=900)
    rank: Literal["weights", "chat"] = Field(
        default="weights",
        description="what puts the best moments in order. chat: a chat model, which is sent their words and may cost "
        "money",
    )
    rank_model: str | None = Field(
        default=None, min_length=1, max_length=200, description="chat model that ranks; empty: summarize.model"
    )
    video: bool = by_profile("also render a captioned video of each clip")
    presets: tuple[Literal["tiktok", "reels", "shorts", "youtube", "square", "podcast"], ...] = by_profile(
        "kinds of video to render of each clip; the first decides what is looked for", min_length=1, max_length=6
    )
    reframe: Literal["blur", "fill", "fit"] = Field(
        default="blur",
        description="what is shown of a film of another shape. blur: all of it, over a blurred copy of itself; fill: "
        "its middle, as large as can be; fit: all of it, over the background colour",
    )
    shorten: bool = Field(default=False, description="take out fillers (um, uh) and cut long pauses down")
    colours: tuple[Annotated[str, Field(pattern=COLOUR)], ...] = Field(
        default=(), max_length=20, description="of the speakers, by first appearance, as #RRGGBB; empty: our own"
    )
    background: str = Field(default="#14161C", pattern=COLOUR, description="ground of the picture, as #RRGGBB")
    artwork: Path | None = Field(default=None, description="JPEG, PNG or WebP picture and ground of upright clips")
    font: Path | None = Field(
        default=None, description=".ttf or .otf, for captions; empty: DejaVu Sans, or Noto Sans (extra cjk)"
    )

    @field_validator("presets")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _ordered(self) -> "ClipSettings":
        if self.min_s is not None and self.max_s is not None and self.min_s >= self.max_s:
            raise ValueError(f"clip.min_s ({self.min_s}) must be less than clip.max_s ({self.max_s})")
        return self


class VoiceSettings(BaseModel):
    """Naming speakers by enrolled voices."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use: bool = Field(default=True, description="name speakers by the voices that are enrolled; false: don't listen")
    scope: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="campaign, show or collection, as given to voices add; empty: the campaign of the cast file",
    )


class ShowSettings(StageSettings):
    """What the feed of a podcast takes."""

    make: bool = by_profile("make an episode with chapters, transcript and show notes (the folder show)")
    name: str | None = Field(default=None, min_length=1, max_length=200, description="name of the show, for the tags")
    author: str | None = Field(default=None, min_length=1, max_length=200, description="who makes it, for the tags")
    kbps: int = Field(default=128, ge=64, le=160, description="bit rate of the episode in kbit/s")


class PublishSettings(StageSettings):
    """Writing the bundle."""

    report: bool = Field(default=True, description="write report.html")
