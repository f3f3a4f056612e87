"""Writing the bundle: every file that is handed over, looked over, with a manifest that proves it whole."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel

from earwitness.archive.findings import Composed, Findings, Missing
from earwitness.archive.naming import recording_id
from earwitness.archive.place import MANIFEST, check_path, manifest_text, place_bundle
from earwitness.archive.planned import plan_of
from earwitness.archive.record import RecordingJson, describe_recording, display_names
from earwitness.archive.tables import write_rttm, write_turns, write_words
from earwitness.checks.bundle import Plan, check_files
from earwitness.checks.finding import Finding, errors_of
from earwitness.corrections.corrections import FILE as CORRECTIONS
from earwitness.errors import ContractBroken
from earwitness.progress import Progress, no_progress
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.words.formats import plain_text, srt_text, transcript_json, utterances_from_segments, vtt_text
from earwitness.words.transcript import Utterance, read_words, utterances_of

__all__ = ["compose_bundle", "place_bundle", "published_utterances", "recording_id"]

Writer = Callable[[Path], object]

_RECORD = "recording.json"
_REPORT = "report.html"
_CLIPS = "clips.json"


def compose_bundle(findings: Findings, cast_given: bool = False, progress: Progress = no_progress) -> Composed:
    """Write every file of the bundle into the store. The same findings give the same bytes.

    Every file is checked (`earwitness.checks`), and one that is wrong is left out. What was left out, or whose stage
    failed, is named in `recording.json` under `missing`; the rest is published.

    Args:
        findings: what the stages found; their large files are taken over as they are.
        cast_given: a cast file was handed in, so unnamed speakers mean that it did not match.
        progress: told the share of files that are written.

    Raises:
        ContractBroken: a stage hands over a file under a path outside the bundle, or what no bundle can do without
            (`recording.json`, `audio.flac`) is bad.
        StorageError: the store can't be written.
    """
    utterances = published_utterances(findings)
    taken = _taken_over(findings)
    plan = plan_of(findings, utterances)
    with workspace("publish") as folder:
        desk = _Desk(Path(folder), plan)
        writers = _writers(findings, utterances)
        for number, path in enumerate(sorted(writers)):
            progress(number / (len(writers) + 3), path)
            desk.write(path, writers[path])
        desk.take(taken)
        desk.drop_broken_clips(findings)
        if _wants_report(findings):
            draft = desk.describe(findings, utterances, cast_given)
            desk.write(_REPORT, _report(findings, draft, utterances))
        recording = desk.describe(findings, utterances, cast_given)
        desk.write(_RECORD, _json(recording))
        desk.refuse_without(_RECORD, "audio.flac")
        files = {**desk.files, MANIFEST: _written(Path(folder), MANIFEST, _text(manifest_text(desk.files)))}
    progress(1.0, "bundle composed")
    return Composed(
        recording_id=findings.recording_id,
        files=dict(sorted(files.items())),
        missing=desk.missing,
        checks=desk.warnings,
    )


def published_utterances(findings: Findings) -> list[Utterance]:
    """The transcript to publish: aligned words, else bare segments, else nothing. Speakers are labels."""
    if findings.aligned is not None:
        return utterances_of(read_words(findings.aligned.words.path))
    if findings.transcribed is not None:
        return utterances_from_segments(findings.transcribed.segments)
    return []


class _Desk:
    """Where the files of one bundle are written and looked over.

    Attributes:
        files: path in the bundle → a file that passed.
        missing: what was left out, and why.
        warnings: what readers of the published files should know.
    """

    def __init__(self, scratch: Path, plan: Plan) -> None:
        self._scratch = scratch
        self._plan = plan
        self._bad: dict[str, list[str]] = {}
        self.files: dict[str, FileRef] = {}
        self.warnings: list[Finding] = []

    @property
    def missing(self) -> list[Missing]:
        return [
            Missing(
                stage="publish",
                code="check-failed",
                message=f"{path} was made but is left out: {' '.join(errors)}",
                remedy="Report it with what recording.json says: the fault is ours, and the other files are whole.",
            )
            for path, errors in sorted(self._bad.items())
        ]

    def write(self, path: str, write: Writer) -> None:
        """Write a file, and look it over."""
        self._look_over(path, _written(self._scratch, path, write))

    def take(self, files: Mapping[str, FileRef]) -> None:
        """Look over what stages made."""
        for path, made in sorted(files.items()):
            self._look_over(path, made)

    def _look_over(self, path: str, made: FileRef) -> None:
        found = check_files({path: made.path}, self._plan)
        if errors := errors_of(found).get(path):
            self._bad[path] = errors
        else:
            self.files[path] = made
            self.warnings += found

    def drop_broken_clips(self, findings: Findings) -> None:
        """A clip goes with its captions and with the last of its files, and all go from the list."""
        if findings.clipped is None:
            return
        clips = findings.clipped.listing.clips
        whole = [kept for clip in clips if (kept := clip.with_files(self.files)) is not None]
        if whole == list(clips):
            return
        named = {path for clip in whole for path in clip.files}
        for path in {path for clip in clips for path in clip.files} - named:
            self.files.pop(path, None)
        reason = "Clips that did not pass the check before publishing were left out."
        self.write(_CLIPS, _json(findings.clipped.listing.model_copy(update={"clips": whole, "reason": reason})))

    def describe(self, findings: Findings, utterances: list[Utterance], cast_given: bool) -> RecordingJson:
        """`recording.json` as things stand."""
        known = findings.model_copy(update={"missing": [*findings.missing, *self.missing]})
        return describe_recording(known, utterances, cast_given=cast_given, checks=self.warnings)

    def refuse_without(self, *paths: str) -> None:
        """Stop if a file is bad that the bundle can't do without."""
        for path in paths:
            if path in self._bad:
                raise ContractBroken(
                    f"{path} did not pass the check before publishing: {' '.join(self._bad[path])}",
                    "Report this with the recording's name: the fault is ours, and nothing was published.",
                )


