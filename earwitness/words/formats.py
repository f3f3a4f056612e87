"""The transcript in the formats that other tools read: whisperX JSON, SubRip, WebVTT and plain text.

Every writer takes utterances whose speakers are diarization labels and a mapping from label to display name.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from earwitness.schema import SCHEMA_VERSION, Record
from earwitness.speech.segments import Segment
from earwitness.words.punctuation import ends_sentence
from earwitness.words.transcript import Utterance

LINE_CHARS = 42
"""Longest caption line, as broadcasters ask (BBC and Netflix subtitle guides: 37 to 42)."""
CUE_LINES = 2
CUE_MS = 7_000
"""Longest time that a cue stays, by the same guides."""
_PAUSE_MS = 1_500
_SHORTEST_CUE_MS = 500
_ORPHAN_CHARS = 20


class TranscriptWord(Record):
    """A word, as whisperX writes it."""

    word: str
    start: float | None = Field(default=None, description="seconds; absent when unknown")
    end: float | None = None
    score: float | None = Field(default=None, description="0..1; 0 where the time is only an estimate")
    speaker: str | None = Field(default=None, description="display name; absent when unknown")


class TranscriptSegment(Record):
    """One utterance."""

    start: float | None = Field(default=None, description="seconds; absent when unknown")
    end: float | None = None
    text: str
    speaker: str | None = Field(default=None, description="display name; absent when unknown")
    words: list[TranscriptWord] = Field(default_factory=list)


class TranscriptJson(Record):
    """`transcript.json`: the schema of whisperX (`whisperx/schema.py`, AlignedTranscriptionResult)."""

    schema_version: str = SCHEMA_VERSION
    language: str = Field(description="ISO 639-1; und when unknown")
    segments: list[TranscriptSegment]
    word_segments: list[TranscriptWord]


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Cue:
    """A caption: what is shown from `start_ms` to `end_ms`."""

    start_ms: int
    end_ms: int
    name: str | None
    """Display name of who says it."""
    says_name: bool
    """True where the name has to be shown: the speaker changed."""
    text: str


def utterances_from_segments(segments: Iterable[Segment]) -> list[Utterance]:
    """What there is to publish when words could not be aligned: one utterance a segment, without words."""
    spoken = [segment for segment in segments if segment.text.strip()]
    return [
        Utterance(
            id=f"u{number:04d}",
            speaker=segment.speaker,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            text=_one_line(segment.text),
        )
        for number, segment in enumerate(spoken, start=1)
    ]


def transcript_json(utterances: Iterable[Utterance], names: Mapping[str, str], language: str) -> TranscriptJson:
    """The whisperX document: times in seconds, three decimals at most."""
    segments = []
    for utterance in utterances:
        words = [
            TranscriptWord(
                word=word.text,
                start=word.start_ms / 1000,
                end=word.end_ms / 1000,
                score=round(word.score, 3),
                speaker=_display(word.speaker, names),
            )
            for word in utterance.words
        ]
        segments.append(
            TranscriptSegment(
                start=_seconds(utterance.start_ms),
                end=_seconds(utterance.end_ms),
                text=utterance.text,
                speaker=_display(utterance.speaker, names),
                words=words,
            )
        )
    return TranscriptJson(
        language=language, segments=segments, word_segments=[word for segment in segments for word in segment.words]
    )


def cues_of(utterances: Iterable[Utterance], names: Mapping[str, str], *, room_for_name: bool = False) -> list[Cue]:
    """Cut utterances into captions of at most two lines and seven seconds, at sentence ends and pauses first.

    Args:
        utterances: those without times are left out; those without words are spread evenly over their time.
        names: diarization label → display name.
        room_for_name: keep room for "Name: " where the speaker changes.
    """
    cues: list[Cue] = []
    previous: str | None = None
    for utterance in sorted(utterances, key=lambda u: (u.start_ms or 0, u.id)):
        pieces = _pieces(utterance)
        name = _display(utterance.speaker, names)
        changed = name is not None and name != previous
        prefix = f"{name}: " if changed and room_for_name else ""
        for first, run in enumerate(_no_orphans(list(_runs(pieces, prefix)))):
            cues.append(
                Cue(
                    start_ms=run[0].start_ms,
                    end_ms=max(piece.end_ms for piece in run),
                    name=name,
                    says_name=changed and first == 0,
                    text=" ".join(piece.text for piece in run),
                )
            )
        if pieces:
            previous = name
    return _long_enough(cues)


def srt_text(utterances: Iterable[Utterance], names: Mapping[str, str]) -> str:
    """SubRip: "Name: " where the speaker changes; `-->` inside text becomes an arrow, SubRip has no escape for it."""
    lines = []
    for cue in cues_of(utterances, names, room_for_name=True):
        shown = f"{cue.name}: {cue.text}" if cue.says_name else cue.text
        lines.append((cue, "\n".join(wrapped(_one_line(shown).replace("-->", "→")))))
    return _write_subtitles(lines, "srt")


def vtt_text(utterances: Iterable[Utterance], names: Mapping[str, str]) -> str:
    """WebVTT with a voice tag a cue (https://www.w3.org/TR/webvtt1/#webvtt-cue-voice-span)."""
    lines = []
    for cue in cues_of(utterances, names):
        text = "\n".join(_escape_vtt(line) for line in wrapped(_one_line(cue.text)))
        voice = f"<v {_escape_vtt(_one_line(cue.name))}>" if cue.name else ""
        lines.append((cue, voice + text))
    return _write_subtitles(lines, "vtt")


def plain_text(utterances: Iterable[Utterance], names: Mapping[str, str]) -> str:
    """One paragraph an utterance: `[0:01:02] Name: what was said`."""
    paragraphs = []
    for utterance in utterances:
        name = _display(utterance.speaker, names)
        clock = f"[{clock_text(utterance.start_ms)}] " if utterance.start_ms is not None else ""
        paragraphs.append(f"{clock}{_one_line(name) + ': ' if name else ''}{_one_line(utterance.text)}\n")
    return "\n".join(paragraphs)


def clock_text(ms: int) -> str:
    """`h:mm:ss`, rounded down as clocks do."""
    seconds = ms // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _display(speaker: str | None, names: Mapping[str, str]) -> str | None:
    return None if speaker is None else names.get(speaker, speaker)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def wrapped(text: str) -> list[str]:
    """Caption lines; only a word that is longer than a line runs over."""
    return textwrap.wrap(text, LINE_CHARS, break_long_words=False, break_on_hyphens=False) or [""]


def _pieces(utterance: Utterance) -> list[_Piece]:
    """Timed words; without word times, the text spread over the utterance by length."""
    if utterance.words:
        return [_Piece(w.text, w.start_ms, w.end_ms) for w in utterance.words if w.text.strip()]
    if utterance.start_ms is None or utterance.end_ms is None:
        return []
    texts = utterance.text.split()
    total = sum(len(text) + 1 for text in texts)
    span = max(utterance.end_ms - utterance.start_ms, 1)
    pieces, done = [], 0
    for text in texts:
        start = utterance.start_ms + span * done // total
        done += len(text) + 1
        pieces.append(_Piece(text, start, utterance.start_ms + span * done // total))
    return pieces


def _runs(pieces: Sequence[_Piece], prefix: str) -> Iterator[list[_Piece]]:
    """Greedy: as much as fits two lines, but no longer than a caption may stay, and not over a pause."""
    run: list[_Piece] = []
    # line by line as textwrap fills them, kept up word by word: wrapping anew at every word is most of the work
    lines, column = _fill(0, 0, prefix)
    for piece in pieces:
        fuller = _fill(lines, column, piece.text)
        if run and (fuller[0] > CUE_LINES or _must_break(run, piece, (lines - 1) * LINE_CHARS + column)):
            yield run
            run = []
            fuller = _fill(0, 0, piece.text)
        run.append(piece)
        lines, column = fuller
    if run:
        yield run


def _fill(lines: int, column: int, text: str) -> tuple[int, int]:
    """Lines used, and characters on the last of them, once `text` is added."""
    for token in text.split():
        if lines and column + 1 + len(token) <= LINE_CHARS:
            column += 1 + len(token)
        else:
            lines, column = lines + 1, len(token)
    return lines, column


def _must_break(run: Sequence[_Piece], piece: _Piece, length: int) -> bool:
    return (
        piece.end_ms - run[0].start_ms > CUE_MS
        or piece.start_ms - run[-1].end_ms > _PAUSE_MS
        or (length >= LINE_CHARS and ends_sentence(run[-1].text))
    )


def _no_orphans(runs: list[list[_Piece]]) -> list[list[_Piece]]:
    """A cue of a word or two shares its sentence evenly with the cue before, at a comma if there is one."""
    for number in range(1, len(runs)):
        before, orphan = runs[number - 1], runs[number]
        apart = orphan[0].start_ms - before[-1].end_ms > _PAUSE_MS or ends_sentence(before[-1].text)
        if apart or len(before) < 2 or sum(len(piece.text) + 1 for piece in orphan) > _ORPHAN_CHARS:
            continue
        both = [*before, *orphan]
        total = sum(len(piece.text) + 1 for piece in both)
        costs, done = [], 0
        for at, piece in enumerate(both[:-1], start=1):
            done += len(piece.text) + 1
            costs.append((abs(2 * done - total) - (total // 3 if piece.text.endswith((",", ";", ":")) else 0), at))
        split = min(costs)[1]
        if len(wrapped(" ".join(piece.text for piece in both[split:]))) <= CUE_LINES:
            runs[number - 1], runs[number] = both[:split], both[split:]
    return runs


def _long_enough(cues: list[Cue]) -> list[Cue]:
    """In order of start; a very short cue stays until it can be read or the next one comes."""
    ordered = sorted(cues, key=lambda cue: cue.start_ms)
    lasting = []
    for number, cue in enumerate(ordered):
        limit = ordered[number + 1].start_ms if number + 1 < len(ordered) else cue.start_ms + _SHORTEST_CUE_MS
        end = max(cue.end_ms, min(cue.start_ms + _SHORTEST_CUE_MS, limit), cue.start_ms + 1)
        lasting.append(Cue(cue.start_ms, end, cue.name, cue.says_name, cue.text))
    return lasting


def _escape_vtt(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write_subtitles(lines: Iterable[tuple[Cue, str]], form: str) -> str:
    from pysubs2 import SSAEvent, SSAFile

    subtitles = SSAFile()
    for cue, text in lines:
        # pysubs2 holds text in SSA's own notation, where \N, \n and \h are blanks: a word joiner keeps a spoken
        # backslash from becoming one. keep_ssa_tags keeps braces, which SSA would take for markup.
        guarded = re.sub(r"\\(?=[Nnh])", "\\\\\u2060", text).replace("\n", r"\N")
        subtitles.append(SSAEvent(start=cue.start_ms, end=cue.end_ms, text=guarded))
    return str(subtitles.to_string(form, keep_ssa_tags=True))
