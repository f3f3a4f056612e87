"""What was not covered, and what should not be believed without a look: two ledgers that every bundle carries."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from earwitness.archive.findings import Findings
from earwitness.schema import Record
from earwitness.spans import Span, merge, subtract
from earwitness.words.transcript import LOW_CONFIDENCE, Utterance, Word, is_unsure

BRIDGED_MS = 1_000
"""A shorter gap between two words is a pause inside speech, not missing words."""
SHORTEST_GAP_MS = 500
"""Speech without words is counted from this length on: voice activity is padded by about that much."""
LISTED_WORDS = 50


class TimeSpan(Record):
    """A stretch of the recording, in seconds."""

    start_s: float = Field(ge=0)
    end_s: float


class SkippedStretch(TimeSpan):
    """Sound that no words were looked for in."""

    reason: str


class CoverageLedger(Record):
    """How much of the speech ended up as words with a speaker."""

    duration_s: float
    speech_s: float | None = Field(description="by voice activity, else by speaker turns; absent when neither ran")
    speech_without_words_s: float | None = Field(description="stretches of at least 0.5 s, pauses under 1 s bridged")
    speech_without_words: list[TimeSpan] = Field(default_factory=list)
    speech_without_speaker_s: float | None = Field(description="the same for speech outside every speaker's turns")
    skipped_s: float = Field(description="sound that no words were looked for in")
    skipped: list[SkippedStretch] = Field(default_factory=list)
    words: int = Field(ge=0)
    words_without_speaker: int = Field(ge=0)
    words_with_estimated_times: int = Field(ge=0)


class DoubtEntry(TimeSpan):
    """A stretch of text or sound that an engine doubts."""

    kind: str = Field(
        description="over-silence, loop, stock-phrase, impossible-rate, language-flip, mixed-language, vocabulary, "
        "low-confidence, estimated-times; of a voice as a whole, at its longest turn: voice-unsure, voice-merge, "
        "voice-contradicts"
    )
    text: str = Field(default="", description="as it was first recognised, also where it was replaced or removed")
    message: str
    verdict: str | None = Field(
        default=None, description="kept, replaced or removed, where text that looked made up was judged once more"
    )


class DoubtfulWord(TimeSpan):
    """A word that the engine was unsure of."""

    word: str
    score: float = Field(ge=0, le=1)
    speaker: str | None = Field(description="display name")
    utterance: str


class SpeakerCount(Record):
    """How many speakers, and what else it could be."""

    count: int
    given: bool = Field(description="True: the user said so; False: estimated")
    alternatives: dict[int, float] = Field(default_factory=dict, description="other counts → relative support 0..1")


class DoubtLedger(Record):
    """What to check first."""

    doubts: list[DoubtEntry] = Field(default_factory=list, description="by time, then those of voices")
    low_confidence_below: float = LOW_CONFIDENCE
    low_confidence_words: int = Field(default=0, ge=0, description="how many words score lower; estimated ones apart")
    least_certain: list[DoubtfulWord] = Field(default_factory=list, description="the worst of them, worst first")
    speaker_count: SpeakerCount | None = None


def coverage_ledger(findings: Findings, utterances: Sequence[Utterance]) -> CoverageLedger:
    """Count what the run did not cover.

    Args:
        findings: everything that the stages found.
        utterances: what is published as the transcript, with words where alignment succeeded.
    """
    transcribed, diarized = findings.transcribed, findings.diarized
    turns = [(turn.start_ms, turn.end_ms) for turn in diarized.turns] if diarized else None
    speech = merge(transcribed.speech_spans) if transcribed else (merge(turns) if turns is not None else None)
    words = [word for utterance in utterances for word in utterance.words]
    bare = subtract(speech, _covered(utterances)) if speech is not None and transcribed else None
    gaps = None if bare is None else _countable(bare)
    nobody = _countable(subtract(speech, merge(turns))) if speech is not None and turns is not None else None
    skipped = transcribed.skipped if transcribed else []
    return CoverageLedger(
        duration_s=findings.preprocessed.duration_ms / 1000,
        speech_s=_total_s(speech),
        speech_without_words_s=_total_s(gaps),
        speech_without_words=[TimeSpan(start_s=a / 1000, end_s=b / 1000) for a, b in gaps or []],
        speech_without_speaker_s=_total_s(nobody),
        skipped_s=sum(span.end_ms - span.start_ms for span in skipped) / 1000,
        skipped=[
            SkippedStretch(start_s=span.start_ms / 1000, end_s=span.end_ms / 1000, reason=span.reason)
            for span in skipped
        ],
        words=len(words),
        words_without_speaker=sum(word.speaker is None for word in words),
        words_with_estimated_times=sum(word.estimated for word in words),
    )


def doubt_ledger(findings: Findings, utterances: Sequence[Utterance], names: Mapping[str, str]) -> DoubtLedger:
    """Gather what the engines doubt, and rank the words they were least sure of."""
    stages = [stage for stage in (findings.transcribed, findings.aligned) if stage is not None]
    doubts = sorted(
        {doubt.model_dump_json(): doubt for stage in stages for doubt in stage.doubts}.values(),
        key=lambda d: (d.start_ms, d.end_ms, d.kind, d.text),
    )
    unsure = low_confidence_words(word for utterance in utterances for word in utterance.words)
    count = findings.diarized.count if findings.diarized else None
    return DoubtLedger(
        doubts=[
            *(
                DoubtEntry(
                    kind=d.kind,
                    start_s=d.start_ms / 1000,
                    end_s=d.end_ms / 1000,
                    text=d.text,
                    message=d.message,
                    verdict=d.verdict,
                )
                for d in doubts
            ),
            *_of_voices(findings),
        ],
        low_confidence_words=len(unsure),
        least_certain=[
            DoubtfulWord(
                word=w.text,
                score=round(w.score, 3),
                start_s=w.start_ms / 1000,
                end_s=w.end_ms / 1000,
                speaker=None if w.speaker is None else names.get(w.speaker, w.speaker),
                utterance=w.utterance,
            )
            for w in unsure[:LISTED_WORDS]
        ],
        speaker_count=SpeakerCount(count=count.count, given=count.given, alternatives=count.alternatives)
        if count
        else None,
    )


def _of_voices(findings: Findings) -> list[DoubtEntry]:
    turns = findings.diarized.turns if findings.diarized else []
    entries = []
    for doubt in findings.voice_doubts:
        own = [turn for turn in turns if turn.speaker == doubt.label]
        if own:
            longest = max(own, key=lambda turn: (turn.end_ms - turn.start_ms, -turn.start_ms))
            start_s, end_s = longest.start_ms / 1000, longest.end_ms / 1000
            entries.append(DoubtEntry(kind=doubt.kind, start_s=start_s, end_s=end_s, message=doubt.message))
    return entries


def low_confidence_words(words: Iterable[Word]) -> list[Word]:
    """Words below the threshold, least certain first; estimated words say nothing about certainty."""
    return sorted(filter(is_unsure, words), key=lambda word: (word.score, word.start_ms))


def _countable(spans: Iterable[Span]) -> list[Span]:
    return [span for span in spans if span[1] - span[0] >= SHORTEST_GAP_MS]


def _covered(utterances: Iterable[Utterance]) -> list[Span]:
    spans: list[Span] = []
    for utterance in utterances:
        if utterance.words:
            spans.extend((word.start_ms, word.end_ms) for word in utterance.words)
        elif utterance.start_ms is not None and utterance.end_ms is not None:
            spans.append((utterance.start_ms, utterance.end_ms))
    return merge(spans, BRIDGED_MS)


def _total_s(spans: Sequence[Span] | None) -> float | None:
    return None if spans is None else sum(end - start for start, end in spans) / 1000