def _wants_report(findings: Findings) -> bool:
    """A run that failed to publish tries again without the report, which draws on everything."""
    failed = any(part.stage == "publish" for part in findings.missing)
    return not failed and bool((findings.settings.get("publish") or {}).get("report", True))


def _report(findings: Findings, recording: RecordingJson, utterances: list[Utterance]) -> Writer:
    from earwitness.report.page import build_report

    return lambda path: path.write_bytes(build_report(findings, recording, utterances))


def _taken_over(findings: Findings) -> dict[str, FileRef]:
    files = {"audio.flac": findings.preprocessed.speech}
    if findings.listening is not None:
        files["listen.m4a"] = findings.listening.audio
    made = [findings.clipped, findings.shown]
    for path, ref in (item for stage in made if stage is not None for item in stage.files.items()):
        try:
            files[check_path(path)] = ref
        except ValueError as error:
            raise ContractBroken(f"A stage named a file {path!r}, which lies outside the bundle.") from error
    return files


def _writers(findings: Findings, utterances: list[Utterance]) -> dict[str, Writer]:
    """Everything but the record and the report, which tell of the rest."""
    names = display_names(findings)
    writers: dict[str, Writer] = {}
    if findings.corrections:
        writers[CORRECTIONS] = _json(findings.corrections)
    if findings.diarized is not None:
        turns = findings.diarized.turns
        writers["turns.parquet"] = lambda path: write_turns(turns, names, path)
        writers["turns.rttm"] = lambda path: write_rttm(turns, names, findings.recording_id, path)
    if findings.aligned is not None:
        words = read_words(findings.aligned.words.path)
        writers["words.parquet"] = lambda path: write_words(words, names, path)
    found = findings.aligned or findings.transcribed
    if found is not None:
        writers |= _transcript(utterances, names, found.language)
    if findings.summarized is not None:
        writers |= _notes(findings, utterances)
    if findings.clipped is not None:
        writers[_CLIPS] = _json(findings.clipped.listing)
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
    if players := findings.summarized.players:
        writers["notes.players.json"] = _json(players.notes)
        writers["notes.players.md"] = _text(notes_markdown(players.notes, utterances, players.speakers, players=True))
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
