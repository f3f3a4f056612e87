"""Which of the enrolled voices are the voices of a recording: sure, in doubt, or nobody known. Never a guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field

from earwitness.schema import Record
from earwitness.speech.voice_encoder import Vectors
from earwitness.voices.voiceprint import VoicePrint, trace_of
from earwitness.words.cast import Cast, Speaker
from earwitness.words.naming import member_called

SURE = 0.80
"""Cosine likeness from which a voice is somebody's. In other recordings than those the bench scores (AMI, clips of one
reader) 65 pairs of different people have at most 0.793, and 13 of the same person 0.76 to 0.93."""
DOUBTFUL = 0.72
"""From here up to `SURE` a voice may be somebody's: a line in the doubt ledger, and no name."""
MARGIN = 0.04
"""By how much the likeness to the next person has to be smaller."""
SAME = 0.92
"""From here two voices of a recording that both are surely one person's are taken for one: one voice divided in two,
each part heard for 2 s, has at least 0.926; two people on one telephone line up to 0.85."""
MIN_TALK_MS = 2_000
"""Who says less is not named: so short a voice has no likeness to rely on."""
_LISTED = 3

Kind = Literal["voice-unsure", "voice-merge", "voice-contradicts"]


class VoiceDoubt(Record):
    """A voice that an enrolled one may be behind."""

    kind: Kind
    label: str
    message: str
    traces: list[str] = Field(description="marks of the people it speaks of; never published")


@dataclass(frozen=True, slots=True)
class _Likeness:
    name: str
    score: float


def name_by_voice(
    speakers: Sequence[Speaker],
    voices: Mapping[str, Vectors],
    prints: Sequence[VoicePrint],
    cast: Cast | None,
    talk_ms: Mapping[str, int],
) -> tuple[list[Speaker], list[VoiceDoubt]]:
    """Name the voices that nobody has named yet.

    Names from the transcript, the cast's labels and corrections stay as they are; where a voice surely says otherwise,
    or where one person has two voices, the doubts say so.

    Args:
        speakers: every voice, with the names that are known.
        voices: label → embedding, unit length; labels without one are left alone.
        prints: those that may be used here, all of one encoder.
        cast: where it is complete, nobody else is looked for.
        talk_ms: label → how long it talks.
    """
    names = {item.name: _person(item.name, cast) for item in prints}
    wanted = [item for item in prints if not (cast and cast.members and cast.complete) or _member(item.name, cast)]
    if not wanted:
        return list(speakers), []
    ranked = {label: _ranked(vector, wanted) for label, vector in sorted(voices.items())}
    sure = {label: best for label, found in ranked.items() if (best := _sure(found)) and _long(label, talk_ms)}
    taken = {speaker.name.casefold(): speaker.label for speaker in speakers if speaker.named_by != "nobody"}
    doubts: list[VoiceDoubt] = []
    given: dict[str, _Likeness] = {}
    unnamed = [speaker.label for speaker in speakers if speaker.named_by == "nobody"]
    for label in sorted((label for label in unnamed if label in sure), key=lambda label: (-sure[label].score, label)):
        best = sure[label]
        owner = taken.get(names[best.name].casefold())
        if owner is None:
            given[label] = best
            taken[names[best.name].casefold()] = label
            continue
        alike = owner in voices and float(voices[owner] @ voices[label]) >= SAME
        if alike and owner in given:
            given[label] = best
        doubts.append(_merge(label, owner, names[best.name], best))
    for label in unnamed:
        found = ranked.get(label, [])
        if label not in sure and found and found[0].score >= DOUBTFUL:
            doubts.append(_unsure(label, found, names, short=not _long(label, talk_ms)))
    for speaker in speakers:
        contrary = sure.get(speaker.label) if speaker.named_by in {"transcript", "track", "cast"} else None
        if contrary and names[contrary.name].casefold() != speaker.name.casefold():
            doubts.append(_contradicts(speaker, names[contrary.name], contrary))
    named = [_named(speaker, given[speaker.label], cast) if speaker.label in given else speaker for speaker in speakers]
    return named, sorted(doubts, key=lambda doubt: (doubt.label, doubt.kind))


def _long(label: str, talk_ms: Mapping[str, int]) -> bool:
    return talk_ms.get(label, 0) >= MIN_TALK_MS


def _member(name: str, cast: Cast | None) -> bool:
    return cast is not None and member_called(name, cast.members) is not None


def _person(name: str, cast: Cast | None) -> str:
    member = member_called(name, cast.members) if cast else None
    return member.person if member else name


def _ranked(vector: Vectors, prints: Sequence[VoicePrint]) -> list[_Likeness]:
    best: dict[str, float] = {}
    for item in prints:
        score = round(float(np.dot(vector, item.vector)), 3)
        best[item.name] = max(best.get(item.name, -1.0), score)
    return sorted((_Likeness(name, score) for name, score in best.items()), key=lambda item: (-item.score, item.name))


def _sure(ranked: Sequence[_Likeness]) -> _Likeness | None:
    if not ranked or ranked[0].score < SURE:
        return None
    if any(first.score - second.score < MARGIN for first, second in pairwise(ranked[:2])):
        return None
    return ranked[0]


def _named(speaker: Speaker, best: _Likeness, cast: Cast | None) -> Speaker:
    member = member_called(best.name, cast.members) if cast else None
    return Speaker(
        label=speaker.label,
        name=member.person if member else best.name,
        character=member.character if member else None,
        role=member.role if member else None,
        role_by="cast" if member and member.role else None,
        named_by="voice",
        score=best.score,
        trace=trace_of(best.name),
    )


def _unsure(label: str, ranked: Sequence[_Likeness], names: Mapping[str, str], *, short: bool) -> VoiceDoubt:
    near = [item for item in ranked if item.score >= DOUBTFUL][:_LISTED]
    said = " or ".join(f"{names[item.name]} ({item.score:.2f})" for item in near)
    why = "it says too little to be sure" if short else "that is not sure enough to name it"
    return VoiceDoubt(
        kind="voice-unsure",
        label=label,
        message=f"{label} sounds like {said}; {why}.",
        traces=[trace_of(item.name) for item in near],
    )


def _merge(label: str, owner: str, person: str, best: _Likeness) -> VoiceDoubt:
    return VoiceDoubt(
        kind="voice-merge",
        label=label,
        message=f"{label} sounds like {person} ({best.score:.2f}), as {owner} is named. If both are one person: "
        f"earwitness fix BUNDLE --merge {label}={owner}.",
        traces=[trace_of(best.name)],
    )


def _contradicts(speaker: Speaker, person: str, best: _Likeness) -> VoiceDoubt:
    return VoiceDoubt(
        kind="voice-contradicts",
        label=speaker.label,
        message=f"{speaker.label} is {speaker.name} by the {speaker.named_by}, but sounds like {person} "
        f"({best.score:.2f}).",
        traces=[trace_of(best.name)],
    )
