"""What an evaluation finds. Rates are shares (0.12 is 12 %), above 1 if need be; None where nothing can be scored."""

from pydantic import Field

from earwitness.schema import SCHEMA_VERSION, Record


class SpeakerTime(Record):
    """A speaker of the reference and the one found in their place; None where there is none."""

    reference: str | None
    found: str | None
    reference_s: float = Field(ge=0, description="seconds that the reference gives them, where scored")
    found_s: float = Field(ge=0, description="seconds found, where scored")


class DiarizationScore(Record):
    """Who spoke when. Overlapping speech counts once a speaker."""

    error_rate: float | None = Field(description="(missed + false alarm + confusion) / speech")
    missed_s: float = Field(description="speech that was not found")
    false_alarm_s: float = Field(description="speech found where there is none")
    confusion_s: float = Field(description="speech given to the wrong speaker")
    speech_s: float = Field(description="speech of the reference")
    collar_s: float = Field(description="left out on either side of each boundary of the reference")
    speakers_reference: int
    speakers_found: int
    speaker_count_error: int = Field(description="found minus reference")
    speakers: list[SpeakerTime] = Field(description="by the mapping with the least error, reference first")


class WordErrors(Record):
    """What was said, whoever said it."""

    error_rate: float | None = Field(description="(substitutions + deletions + insertions) / reference words")
    substitutions: int
    deletions: int = Field(description="words of the reference that are missing")
    insertions: int = Field(description="words that the reference has not")
    hits: int
    reference_words: int
    found_words: int


class SpeakerPair(Record):
    """A speaker of the reference and the one found in their place; None where there is none."""

    reference: str | None
    found: str | None


class CpWordErrors(Record):
    """cpWER: each speaker's words against those of the speaker found in their place."""

    error_rate: float | None
    substitutions: int
    deletions: int
    insertions: int
    speakers: list[SpeakerPair] = Field(description="the pairing with the least errors")


class WordSpeakers(Record):
    """Word-level diarization: whether words that were found have their speaker."""

    error_rate: float | None = Field(description="wrong / words")
    wrong: int = Field(description="aligned words with another speaker, or none")
    words: int = Field(description="words aligned to one of the reference, right or substituted")
    speakers: list[SpeakerPair] = Field(description="the pairing with the most words in common")


class WordBoundaries(Record):
    """How far starts and ends of words are off, over words that were recognised rightly."""

    words: int
    start_median_s: float | None
    end_median_s: float | None
    mean_s: float | None = Field(description="over starts and ends, as are the following")
    p95_s: float | None = Field(description="95th percentile")
    within_50ms: float | None = Field(description="share")
    within_100ms: float | None = Field(description="share")
    within_200ms: float | None = Field(description="share")


class Evaluation(Record):
    """`earwitness eval --json`. A part is absent where the references or the bundle have nothing for it."""

    schema_version: str = SCHEMA_VERSION
    recording_id: str
    references: list[str] = Field(description="file names")
    engines: dict[str, str] = Field(description="stage → engine, of the stages that are scored")
    scored_s: float = Field(description="seconds that were scored")
    diarization: DiarizationScore | None = None
    words: WordErrors | None = None
    cp_words: CpWordErrors | None = None
    word_speakers: WordSpeakers | None = None
    word_boundaries: WordBoundaries | None = None
    warnings: list[str] = Field(default_factory=list, description="what the figures do not say by themselves")
