"""Looking over a whole bundle, file by file."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earwitness.checks.documents import check_document
from earwitness.checks.finding import Finding, error
from earwitness.checks.media import WITHIN_MS, check_media
from earwitness.checks.page import check_page
from earwitness.checks.show import check_episode, check_feed_list
from earwitness.checks.subtitles import Spoken, check_subtitles
from earwitness.checks.tables import check_table
from earwitness.checks.text import check_text
from earwitness.clips.clip import Clip

"""Preset of a clip → width and height of its picture; others may have any."""
_DAMAGED_WITHIN_MS = 5_000
_MOST_WORDS_A_WORD = 3
"""Of a text about a transcript: names and clocks come on top of what was said."""
_NOTES_WORDS = 20_000


@dataclass(frozen=True)
class Plan:
    """What a bundle should hold."""

    duration_ms: int
    damaged: bool = False
    """The source is: its copies may differ in length by what was lost."""
    words: int = 0
    """Of the transcript."""
    turns: int | None = None
    """Rows of `turns.parquet`; None: any."""
    rows: int | None = None
    """Of `words.parquet`; None: any."""
    spoken: Sequence[Spoken] = ()
    """When somebody speaks, by the transcript."""
    clips: Sequence[Clip] = field(default_factory=list)


def check_files(files: Mapping[str, Path], plan: Plan) -> list[Finding]:
    """Check files of a bundle, each by its own rules.

    Args:
        files: path in the bundle → where it lies, all but the manifest.
        plan: what they should hold.

    Returns:
        Findings by file; none for a bundle that is fine.
    """
    found: list[Finding] = []
    for name, path in sorted(files.items()):
        if not path.is_file():
            found.append(error(name, "It is missing."))
        elif not path.stat().st_size:
            found += [] if name in _rightly_empty(plan) else [error(name, "It is empty.")]
        else:
            found += _RULES.get(name, _clip_file)(path, name, plan)
    return found


def _rightly_empty(plan: Plan) -> Collection[str]:
    """Files of formats that have no head: where nobody says anything, nothing stands in them."""
    unsaid = () if plan.spoken or plan.words else ("transcript.srt", "transcript.txt")
    return (*unsaid, "turns.rttm") if plan.turns == 0 else unsaid


def _sound(path: Path, name: str, plan: Plan) -> list[Finding]:
    within = _DAMAGED_WITHIN_MS + plan.duration_ms // 10 if plan.damaged else WITHIN_MS
    return check_media(path, name, length_ms=plan.duration_ms, within_ms=within)


def _captions(path: Path, name: str, plan: Plan) -> list[Finding]:
    return check_subtitles(path, name, length_ms=plan.duration_ms, spoken=plan.spoken)


def _transcript(path: Path, name: str, plan: Plan) -> list[Finding]:
    most = 100 + plan.words * _MOST_WORDS_A_WORD + 10 * len(plan.spoken)
    return check_text(path, name, least_words=plan.words, most_words=most)


def _prose(path: Path, name: str, plan: Plan) -> list[Finding]:
    return check_text(path, name, least_words=min(1, plan.words), most_words=_NOTES_WORDS + plan.words)


def _document(path: Path, name: str, plan: Plan) -> list[Finding]:
    return check_document(path, name)


def _turns(path: Path, name: str, plan: Plan) -> list[Finding]:
    return check_table(path, name, length_s=plan.duration_ms / 1000, rows=plan.turns)


def _words(path: Path, name: str, plan: Plan) -> list[Finding]:
    return check_table(path, name, length_s=plan.duration_ms / 1000, rows=plan.rows)


def _rttm(path: Path, name: str, plan: Plan) -> list[Finding]:
    from earwitness.errors import BadTranscript
    from earwitness.speech.rttm import read_rttm

    found = check_text(path, name)
    if found:
        return found
    try:
        turns = read_rttm(path)
    except BadTranscript as problem:
        return [error(name, problem.message)]
    if plan.turns and not turns:
        return [error(name, f"It has no turns; there should be {plan.turns:,}.")]
    if any(turn.end_ms > plan.duration_ms + 1_000 for turn in turns):
        return [error(name, "It has turns after the end of the recording.")]
    return []


def _page(path: Path, name: str, plan: Plan) -> list[Finding]:
    return check_page(path, name)


def _episode(path: Path, name: str, plan: Plan) -> list[Finding]:
    within = _DAMAGED_WITHIN_MS + plan.duration_ms // 10 if plan.damaged else WITHIN_MS
    return check_episode(path, name, length_ms=plan.duration_ms, within_ms=within)


def _feed_list(path: Path, name: str, plan: Plan) -> list[Finding]:
    return check_feed_list(path, name)


def _cover(path: Path, name: str, plan: Plan) -> list[Finding]:
    with path.open("rb") as file:
        return [] if file.read(3) == b"\xff\xd8\xff" else [error(name, "It is no JPEG.")]


def _clip_file(path: Path, name: str, plan: Plan) -> list[Finding]:
    """Its frames were decoded and its captions held against the words when it was cut (`checks.clips`)."""
    for clip in plan.clips:
        length = round((clip.end_s - clip.start_s - clip.cut_out_s) * 1000)
        for made in clip.renditions:
            if name == made.path:
                size = (made.width, made.height) if made.width and made.height else None
                return check_media(path, name, length_ms=length, size=size)
        if name == clip.path:
            return check_media(path, name, length_ms=length)
        if name == clip.captions:
            return check_subtitles(path, name, length_ms=length)
    return [error(name, "No bundle has a file of that name, so nobody can say whether it is right.")]


_RULES = {
    "recording.json": _document,
    "transcript.json": _document,
    "notes.json": _document,
    "notes.players.json": _document,
    "clips.json": _document,
    "corrections.json": _document,
    "transcript.txt": _transcript,
    "transcript.srt": _captions,
    "transcript.vtt": _captions,
    "notes.md": _prose,
    "notes.players.md": _prose,
    "story.md": _prose,
    "turns.parquet": _turns,
    "turns.rttm": _rttm,
    "words.parquet": _words,
    "audio.flac": _sound,
    "listen.m4a": _sound,
    "report.html": _page,
    "show/episode.mp3": _episode,
    "show/episode.m4a": _episode,
    "show/cover.jpg": _cover,
    "show/chapters.json": _feed_list,
    "show/transcript.json": _feed_list,
    "show/transcript.srt": _captions,
    "show/transcript.vtt": _captions,
    "show/notes.md": _prose,
    "show/notes.html": _prose,
}
