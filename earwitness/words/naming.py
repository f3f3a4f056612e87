"""Giving voices their names: only ones that the user or the transcript stated, never a guess."""

from collections.abc import Mapping, Sequence
from typing import Literal

from earwitness.words.cast import Cast, CastMember, Speaker

_SLIVER = 0.1
"""A voice with less than this share of the talk of another of the same name owes the name to words at its edges."""


def name_speakers(
    labels: Sequence[str],
    names: Mapping[str, str],
    cast: Cast | None,
    talk_ms: dict[str, int],
    tracks: Mapping[str, str] | None = None,
) -> list[Speaker]:
    """Who each voice is.

    A member's pinned `speaker` label wins. Otherwise the name that the transcript gives a label, else the name of its
    track, is looked up in the
    cast (person, alias or character, upper and lower case alike) and used where exactly one member answers to it.
    Everyone else keeps that name, or the label: people who can't be told apart are not named.

    Args:
        labels: diarization labels, in the order wanted.
        names: label → name that the transcript gives; labels without one are absent.
        cast: the cast file, if any.
        talk_ms: label → how long it talks, which settles who owns a name that two labels share.
        tracks: label → name of the file that holds only this voice, where there is one.
    """
    members = cast.members if cast else []
    pinned = {member.speaker: member for member in members if member.speaker}
    taken = {member.person.casefold() for label, member in pinned.items() if label in labels}
    said = {**(tracks or {}), **{label: name for label, name in names.items() if name.strip()}}
    stated = {label: " ".join(said[label].split()) for label in labels if said.get(label, "").strip()}
    found = {label: member_called(name, members) for label, name in stated.items()}
    owners = _owners(stated, found, talk_ms)
    speakers = []
    for label in labels:
        member = pinned.get(label)
        if member is None and label in owners:
            member = found.get(label)
            if member is not None and member.person.casefold() in taken:
                speakers.append(Speaker(label=label, name=label))
                continue
        if member is not None:
            speakers.append(
                Speaker(
                    label=label,
                    name=member.person,
                    character=member.character,
                    role=member.role,
                    role_by="cast" if member.role else None,
                    named_by="cast",
                )
            )
        elif label in owners:
            by: Literal["transcript", "track"] = "transcript" if names.get(label, "").strip() else "track"
            speakers.append(Speaker(label=label, name=stated[label], named_by=by))
        else:
            speakers.append(Speaker(label=label, name=label))
    return speakers


def member_called(name: str, members: Sequence[CastMember]) -> CastMember | None:
    """The only member who answers to `name`, as person, alias or character."""
    wanted = name.casefold()
    answering = [
        member
        for member in members
        if any(
            wanted == " ".join(known.split()).casefold()
            for known in (member.person, *member.aliases, member.character or "")
        )
    ]
    return answering[0] if len(answering) == 1 else None


def _owners(stated: dict[str, str], found: dict[str, CastMember | None], talk_ms: dict[str, int]) -> set[str]:
    longest: dict[str, int] = {}
    keys = {}
    for label, name in stated.items():
        member = found[label]
        keys[label] = (member.person if member else name).casefold()
        longest[keys[label]] = max(longest.get(keys[label], 0), talk_ms.get(label, 0))
    return {label for label, key in keys.items() if talk_ms.get(label, 0) >= _SLIVER * longest[key]}


def shown_name(label: str | None, speakers: Mapping[str, Speaker], *, in_world: bool) -> str:
    """How people know a voice: the person, else the label; nothing for a voice without one.

    Args:
        label: of the voice.
        speakers: label → who that is.
        in_world: at a game's table a player is known by the character.
    """
    if label is None:
        return ""
    speaker = speakers.get(label)
    if speaker is None:
        return label
    return " ".join((speaker.character if in_world and speaker.character else speaker.name).split())


def vocabulary(cast: Cast | None) -> list[str]:
    """Names that a recogniser should know and that notes may use: people, aliases, characters, campaign; no repeats."""
    if cast is None:
        return []
    found: dict[str, None] = {}
    for member in cast.members:
        for name in (member.person, *member.aliases, member.character):
            if name:
                found.setdefault(name)
    if cast.campaign:
        found.setdefault(cast.campaign)
    return list(found)
