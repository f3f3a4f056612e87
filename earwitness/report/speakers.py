"""The page's table of how people talk: each figure as people read it, a dash where nothing could be measured."""

from collections.abc import Callable, Sequence
from typing import Any

from earwitness.archive.record import RecordedSpeaker, RecordingJson
from earwitness.talk.talk import SpeakerTalk
from earwitness.words.cast import role_text

_NONE = "–"


def speaker_rows(
    speakers: Sequence[RecordedSpeaker], colour: Callable[[int], str], duration_text: Callable[[int], str]
) -> list[dict[str, Any]]:
    """One row a speaker who was told apart; none where the analysis failed.

    Args:
        speakers: in the page's order.
        colour: number of a speaker → class of its colour.
        duration_text: milliseconds → text.
    """
    return [
        {
            "name": speaker.name,
            "about": about(speaker),
            "colour": colour(number),
            "percent": _percent(speaker.talk.share),
            "spoken": duration_text(round(speaker.talk.speaking_s * 1000)),
            "turns": f"{speaker.talk.turns:,}",
            "rate": _rounded(speaker.talk.words_per_minute),
            "pitch": _rounded(speaker.talk.pitch.median_hz if speaker.talk.pitch else None, " Hz"),
            "range": _range(speaker.talk),
            "level": _against(speaker.talk),
            "made": speaker.talk.interruptions_made,
            "suffered": speaker.talk.interruptions_suffered,
            "monologue": _monologue(speaker.talk, duration_text),
        }
        for number, speaker in enumerate(speakers)
        if speaker.talk is not None
    ]


def about(speaker: RecordedSpeaker) -> str:
    """Character and role, an inferred one marked."""
    return ", ".join(part for part in (speaker.character, role_text(speaker.role, speaker.role_by)) if part)


def conversation_text(recording: RecordingJson) -> str:
    """The conversation in one line; empty where it was not analysed."""
    found = recording.conversation
    if found is None:
        return ""
    parts = [f"{found.speaker_changes:,} change{'' if found.speaker_changes == 1 else 's'} of speaker"]
    if found.overlap_share is not None:
        parts.append(f"{_percent(found.overlap_share)} of the speech at once")
    if found.silence_share is not None:
        parts.append(f"{_percent(found.silence_share)} silence")
    names = {speaker.label: speaker.name for speaker in recording.speakers}
    if found.dominant is not None:
        parts.append(f"{names.get(found.dominant, found.dominant)} speaks at least twice as long as anybody else")
    return " · ".join(parts)


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _rounded(value: float | None, unit: str = "") -> str:
    return _NONE if value is None else f"{value:.0f}{unit}"


def _range(talk: SpeakerTalk) -> str:
    return f"{talk.pitch.low_hz:.0f}–{talk.pitch.high_hz:.0f} Hz" if talk.pitch else ""


def _against(talk: SpeakerTalk) -> str:
    if talk.level is None or talk.level.against_others_db is None:
        return _NONE
    return f"{talk.level.against_others_db:+.0f} dB".replace("-", "−").replace("+0", "0").replace("−0", "0")


def _monologue(talk: SpeakerTalk, duration_text: Callable[[int], str]) -> dict[str, Any] | None:
    if talk.longest_monologue is None:
        return None
    start_ms, end_ms = round(talk.longest_monologue.start_s * 1000), round(talk.longest_monologue.end_s * 1000)
    return {"start_ms": start_ms, "length": duration_text(end_ms - start_ms)}
