"""`Name: text`: telling a speaker's name from any other text before a colon."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earwitness.speech.transcript_formats import RawSegment

_DASHES = "-\u2013\u2014"
_PREFIX = re.compile(
    rf"^\s*(?:[{_DASHES}]\s+|>>\s*)?(?:\[([^\[\]:\n]{{1,60}})\]|([^\s\[\]:][^\[\]:\n]{{0,59}}?))\s?:(?!//)(?:\s+|$)"
)
_DASH = re.compile(rf"^\s*(?:[{_DASHES}]\s+|>>\s*)")
_TOKEN = re.compile(r"^(?:[^\W\d_][\w.'\u2019&-]*|\d{1,3}|#\d+|\([^()]+\)|&|[A-Z]+_\d+)$")
_PARTICLES = frozenset((
    "de", "del", "della", "der", "di", "du", "la", "le", "van", "von", "den", "bin", "al", "of", "the", "and", "y",
    "e", "da", "dos",
))  # fmt: skip
_NOT_NAMES = frozenset((
    "note", "notes", "nb", "warning", "caution", "example", "examples", "remember", "update", "ps", "chapter",
    "part", "scene", "title", "date", "time", "place", "location", "subject", "re", "topic", "question", "answer",
    "quote", "summary", "conclusion", "first", "second", "third", "finally", "however", "also", "so", "then", "but",
    "and", "or", "result", "option", "step", "tip", "hint", "fact", "problem", "solution", "reason", "today",
    "tomorrow", "http", "https", "agenda", "item", "action", "recording", "transcript", "file", "duration",
    "language", "attendees", "present", "participants", "speakers", "author", "source", "url",
))  # fmt: skip
"""Words that open a sentence with a colon far more often than they name somebody."""


def split_speakers(segments: "Sequence[RawSegment]", *, carry_on: bool = False) -> "list[RawSegment]":
    """Move names from the front of the text into `speaker`, and part segments in which several people speak.

    A candidate is taken for a name if it looks like one and comes twice, or once in a file most of whose lines start
    with a name. A segment that already has a speaker is left alone.

    Args:
        segments: in reading order; a segment may have several lines.
        carry_on: lines without a name belong to the speaker before them.
    """
    names = _names([line for segment in segments if segment.speaker is None for line in segment.text.split("\n")])
    found: list[RawSegment] = []
    speaker: str | None = None
    for segment in segments:
        if segment.speaker is not None:
            found.append(segment)
            continue
        if not carry_on:
            speaker = None
        pieces: list[tuple[str | None, str]] = []
        for line in segment.text.split("\n"):
            name, said = _parted(line)
            if name in names:
                speaker = name
                pieces.append((speaker, said))
            elif pieces and pieces[-1][0] == speaker:
                pieces[-1] = (speaker, f"{pieces[-1][1]} {_DASH.sub('', line)}".strip())
            else:
                pieces.append((speaker, _DASH.sub("", line)))
        if len(pieces) == 1:
            found.append(_with(segment, pieces[0][0], pieces[0][1]))
        else:
            found += _shared(segment, [piece for piece in pieces if piece[1].strip()])
    return found


def _with(segment: "RawSegment", speaker: str | None, text: str) -> "RawSegment":
    from dataclasses import replace

    words = segment.words
    if text != segment.text and words:
        # the prefix was part of the timed words; they follow the text
        kept = len(text.split())
        words = words[-kept:] if kept and len(words) >= kept else ()
    return replace(segment, speaker=speaker, text=text, words=words)


def _shared(segment: "RawSegment", pieces: list[tuple[str | None, str]]) -> "list[RawSegment]":
    from earwitness.speech.transcript_formats import share_out

    return share_out(pieces, segment.start_ms, segment.end_ms, segment.line)


def _parted(line: str) -> tuple[str | None, str]:
    """(candidate name or None, the rest)."""
    match = _PREFIX.match(line)
    if not match:
        return None, line
    name = " ".join((match[1] or match[2]).strip("*_ ").split())
    return (name, line[match.end() :].lstrip("*_ ")) if name else (None, line)


def _names(lines: Sequence[str]) -> set[str]:
    """The candidates that are names, judged over the whole file."""
    spoken = [line for line in lines if line.strip()]
    counts = Counter(name for line in spoken if (name := _parted(line)[0]) is not None)
    likely = {name: count for name, count in counts.items() if _looks_like_name(name)}
    scripted = sum(likely.values()) * 2 >= len(spoken)
    names = {name for name, count in likely.items() if count >= 2 or scripted}
    # "gm: ..." or "q: ...": small letters, or a word that is rarely a name, need to carry the whole file
    for name, count in counts.items():
        if (
            name not in names
            and len(name.split()) <= 2
            and count >= 3
            and count * 5 >= len(spoken)
            and name[:1].isalpha()
        ):
            names.add(name)
    return names


def _looks_like_name(text: str) -> bool:
    tokens = text.split()
    if not 1 <= len(tokens) <= 5 or tokens[0].lower().rstrip(".") in _NOT_NAMES or not text[0].isalpha():
        return False
    if not all(_TOKEN.match(token) for token in tokens):
        return False
    proper = [t for t in tokens if t[0].isupper() or not t[0].isascii() or t[0] in "(#&" or t[0].isdigit()]
    return tokens[0] in proper and all(t in proper or t.lower() in _PARTICLES for t in tokens)
