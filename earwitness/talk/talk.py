"""What is published of how people talk: one entry a voice, and the conversation as a whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from pydantic import Field

from earwitness.audio.pcm import speech_duration_ms
from earwitness.progress import Progress, no_progress
from earwitness.schema import Record, StageResult
from earwitness.speech.turns import Turn
from earwitness.talk.turn_taking import Floor, TurnTaking, take_turns
from earwitness.talk.voice import Voice, listen_to_voices, semitones
from earwitness.words.transcript import Word

DOMINANT = 2.0
"""Somebody dominates who speaks this many times as long as anybody else."""
ENOUGH_SPEECH_MS = 30_000
"""Speech, of all together, below which nobody dominates."""
ENOUGH_FOR_RATE_MS = 5_000
"""Speaking time below which words per minute say nothing."""


class Pitch(Record):
    """Of the voiced sound in which the speaker speaks alone."""

    median_hz: float = Field(gt=0)
    low_hz: float = Field(gt=0, description="5th percentile")
    high_hz: float = Field(gt=0, description="95th percentile")
    range_semitones: float = Field(ge=0, description="from low to high")


class Level(Record):
    """Of the same sound."""

    median_dbfs: float
    against_others_db: float | None = Field(
        default=None, description="difference to the median of the other speakers' levels; absent: nobody else measured"
    )


class Monologue(Record):
    """The longest time that one speaker has the floor, small interjections of others apart."""

    start_s: float = Field(ge=0)
    end_s: float


class SpeakerTalk(Record):
    """How one person talks. What can't be measured is absent, never 0."""

    speaking_s: float = Field(ge=0)
    share: float = Field(ge=0, le=1, description="of everybody's speaking time")
    turns: int = Field(ge=0, description="times that the floor went to this speaker")
    words: int | None = Field(default=None, ge=0, description="absent without a transcript with times")
    words_per_minute: float | None = Field(default=None, ge=0, description="over speaking time; absent below 5 s of it")
    overlap_s: float = Field(ge=0, description="speaking while somebody else speaks")
    interruptions_made: int = Field(ge=0)
    interruptions_suffered: int = Field(ge=0)
    backchannels: int = Field(ge=0, description="talk of up to 1 s wholly inside another's talk, such as mhm")
    attempts: int = Field(ge=0, description="longer talk wholly inside another's talk: it did not get the floor")
    median_gap_s: float | None = Field(
        default=None,
        description="from the end of the speaker before to the start of a turn; below 0: overlap; absent below 3 turns",
    )
    longest_monologue: Monologue | None = None
    voiced_s: float = Field(ge=0, description="sound that pitch and level rest on")
    pitch: Pitch | None = Field(default=None, description="absent below 2 s of voiced sound alone")
    level: Level | None = Field(default=None, description="absent below 1 s of voiced sound alone")


class Conversation(Record):
    """How all of them talk together."""

    silence_share: float | None = Field(default=None, ge=0, le=1, description="of the recording: nobody speaks")
    overlap_share: float | None = Field(default=None, ge=0, le=1, description="of the time in which somebody speaks")
    speaker_changes: int = Field(ge=0)
    dominant: str | None = Field(
        default=None, description="label of who speaks at least twice as long as anybody else; absent: nobody does"
    )


class Talk(StageResult):
    """Result of *speakers*."""

    speakers: dict[str, SpeakerTalk] = Field(description="diarization label → how that person talks")
    conversation: Conversation


def analyse_talk(
    speech: Path, turns: Sequence[Turn], words: Iterable[Word] | None, progress: Progress = no_progress
) -> Talk:
    """Measure how people talk: docs/speakers.md defines each figure and names its source.

    Args:
        speech: 16 kHz mono file; read in windows of 20 s.
        turns: who speaks when, overlap kept.
        words: with diarization labels as speakers; None: there is no transcript.
        progress: told how far it is.

    Raises:
        StorageError: the file can't be read.
    """
    taking = take_turns(turns)
    voices = listen_to_voices(speech, taking.alone, progress)
    said = None if words is None else Counter(word.speaker for word in words)
    total = sum(floor.speaking_ms for floor in taking.floors.values())
    speakers = {
        label: _speaker(floor, total, voices, label, None if said is None else said[label])
        for label, floor in taking.floors.items()
    }
    return Talk(speakers=speakers, conversation=_conversation(taking, speech_duration_ms(speech)))


def _speaker(floor: Floor, total_ms: int, voices: Mapping[str, Voice], label: str, words: int | None) -> SpeakerTalk:
    enough = words is not None and floor.speaking_ms >= ENOUGH_FOR_RATE_MS
    gap_ms, monologue, voice = floor.median_gap_ms, floor.monologue, voices[label]
    return SpeakerTalk(
        speaking_s=floor.speaking_ms / 1000,
        share=round(floor.speaking_ms / total_ms, 4) if total_ms else 0.0,
        turns=floor.turns,
        words=words,
        words_per_minute=round(words * 60_000 / floor.speaking_ms, 1) if enough and words is not None else None,
        overlap_s=floor.overlap_ms / 1000,
        interruptions_made=floor.interruptions_made,
        interruptions_suffered=floor.interruptions_suffered,
        backchannels=floor.backchannels,
        attempts=floor.attempts,
        median_gap_s=None if gap_ms is None else round(gap_ms / 1000, 3),
        longest_monologue=Monologue(start_s=monologue[0] / 1000, end_s=monologue[1] / 1000) if monologue else None,
        voiced_s=voice.voiced_ms / 1000,
        pitch=_pitch(voice),
        level=_level(label, voices),
    )


def _pitch(voice: Voice) -> Pitch | None:
    if voice.median_hz is None or voice.low_hz is None or voice.high_hz is None:
        return None
    return Pitch(
        median_hz=voice.median_hz,
        low_hz=voice.low_hz,
        high_hz=voice.high_hz,
        range_semitones=round(semitones(voice.low_hz, voice.high_hz), 1),
    )


def _level(label: str, voices: Mapping[str, Voice]) -> Level | None:
    own = voices[label].level_dbfs
    if own is None:
        return None
    others = [voice.level_dbfs for other, voice in voices.items() if other != label and voice.level_dbfs is not None]
    return Level(median_dbfs=own, against_others_db=round(own - median(others), 1) if others else None)


def _conversation(taking: TurnTaking, duration_ms: int) -> Conversation:
    # turns may end a little after the sound does
    silence = max(0.0, 1 - taking.speech_ms / duration_ms) if duration_ms else None
    return Conversation(
        silence_share=None if silence is None else round(silence, 4),
        overlap_share=round(taking.overlap_ms / taking.speech_ms, 4) if taking.speech_ms else None,
        speaker_changes=taking.changes,
        dominant=_dominant(taking),
    )


def _dominant(taking: TurnTaking) -> str | None:
    ranked = sorted(((floor.speaking_ms, label) for label, floor in taking.floors.items()), reverse=True)
    if len(ranked) < 2 or sum(spoken for spoken, _ in ranked) < ENOUGH_SPEECH_MS:
        return None
    return ranked[0][1] if ranked[0][0] >= DOMINANT * ranked[1][0] else None
