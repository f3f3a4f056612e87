"""All that goes with an episode into a podcast's feed, made and read back."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from earwitness.audio.facts import ListeningCopy
from earwitness.audio.ffmpeg import ffmpeg_info
from earwitness.audio.peaks import TRUE_PEAK_DBTP
from earwitness.checks.finding import errors_of
from earwitness.checks.show import check_episode
from earwitness.engines.engine import EngineUse
from earwitness.notes.notes import Notes
from earwitness.progress import Progress, no_progress, part_of
from earwitness.schema import StageResult
from earwitness.settings import ShowSettings
from earwitness.show.chapters import Mark, add_table_of_contents, ffmetadata, json_chapters, marks_of
from earwitness.show.episode import WITHIN_LU, encode_episode, make_cover, sound_of, wanted_lufs
from earwitness.show.notes import show_notes_html, show_notes_markdown
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.words.formats import srt_text, vtt_text
from earwitness.words.transcript import Utterance

FOLDER = "show"


class Shown(StageResult):
    """Result of *show*."""

    engine: EngineUse
    files: dict[str, FileRef] = Field(description="path in the bundle → file")
    loudness_lufs: float | None = Field(description="of the MP3, as measured in the file; null: silence")
    true_peak_dbtp: float = Field(description="of the MP3, as measured in the file")


def choose_show_maker() -> EngineUse:
    """The engine that encodes the episode.

    Raises:
        EngineUnavailable: there is no ffmpeg.
    """
    info = ffmpeg_info()
    return EngineUse(name="ffmpeg", version=info.version, model="mp3+aac", reason=f"from {info.origin}")


def make_show(
    listening: ListeningCopy,
    duration_ms: int,
    utterances: Sequence[Utterance],
    names: dict[str, str],
    notes: Notes | None,
    settings: ShowSettings,
    engine: EngineUse,
    artwork: Path | None = None,
    title: str = "",
    progress: Progress = no_progress,
) -> Shown:
    """Encode an episode, and write its chapters, transcript and show notes.

    Args:
        listening: what people hear.
        duration_ms: of the recording.
        utterances: the transcript, with times; none: there is none to publish.
        names: label → name that is published.
        notes: where title, chapters and show notes come from; None: the title is `title`, and there are none.
        settings: resolved.
        engine: what `choose_show_maker` gave.
        artwork: the show's picture.
        title: of the episode, where there are no notes.
        progress: told the share that is done.

    Raises:
        UsageError: the artwork can't be read.
        ToolFailed: ffmpeg died, stalled, or can't encode.
        StorageError: the store can't be written.
    """
    sound = sound_of(listening, duration_ms)
    marks = marks_of(notes, duration_ms) if notes else []
    called = " ".join((notes.title if notes else title).split())
    tags = {"title": called, "album": settings.name or "", "artist": settings.author or "", "genre": "Podcast"}
    warnings: list[str] = []
    files: dict[str, FileRef] = {}
    with workspace("show") as scratch:
        folder = Path(scratch)
        written = _texts(utterances, names, notes, marks, called)
        for name, text in written.items():
            (folder / name).write_bytes(text.encode())
        metadata, cover = folder / "tags.txt", None
        metadata.write_bytes(ffmetadata(tags, marks).encode())
        kept = [folder / name for name in written]
        if artwork is not None:
            cover = folder / "cover.jpg"
            make_cover(artwork, cover)
            kept.append(cover)
        loudness, peak = None, -120.0
        for number, name in enumerate(("episode.m4a", "episode.mp3")):
            share = part_of(progress, number / 2, (number + 1) / 2)
            episode = folder / name
            level = encode_episode(sound, episode, metadata, cover, settings.kbps, share)
            if episode.suffix == ".mp3":
                add_table_of_contents(episode)
                loudness, peak = level.loudness_lufs, level.true_peak_dbtp
            chapters = [(mark.start_ms, mark.title) for mark in marks]
            wrong = errors_of(
                check_episode(episode, name, length_ms=duration_ms, title=called, chapters=chapters, cover=bool(cover))
            )
            if wrong:
                warnings.append(f"{FOLDER}/{name} was left out: {' '.join(wrong[name])}")
                continue
            kept.append(episode)
            if level.loudness_lufs is None:
                warnings.append(f"{FOLDER}/{name} is silent.")
            elif abs(level.loudness_lufs - wanted_lufs(sound)) > WITHIN_LU or level.true_peak_dbtp > TRUE_PEAK_DBTP:
                warnings.append(
                    f"{FOLDER}/{name} is at {level.loudness_lufs:.1f} LUFS with peaks of {level.true_peak_dbtp:.1f} "
                    f"dBTP; {wanted_lufs(sound):g} LUFS and {TRUE_PEAK_DBTP:g} dBTP could not be reached."
                )
        for path in sorted(kept):
            files[f"{FOLDER}/{path.name}"] = keep(path)
    progress(1.0)
    return Shown(
        engine=engine,
        files=files,
        loudness_lufs=None if loudness is None else round(loudness, 2),
        true_peak_dbtp=round(peak, 2),
        warnings=warnings,
    )


def _texts(
    utterances: Sequence[Utterance], names: dict[str, str], notes: Notes | None, marks: Sequence[Mark], title: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    if any(utterance.start_ms is not None for utterance in utterances):
        found["transcript.srt"] = srt_text(utterances, names)
        found["transcript.vtt"] = vtt_text(utterances, names)
        found["transcript.json"] = json_transcript(utterances, names)
    if marks:
        found["chapters.json"] = json_chapters(marks, title)
    if notes is not None:
        found["notes.md"] = show_notes_markdown(notes, marks)
        found["notes.html"] = show_notes_html(notes, marks)
    return found


def json_transcript(utterances: Sequence[Utterance], names: dict[str, str]) -> str:
    """A transcript that `podcast:transcript` of a feed points to, of type `application/json`.

    Source: github.com/Podcastindex-org/podcast-namespace, transcripts/transcripts.md, version 1.0.0.
    """
    segments = []
    for utterance in sorted(utterances, key=lambda u: (u.start_ms or 0, u.id)):
        if utterance.start_ms is None or utterance.end_ms is None:
            continue
        speaker = names.get(utterance.speaker or "", utterance.speaker)
        times = {"startTime": utterance.start_ms / 1000, "endTime": utterance.end_ms / 1000}
        segments.append({**({"speaker": speaker} if speaker else {}), **times, "body": utterance.text})
    return json.dumps({"version": "1.0.0", "segments": segments}, indent=1, ensure_ascii=False) + "\n"
