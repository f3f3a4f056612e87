"""Notes from a transcript alone: no recording, and times only if the transcript has them."""

from pathlib import Path

from pydantic import ValidationError

from earwitness.errors import UsageError
from earwitness.notes.notes import Notes
from earwitness.notes.summarize import choose_writer, summarize
from earwitness.options import Profile, RunOptions, SummarizeSettings
from earwitness.profiles import resolve
from earwitness.speech.sidecar import read_transcript
from earwitness.words.cast import Speaker, load_cast
from earwitness.words.naming import name_speakers
from earwitness.words.roles import infer_roles
from earwitness.words.transcript import Utterance


def notes_from_transcript(path: Path, profile: Profile, words: int | None, cast_path: Path | None) -> Notes:
    """Read a transcript and write its notes; each segment is one utterance: u0001, u0002, ...

    Args:
        path: JSONL, SRT, VTT, STM, whisperX JSON or plain text.
        profile: what kind of recording it was.
        words: length of the notes; None: by the transcript's length.
        cast_path: a cast file, if there is one.

    Raises:
        BadTranscript: the transcript can't be read.
        UsageError: the cast file or the number of words is not acceptable.
    """
    return summarized_transcript(path, profile, words, cast_path)[0]


def summarized_transcript(
    path: Path, profile: Profile, words: int | None, cast_path: Path | None
) -> tuple[Notes, list[Utterance], list[Speaker]]:
    """As `notes_from_transcript`, with what `notes_markdown` needs beside the notes."""
    cast = load_cast(cast_path) if cast_path else None
    try:
        options = RunOptions(profile=profile, summarize=SummarizeSettings(words=words))
    except ValidationError as error:
        raise UsageError(f"{words} is not an acceptable number of words.", error.errors()[0]["msg"] + ".") from error
    segments = read_transcript(path)
    names = list(dict.fromkeys(segment.speaker for segment in segments if segment.speaker))
    labels = {name: f"SPEAKER_{place:02d}" for place, name in enumerate(names)}
    utterances = [
        Utterance(
            id=f"u{place:04d}",
            speaker=labels[segment.speaker] if segment.speaker else None,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            text=segment.text,
        )
        for place, segment in enumerate(segments, start=1)
    ]
    stated = {label: name for name, label in labels.items()}
    speakers = infer_roles(name_speakers(list(stated), stated, cast, {}), utterances, profile, cast)
    settings = resolve(options).summarize
    notes = summarize(utterances, speakers, cast, profile, settings, choose_writer(settings)).notes
    return notes, utterances, speakers
