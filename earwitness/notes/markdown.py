"""Notes as a Markdown page for people."""

import re
from collections.abc import Mapping, Sequence

from earwitness.memory.memory import Changes
from earwitness.memory.telling import HEADING, groups_of, since
from earwitness.notes.notes import Notes
from earwitness.words.cast import Speaker
from earwitness.words.formats import clock_text
from earwitness.words.transcript import Utterance

_ACTIVE = re.compile(r"([\\`*_{}\[\]<>|#~])")
_LINE_START = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def escape(text: str) -> str:
    """One line in which nothing is markup, whatever people said or called themselves."""
    line = _ACTIVE.sub(r"\\\1", " ".join(text.split()))
    return _LINE_START.sub(lambda m: f"{m.group(1)}\\{m.group(2)}" if m.group(2) in "-+=" else m.group(), line)


def clock(ms: int | None) -> str:
    """`1:02:03`; empty where there is no time."""
    return "" if ms is None else clock_text(ms)


def notes_markdown(
    notes: Notes, utterances: Sequence[Utterance], speakers: Sequence[Speaker], *, players: bool = False
) -> str:
    """Title, abstract, who speaks, chapters, and every claim with its citations and their times.

    Args:
        notes: the game master's, or the players'.
        utterances: the transcript.
        speakers: who the labels are.
        players: these are for players, who have no file of the story.
    """
    heard = {utterance.id: utterance for utterance in utterances}
    parts = [f"# {escape(notes.title)}"]
    if notes.abstract:
        parts.append(escape(notes.abstract))
    if speakers:
        parts.append("\n".join(["## Speakers", "", *(f"- {_who(speaker)}" for speaker in speakers)]))
    if len(notes.chapters) > 1:
        lines = []
        for chapter in notes.chapters:
            time = clock(chapter.start_ms)
            place = f"{time} " if time else ""
            lines.append(f"- {place}{escape(chapter.title)} ({chapter.first} to {chapter.last})")
        parts.append("\n".join(["## Chapters", "", *lines]))
    claims = {claim.id: claim for claim in notes.claims}
    for section in notes.sections:
        lines = []
        for key in section.claims:
            claim = claims[key]
            doubt = "" if claim.supported else " *(not carried by its evidence)*"
            cited = " ".join(_cited(heard.get(place), place) for place in claim.evidence)
            lines.append(f"- {escape(claim.text)} {cited}{doubt}")
        parts.append("\n".join([f"## {escape(section.heading)}", "", *(lines or ["Nothing was found."])]))
    if notes.changes:
        parts.append(_what_changed(notes.changes, heard))
    if notes.story and players:
        parts += ["## Story", notes.story.strip()]
    if notes.private:
        parts.append(f"Players must not know {len(notes.private)} utterances: notes.players.md is made without them.")
    parts.append(_how_it_was_made(notes))
    return "\n\n".join(parts) + "\n"


def _what_changed(changes: Changes, heard: Mapping[str, Utterance]) -> str:
    parts = [f"## {HEADING}", escape(since(changes))]
    for group in groups_of(changes):
        lines = []
        for line in group.lines:
            cited = " ".join(_cited(heard.get(place), place) for place in line.evidence)
            lines.append(f"- {escape(line.text)} {cited}".rstrip())
        more = [f"- and {group.more} more, in notes.json"] if group.more else []
        parts.append("\n".join([f"### {group.heading}", "", *lines, *more]))
    return "\n\n".join(parts)


def _how_it_was_made(notes: Notes) -> str:
    if not notes.readings and notes.engine == "chat":
        return "A language model wrote the sentences above, and they were compared with what was said."
    if not notes.readings:
        return f"{notes.words_read} words were read; every sentence above was said where it points to."
    parts = "1 part" if len(notes.readings) == 1 else f"{len(notes.readings)} parts"
    plain = sum(reading.engine == "extractive" for reading in notes.readings)
    told = f"{notes.words_read} words were read in {parts}. A language model wrote the sentences above, and names, "
    told += "numbers, quotations and speakers were compared with what was said where they point to."
    if plain:
        told += f" {plain} of the parts were noted without it, in words that were said."
    if notes.supported_share is not None:
        told += f" {100 * notes.supported_share:.0f} % of what was written is carried by it"
        told += (
            f"; {len(notes.dropped)} sentences are left out (notes.json says which and why)." if notes.dropped else "."
        )
    return told


def _cited(utterance: Utterance | None, key: str) -> str:
    time = clock(utterance.start_ms) if utterance else ""
    return f"[{key}, {time}]" if time else f"[{key}]"


def _who(speaker: Speaker) -> str:
    details = [escape(part) for part in (speaker.character, speaker.role_text) if part]
    return escape(speaker.name) + (f" ({', '.join(details)})" if details else "")
