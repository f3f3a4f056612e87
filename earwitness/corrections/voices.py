"""Corrections of who the voices are."""

from collections.abc import Mapping, Sequence

from earwitness.corrections.corrections import Corrections
from earwitness.speech.turns import CountEstimate, Diarized, Turn
from earwitness.words.cast import Cast, Speaker
from earwitness.words.naming import member_called


def merge_voices(diarized: Diarized | None, corrections: Corrections) -> Diarized | None:
    """The turns with voices of one person under one label; turns that then overlap become one."""
    if diarized is None or not corrections.merged:
        return diarized
    turns = _joined(diarized.turns, corrections)
    count = len({turn.speaker for turn in turns})
    return diarized.model_copy(
        update={
            "turns": turns,
            "exclusive": _joined(diarized.exclusive, corrections),
            "count": CountEstimate(count=count, given=True),
            "seal": None,
        }
    )


def rename(speakers: Sequence[Speaker], names: Mapping[str, str], cast: Cast | None) -> list[Speaker]:
    """The speakers under the names that a person gave them; character and role only where the cast knows the name."""
    renamed = []
    for speaker in speakers:
        name = names.get(speaker.label)
        member = member_called(name, cast.members) if name and cast else None
        if name is None:
            renamed.append(speaker)
        elif member is not None:
            renamed.append(
                Speaker(
                    label=speaker.label,
                    name=member.person,
                    character=member.character,
                    role=member.role,
                    role_by="cast" if member.role else None,
                    named_by="correction",
                )
            )
        else:
            renamed.append(Speaker(label=speaker.label, name=name, named_by="correction"))
    return renamed


def _joined(turns: Sequence[Turn], corrections: Corrections) -> list[Turn]:
    latest: dict[str, int] = {}
    joined: list[Turn] = []
    for turn in turns:
        speaker = corrections.voice_of(turn.speaker)
        at = latest.get(speaker)
        if at is not None and turn.start_ms < joined[at].end_ms:
            joined[at] = joined[at].model_copy(update={"end_ms": max(joined[at].end_ms, turn.end_ms)})
            continue
        latest[speaker] = len(joined)
        joined.append(turn.model_copy(update={"speaker": speaker}))
    return joined
