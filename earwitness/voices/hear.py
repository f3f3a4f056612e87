"""Listen to the voices of a recording and name those that are enrolled, or that the cast has samples of."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from earwitness.engines.supervisor import run_supervised
from earwitness.errors import EarwitnessError, Interrupted
from earwitness.schema import Record
from earwitness.settings import VoiceSettings
from earwitness.speech.turns import Diarized
from earwitness.speech.voice_encoder import Vectors
from earwitness.storage.whereabouts import last_seen
from earwitness.voices.enrolled import enrolled_voices, today, usable_voices
from earwitness.voices.identify import VoiceDoubt, name_by_voice
from earwitness.voices.sample import encoder_id, portraits, stored_portraits, take_sample
from earwitness.voices.voiceprint import VoicePrint, packed
from earwitness.words.cast import Cast, CastMember, Speaker

_LIMIT_S = 600.0


class Named(Record):
    """Who the voices of a recording are."""

    speakers: list[Speaker]
    doubts: list[VoiceDoubt] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


def name_those_heard(
    speakers: Sequence[Speaker],
    diarized: Diarized | None,
    speech: Path,
    cast: Cast | None,
    settings: VoiceSettings,
    talk_ms: Mapping[str, int],
) -> Named:
    """Name the speakers that nobody named yet, as far as their voices are known.

    What goes wrong here costs names and nothing else: it becomes a warning.

    Args:
        speakers: every voice, with the names that transcript, cast and corrections give.
        diarized: their turns; None: nobody was told apart, so nobody is listened for.
        speech: 16 kHz mono file that the turns are of.
        cast: the cast file, if any, whose samples count as enrolled for this recording.
        settings: whether, and with which scope.
        talk_ms: label → how long it talks.
    """
    if not settings.use or diarized is None or not diarized.turns:
        return Named(speakers=list(speakers))
    enrolled, warnings = enrolled_voices()
    prints = usable_voices(enrolled, settings.scope or (cast.campaign if cast else None))
    warnings += [f"The voice of {item.name} is not used: {why}." for item in enrolled if (why := _useless(item))]
    for member in cast.members if cast else []:
        if member.samples:
            try:
                prints = [*prints, _of_member(member)]
            except Interrupted:
                raise
            except EarwitnessError as error:
                warnings.append(f"The samples of {member.person} are not used: {error}")
    if not prints:
        return Named(speakers=list(speakers), warnings=warnings)
    try:
        voices = _heard(diarized, speech)
    except Interrupted:
        raise
    except EarwitnessError as error:
        warnings.append(f"Nobody was named by voice: {error}")
        return Named(speakers=list(speakers), warnings=warnings)
    named, doubts = name_by_voice(speakers, voices, prints, cast, talk_ms)
    return Named(speakers=named, doubts=doubts, warnings=warnings)


def _useless(item: VoicePrint) -> str:
    if item.expired(today()):
        return f"it expired after {item.expires}"
    if item.encoder != encoder_id():
        return f"it was made by another encoder ({item.encoder}); enrol it again"
    return ""


def _of_member(member: CastMember) -> VoicePrint:
    """The print of a cast member, made anew in each run and kept nowhere."""
    files = [path for digest in member.samples if (path := last_seen(digest)) is not None]
    if len(files) < len(member.samples):
        raise _Moved("A sample is not where it was when the cast file was read.", "Give the cast file again: --cast.")
    sampled = run_supervised("diarize", take_sample, files, None, timeout_s=_LIMIT_S)
    return VoicePrint(
        name=member.person,
        encoder=encoder_id(),
        embedding=packed(sampled.vector),
        speech_s=round(sampled.speech_s, 1),
        samples=len(files),
        added=today(),
    )


class _Moved(EarwitnessError):
    code = "sample-moved"


def _heard(diarized: Diarized, speech: Path) -> dict[str, Vectors]:
    """Diarization's own embeddings where they are ours and still there; else we listen to the turns again."""
    labels = {turn.speaker for turn in diarized.turns}
    stored = {label: vector for label, vector in stored_portraits(diarized).items() if label in labels}
    missing = [turn for turn in diarized.exclusive if turn.speaker not in stored]
    if not missing:
        return stored
    return {**run_supervised("diarize", portraits, speech, missing, timeout_s=_LIMIT_S), **stored}
