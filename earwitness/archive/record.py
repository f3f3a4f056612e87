"""`recording.json`: what the recording is, how it was worked on, and how far the result can be trusted."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

import earwitness
from earwitness.archive.findings import Findings, Missing
from earwitness.archive.ledgers import CoverageLedger, DoubtLedger, coverage_ledger, doubt_ledger
from earwitness.audio.facts import Enhancement, Quality
from earwitness.checks.finding import Finding
from earwitness.corrections.corrections import Corrections
from earwitness.engines.engine import EngineUse
from earwitness.schema import SCHEMA_VERSION, Provenance, Receipt, Record, StageResult
from earwitness.talk.talk import Conversation, SpeakerTalk
from earwitness.tracks.facts import Layout, TracksPreprocessed, TracksValidated
from earwitness.words.cast import Cast
from earwitness.words.transcript import Utterance

STATEMENT = (
    "Made by machine. Words, times, speakers, notes and clips were produced by the engines named here and have not "
    "been checked by a person. Check them against the sound before you rely on them."
)


class Software(Record):
    """What wrote the bundle."""

    name: str = "Earwitness"
    version: str = earwitness.__version__


class Source(Record):
    """The file that was handed in."""

    name: str = Field(description="file name, without its folder")
    sha256: str
    size: int = Field(description="bytes")
    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    bit_rate_bps: int | None = None
    has_video: bool = False
    declared_duration_s: float | None = Field(default=None, description="what the container says")
    decode_errors: int = 0
    nonfinite_samples: int = Field(default=0, description="NaN and infinite samples, replaced by silence")
    audio_tracks: int = 1
    audio_track: int = Field(default=0, description="the one that was used, counted from 0")
    mixdown: list[float] = Field(default_factory=list, description="weight of each channel in audio.flac")
    tags: dict[str, str] = Field(default_factory=dict)


class RecordedTrack(Record):
    """A file or channel with one speaker."""

    source: str = Field(description="path inside the zip or folder; or channel 1, channel 2, ...")
    label: str | None = Field(default=None, description="of its speaker; absent: nobody speaks on it, or it is mixed")
    codec: str | None = Field(default=None, description="absent, like all that follows, where it could not be read")
    sample_rate_hz: int | None = None
    channels: int | None = None
    duration_s: float | None = None
    loudness_lufs: float | None = None
    score: float | None = Field(default=None, description="quality of its sound, 0 to 1")
    left_out: str | None = Field(default=None, description="why it is not in the recording; absent: it is")


class RecordedTracks(Record):
    """How a recording was taken apart."""

    layout: Layout = Field(description="speakers: one file a speaker; channels: one channel a speaker; mixed: neither")
    tracks: list[RecordedTrack]


class Slice(Record):
    """The part that was asked for; all other times count from its start."""

    start_s: float
    end_s: float


class RecordedSpeaker(Record):
    """A voice of the recording and how much it says."""

    label: str = Field(description="diarization label, e.g. SPEAKER_00")
    name: str = Field(description="display name: used everywhere else in the bundle")
    character: str | None = None
    role: str | None = None
    role_by: Literal["cast", "inferred"] | None = Field(
        default=None, description="inferred: found from how the speakers talk, stated by nobody; absent without a role"
    )
    named_by: Literal["transcript", "track", "cast", "correction", "voice", "nobody"]
    voice_score: float | None = Field(
        default=None, description="likeness (cosine) to the enrolled voice that gave the name; absent otherwise"
    )
    speech_s: float | None = Field(description="seconds of this speaker's turns; absent when nobody was told apart")
    words: int = Field(ge=0)
    talk: SpeakerTalk | None = Field(default=None, description="how this person talks; absent when that failed")


class Receipts(Record):
    """What the answers of paid services cost that the bundle is made from, whenever they were paid for."""

    total_usd: float = Field(default=0.0, ge=0, description="of those whose price is known")
    items: list[Receipt] = Field(default_factory=list)


class RecordingJson(Record):
    """`recording.json`."""

    schema_version: str = SCHEMA_VERSION
    software: Software = Field(default_factory=Software)
    statement: str = STATEMENT
    recording_id: str
    outcome: Literal["done", "partial"]
    missing: list[Missing] = Field(default_factory=list, description="parts that failed, and why")
    warnings: list[str] = Field(default_factory=list)
    profile: str
    source: Source
    tracks: RecordedTracks | None = Field(default=None, description="its files or channels; absent: it is one sound")
    slice: Slice | None = None
    duration_s: float = Field(description="of what was worked on")
    language: str | None = Field(default=None, description="ISO 639-1; und when unknown; absent without a transcript")
    cast_given: bool = Field(description="True: a cast file named the speakers")
    cast: Cast | None = Field(default=None, description="the cast that was given")
    corrections: Corrections | None = Field(default=None, description="what a person put right; absent: nothing")
    speakers: list[RecordedSpeaker] = Field(default_factory=list)
    conversation: Conversation | None = Field(default=None, description="absent when nobody was told apart")
    quality: Quality
    enhancement: Enhancement | None = Field(default=None, description="what was done to the engines' copy of the sound")
    listening_loudness_lufs: float | None = None
    engines: dict[str, EngineUse] = Field(description="stage → what did the work; degraded ones are marked")
    settings: dict[str, Any] = Field(description="stage → resolved settings")
    timings: dict[str, Provenance] = Field(description="stage → when it was computed and for how long")
    receipts: Receipts = Field(default_factory=Receipts)
    coverage: CoverageLedger
    doubts: DoubtLedger
    checks: list[Finding] = Field(default_factory=list, description="what the checks before publishing found to mind")


_STAGES = {
    "validate": "validated",
    "preprocess": "preprocessed",
    "listen": "listening",
    "diarize": "diarized",
    "transcribe": "transcribed",
    "align": "aligned",
    "speakers": "talk",
    "summarize": "summarized",
    "clip": "clipped",
    "show": "shown",
}


def describe_recording(
    findings: Findings, utterances: Sequence[Utterance], *, cast_given: bool, checks: Sequence[Finding] = ()
) -> RecordingJson:
    """Put together everything that is known about a recording apart from its words.

    Args:
        findings: what the stages found.
        utterances: the published transcript, speakers as diarization labels.
        cast_given: a cast file was handed in.
        checks: what the checks before publishing say of the files.
    """
    facts, names = findings.validated.facts, display_names(findings)
    found = findings.aligned or findings.transcribed
    return RecordingJson(
        recording_id=findings.recording_id,
        outcome="partial" if findings.missing else "done",
        missing=findings.missing,
        warnings=_warnings(findings),
        profile=findings.profile,
        source=Source(
            name=findings.source_name,
            sha256=facts.sha256,
            size=facts.size,
            container=facts.container,
            codec=facts.codec,
            sample_rate_hz=facts.sample_rate_hz,
            channels=facts.channels,
            bit_rate_bps=facts.bit_rate_bps,
            has_video=facts.has_video,
            declared_duration_s=None if facts.declared_duration_ms is None else facts.declared_duration_ms / 1000,
            decode_errors=facts.decode_errors,
            nonfinite_samples=facts.nonfinite_samples,
            audio_tracks=facts.audio_tracks,
            audio_track=facts.audio_track,
            mixdown=facts.mixdown,
            tags=dict(sorted(facts.tags.items())),
        ),
        tracks=_tracks(findings),
        slice=Slice(start_s=facts.slice_ms[0] / 1000, end_s=facts.slice_ms[1] / 1000) if facts.slice_ms else None,
        duration_s=findings.preprocessed.duration_ms / 1000,
        language=found.language if found else None,
        cast_given=cast_given,
        cast=findings.cast,
        corrections=findings.corrections or None,
        speakers=_speakers(findings, utterances),
        conversation=findings.talk.conversation if findings.talk else None,
        quality=findings.validated.quality,
        enhancement=findings.preprocessed.enhancement,
        listening_loudness_lufs=findings.listening.loudness_lufs if findings.listening else None,
        engines=findings.engines,
        settings=findings.settings,
        timings=_timings(findings),
        receipts=_receipts(findings),
        coverage=coverage_ledger(findings, utterances),
        doubts=doubt_ledger(findings, utterances, names),
        checks=list(checks),
    )


def _tracks(findings: Findings) -> RecordedTracks | None:
    validated, speech = findings.validated, findings.preprocessed
    if not isinstance(validated, TracksValidated):
        return None
    spoken = speech.tracks if isinstance(speech, TracksPreprocessed) else []
    labels = {track.source: track.label for track in spoken if track.spans}
    read = [
        RecordedTrack(
            source=track.source,
            label=labels.get(track.source),
            codec=track.validated.facts.codec,
            sample_rate_hz=track.validated.facts.sample_rate_hz,
            channels=track.validated.facts.channels,
            duration_s=track.validated.facts.duration_ms / 1000,
            loudness_lufs=track.validated.quality.metrics.loudness_lufs,
            score=track.validated.quality.score,
        )
        for track in validated.tracks
    ]
    left_out = [RecordedTrack(source=track.source, left_out=track.reason) for track in validated.left_out]
    return RecordedTracks(layout=validated.layout, tracks=[*read, *left_out])


def display_names(findings: Findings) -> dict[str, str]:
    """Diarization label → the name that is published."""
    return {speaker.label: speaker.name for speaker in findings.speakers}


def _speakers(findings: Findings, utterances: Sequence[Utterance]) -> list[RecordedSpeaker]:
    spoken: dict[str, int] = defaultdict(int)
    for turn in findings.diarized.turns if findings.diarized else []:
        spoken[turn.speaker] += turn.end_ms - turn.start_ms
    words: dict[str | None, int] = defaultdict(int)
    for utterance in utterances:
        for word in utterance.words:
            words[word.speaker] += 1
    return [
        RecordedSpeaker(
            label=speaker.label,
            name=speaker.name,
            character=speaker.character,
            role=speaker.role,
            role_by=speaker.role_by,
            named_by=speaker.named_by,
            voice_score=speaker.score,
            speech_s=spoken[speaker.label] / 1000 if findings.diarized else None,
            words=words[speaker.label],
            talk=findings.talk.speakers.get(speaker.label) if findings.talk else None,
        )
        for speaker in findings.speakers
    ]


def _timings(findings: Findings) -> dict[str, Provenance]:
    timings = {}
    for stage, name in _STAGES.items():
        result = getattr(findings, name)
        if isinstance(result, StageResult) and result.provenance is not None:
            timings[stage] = result.provenance
    return timings


def _receipts(findings: Findings) -> Receipts:
    items = findings.receipts()
    # in whole micro-dollars: a sum of fractions would show in the last digit
    return Receipts(total_usd=sum(round((item.cost_usd or 0) * 1e6) for item in items) / 1e6, items=items)


def _warnings(findings: Findings) -> list[str]:
    """The run's own, then every stage's; each once."""
    results = [getattr(findings, name) for name in _STAGES.values()]
    of_stages = [text for result in results for text in getattr(result, "warnings", [])]
    return list(dict.fromkeys([*findings.warnings, *of_stages]))
