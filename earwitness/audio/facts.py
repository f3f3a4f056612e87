"""What is known about a recording before anyone listens to the words."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from earwitness.engines.engine import EngineUse
from earwitness.schema import Record, StageResult
from earwitness.storage.store import FileRef

SPEECH_RATE_HZ = 16_000
"""Every speech model here works on 16 kHz mono."""


class RecordingFacts(Record):
    """Technical facts, from the container and from decoding it whole."""

    sha256: str = Field(description="of the source file")
    size: int = Field(description="bytes of the source file")
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    bit_rate_bps: int | None = None
    has_video: bool = False
    declared_duration_ms: int | None = Field(default=None, description="what the container says")
    duration_ms: int = Field(ge=0, description="what was decoded (after a slice, of the slice)")
    slice_ms: tuple[int, int] | None = Field(default=None, description="the part that was asked for")
    decode_errors: int = Field(default=0, ge=0, description="errors that the decoder reported")
    tags: dict[str, str] = Field(default_factory=dict)
    audio_tracks: int = Field(default=1, ge=1, description="audio tracks in the file")
    audio_track: int = Field(default=0, ge=0, description="the one that is used, counted from 0")
    mixdown: list[float] = Field(default_factory=list, description="weight of each channel in the mono speech copy")
    nonfinite_samples: int = Field(default=0, ge=0, description="NaN and infinite samples, replaced by silence")


class Metrics(Record):
    """Measured on the decoded sound."""

    loudness_lufs: float | None = Field(description="EBU R128 integrated; None when all is below the gate")
    peak_dbfs: float | None = Field(description="largest sample; None for digital silence")
    clipping_share: float = Field(ge=0, le=1, description="samples in flat runs at full scale")
    noise_floor_dbfs: float | None
    snr_db: float | None
    silence_share: float = Field(ge=0, le=1)
    bandwidth_hz: float | None = Field(
        description="frequency below which 99 % of the speech energy lies (above the noise, emphasised 6 dB an octave)"
    )
    dc_offset: float = Field(description="mean sample, full scale = 1")
    channel_balance_db: float | None = Field(description="louder channel minus quieter; None for mono")


class IssueCode(StrEnum):
    """What can be wrong with a recording that can still be heard."""

    CLIPPING = "clipping"
    NOISE = "noise"
    QUIET = "quiet"
    LOUD = "loud"
    SILENCE = "silence"
    NARROW_BAND = "narrow-band"
    DC_OFFSET = "dc-offset"
    DEAD_CHANNEL = "dead-channel"
    PHASE = "phase"
    OTHER_TRACKS = "other-tracks"
    DAMAGED = "damaged"
    DURATION_MISMATCH = "duration-mismatch"
    SHORT = "short"


class QualityIssue(Record):
    """One finding, with what it means for the user."""

    code: IssueCode
    severity: Literal["info", "warning", "serious"]
    message: str = Field(description="what was found, with its number, and what it means")


class Verdict(StrEnum):
    """What happens to a recording: used as it is, cleaned first, or refused."""

    ACCEPT = "accept"
    ENHANCE = "enhance"
    REJECT = "reject"


class Quality(Record):
    """How good the sound is for recognising speech."""

    metrics: Metrics
    issues: list[QualityIssue]
    score: float = Field(ge=0, le=1)
    level: Literal["excellent", "good", "fair", "poor", "unusable"]
    verdict: Verdict


class Validated(StageResult):
    """Result of *validate*. The decoded speech copy comes along, which saves *preprocess* a decode."""

    facts: RecordingFacts
    quality: Quality
    decoded: FileRef = Field(description="16 kHz mono FLAC of the source (or slice), not enhanced")


class Enhancement(Record):
    """What was done to the speech copy, and whether it helped."""

    steps: list[str] = Field(description="e.g. high-pass 80 Hz, denoise, de-clip, level")
    before: Metrics
    after: Metrics
    helped: bool = Field(default=True, description="False: it did not, so the speech copy is the original")


class Preprocessed(StageResult):
    """Result of *preprocess*."""

    speech: FileRef = Field(description="16 kHz mono FLAC for the speech engines")
    duration_ms: int = Field(ge=0)
    enhancement: Enhancement | None = None


class ListeningCopy(StageResult):
    """Result of *listen*: what people hear in the report."""

    engine: EngineUse
    audio: FileRef = Field(description="AAC in M4A, -16 LUFS, true peak at most -1 dBTP")
    loudness_lufs: float | None = Field(description="measured on the result")
    peaks: list[int] = Field(description="waveform for the report: 0..100, at most 2,000 values over the duration")
