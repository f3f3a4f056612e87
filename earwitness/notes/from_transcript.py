"""Notes from a transcript alone: no recording, and times only if the transcript has them."""

from pathlib import Path

from pydantic import ValidationError

from earwitness.archive.naming import recording_id
from earwitness.errors import UsageError
from earwitness.memory import kept
from earwitness.memory.settings import MemorySettings
from earwitness.notes.notes import Notes, Summarized
from earwitness.notes.summarize import choose_writer
from earwitness.notes.write import write_notes
from earwitness.options import Profile, RunOptions
from earwitness.profiles import resolve
from earwitness.settings import SummarizeSettings
from earwitness.speech.sidecar import read_transcript
from earwitness.storage.store import sha256_file
from earwitness.words.cast import Speaker, load_cast
from earwitness.words.naming import name_speakers
from earwitness.words.roles import infer_roles
from earwitness.words.transcript import Utterance


def notes_from_transcript(
    path: Path,
    profile: Profile,
    words: int | None,
    cast_path: Path | None,
    settings: SummarizeSettings | None = None,
) -> Notes:
    """Read a transcript and write its notes; each segment is one utterance: u0001, u0002, ...

    Args:
        path: JSONL, SRT, VTT, STM, whisperX JSON or plain text.
        profile: what kind of recording it was.
        words: length of the notes; None: by the transcript's length.
        cast_path: a cast file, if there is one.
        settings: any other setting of the notes; the bundled engine writes them unless these say otherwise.

    Raises:
        EarwitnessError: the chat model that was asked for can't be used.
        BadTranscript: the transcript can't be read.
        UsageError: the cast file or the number of words is not acceptable.
    """
    return summarized_transcript(path, profile, words, cast_path, settings)[0].notes


def summarized_transcript(
    path: Path,
    profile: Profile,
    words: int | None,
    cast_path: Path | None,
    settings: SummarizeSettings | None = None,
    remembered: MemorySettings | None = None,
) -> tuple[Summarized, list[Utterance], list[Speaker]]:
    """As `notes_from_transcript`, with the warnings and what `notes_markdown` needs beside the notes.

    With `remembered`, the notes say what changed since earlier transcripts and recordings of its scope, and are
    remembered themselves.
    """
    cast = load_cast(cast_path) if cast_path else None
    try:
        given = settings.model_dump(exclude_unset=True) if settings else {}
        options = RunOptions(profile=profile, summarize=SummarizeSettings.model_validate({"words": words} | given))
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
    resolved = resolve(options).summarize
    if remembered is None or remembered.scope is None:
        made = write_notes(utterances, speakers, cast, profile, resolved, choose_writer(resolved))
        return made, utterances, speakers
    digest = sha256_file(path)
    source = kept.Source(digest=digest, recording_id=recording_id(path.name, digest), name=path.stem)
    memory, warnings = kept.recall(remembered.scope, source, remembered.number)
    made = write_notes(utterances, speakers, cast, profile, resolved, choose_writer(resolved), memory=memory)
    if made.facts is not None:
        kept.remember(remembered.scope, source, made.facts)
    return made.model_copy(update={"warnings": [*warnings, *made.warnings]}), utterances, speakers
