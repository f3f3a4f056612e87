"""Writing the bundle: every file that is handed over, with a manifest that proves it whole."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel

from earwitness.archive.findings import Composed, Findings
from earwitness.archive.naming import recording_id
from earwitness.archive.place import MANIFEST, check_path, manifest_text, place_bundle
from earwitness.archive.record import describe_recording, display_names
from earwitness.archive.tables import write_rttm, write_turns, write_words
from earwitness.corrections.corrections import FILE as CORRECTIONS
from earwitness.errors import ContractBroken
from earwitness.progress import Progress, no_progress
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.words.formats import plain_text, srt_text, transcript_json, utterances_from_segments, vtt_text
from earwitness.words.transcript import Utterance, read_words, utterances_of

__all__ = ["compose_bundle", "place_bundle", "published_utterances", "recording_id"]

Writer = Callable[[Path], object]


def compose_bundle(findings: Findings, cast_given: bool = False, progress: Progress = no_progress) -> Composed:
    """Write every file of the bundle into the store. The same findings give the same bytes.

    A part whose stage failed is left out and named in `recording.json` under `missing`; the rest is published.

    Args:
        findings: what the stages found; their large files are taken over as they are.
        cast_given: a cast file was handed in, so unnamed speakers mean that it did not match.
        progress: told the share of files that are written.

    Raises:
        ContractBroken: a stage hands over a file under a path outside the bundle.
        StorageError: the store can't be written.
    """
    utterances = published_utterances(findings)
    taken = _taken_over(findings)
    with workspace("publish") as scratch:
        writers = _writers(findings, utterances, cast_given)
        files = dict(taken)
        for number, (path, write) in enumerate(sorted(writers.items())):
            progress(number / (len(writers) + 1), path)
            files[path] = _written(Path(scratch), path, write)
        files[MANIFEST] = _written(Path(scratch), MANIFEST, _text(manifest_text(files)))
    progress(1.0, "bundle composed")
    return Composed(recording_id=findings.recording_id, files=dict(sorted(files.items())))


def published_utterances(findings: Findings) -> list[Utterance]:
    """The transcript to publish: aligned words, else bare segments, else nothing. Speakers are labels."""
    if findings.aligned is not None:
        return utterances_of(read_words(findings.aligned.words.path))
    if findings.transcribed is not None:
        return utterances_from_segments(findings.transcribed.segments)
    return []


def _taken_over(findings: Findings) -> dict[str, FileRef]:
    files = {"audio.flac": findings.preprocessed.speech}
    if findings.listening is not None:
        files["listen.m4a"] = findings.listening.audio
    for path, ref in (findings.clipped.files if findings.clipped else {}).items():
        try:
            files[check_path(path)] = ref
        except ValueError as error:
            raise ContractBroken(f"The clip stage named a file {path!r}, which lies outside the bundle.") from error
    return files


def _writers(findings: Findings, utterances: list[Utterance], cast_given: bool) -> dict[str, Writer]:
    names = display_names(findings)
    recording = describe_recording(findings, utterances, cast_given=cast_given)
    writers: dict[str, Writer] = {"recording.json": _json(recording)}
    if findings.corrections:
        writers[CORRECTIONS] = _json(findings.corrections)
    if findings.diarized is not None:
        turns = findings.diarized.turns
        writers["turns.parquet"] = lambda path: write_turns(turns, names, path)
        writers["turns.rttm"] = lambda path: write_rttm(turns, names, findings.recording_id, path)
    if findings.aligned is not None:
        words = read_words(findings.aligned.words.path)
        writers["words.parquet"] = lambda path: write_words(words, names, path)
    if recording.language is not None:
        writers |= _transcript(utterances, names, recording.language)
    if findings.summarized is not None:
        writers |= _notes(findings, utterances)
    if findings.clipped is not None:
        writers["clips.json"] = _json(findings.clipped.listing)
    # a run that failed to publish tries again without the report, which draws on everything
    failed = any(part.stage == "publish" for part in findings.missing)
    if (findings.settings.get("publish") or {}).get("report", True) and not failed:
        from earwitness.report.page import build_report

        writers["report.html"] = lambda path: path.write_bytes(build_report(findings, recording, utterances))
    return writers


def _transcript(utterances: list[Utterance], names: Mapping[str, str], language: str) -> dict[str, Writer]:
    return {
        # one line, as whisperX writes it: indentation would triple a long transcript
        "transcript.json": _text(
            transcript_json(utterances, names, language).model_dump_json(exclude_none=True) + "\n"
        ),
        "transcript.srt": _text(srt_text(utterances, names)),
        "transcript.vtt": _text(vtt_text(utterances, names)),
        "transcript.txt": _text(plain_text(utterances, names)),
    }


def _notes(findings: Findings, utterances: list[Utterance]) -> dict[str, Writer]:
    from earwitness.notes.markdown import notes_markdown

    if findings.summarized is None:
        return {}
    notes = findings.summarized.notes
    writers: dict[str, Writer] = {
        "notes.json": _json(notes),
        "notes.md": _text(notes_markdown(notes, utterances, findings.speakers)),
    }
    if notes.story:
        writers["story.md"] = _text(notes.story.rstrip() + "\n")
    return writers


def _json(model: BaseModel) -> Writer:
    return _text(model.model_dump_json(indent=2) + "\n")


def _text(text: str) -> Writer:
    return lambda path: path.write_bytes(text.encode())


def _written(scratch: Path, path: str, write: Writer) -> FileRef:
    file = scratch / path
    write(file)
    return keep(file)
