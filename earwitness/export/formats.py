"""The formats that a bundle can be exported to, and the one door to them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from earwitness.archive.place import listed_in
from earwitness.archive.reading import Bundle
from earwitness.errors import StorageError, UnknownValue, UsageError
from earwitness.storage.whole import write_whole
from earwitness.words.transcript import utterances_of


@dataclass(frozen=True, slots=True)
class Format:
    """A format and what it is for."""

    title: str
    file: str | None = None
    """The bundle's own file that is handed over as it is; None where the format is made from the words."""


FORMATS: Mapping[str, Format] = {
    "ass": Format("Advanced SubStation Alpha, a style a speaker"),
    "audacity": Format("label track of Audacity, a label an utterance"),
    "ctm": Format("NIST CTM, a word a line, without speakers"),
    "eaf": Format("ELAN, tiers of utterances and words a speaker"),
    "json": Format("whisperX JSON, the bundle's own", "transcript.json"),
    "rttm": Format("NIST RTTM, who speaks when, the bundle's own", "turns.rttm"),
    "srt": Format("SubRip, the bundle's own", "transcript.srt"),
    "stm": Format("NIST STM, an utterance a line"),
    "textgrid": Format("Praat TextGrid, tiers of utterances and words a speaker"),
    "tsv": Format("tab-separated, a word a row"),
    "txt": Format("plain text, the bundle's own", "transcript.txt"),
    "vtt": Format("WebVTT, the bundle's own", "transcript.vtt"),
}


def exported(bundle: Bundle, to: str, place: Path | None = None) -> bytes:
    """The bundle in another format, UTF-8. The same bundle and place give the same bytes.

    Args:
        bundle: with corrections applied, as published.
        to: a key of `FORMATS`.
        place: folder where the file will lie; ELAN's link to the sound is relative to it. None: the bundle itself.

    Raises:
        UnknownValue: there is no such format.
        UsageError: the bundle is partial and lacks what the format is made from.
    """
    if to not in FORMATS:
        raise UnknownValue.of("format", to, FORMATS)
    if own := FORMATS[to].file:
        return _own_file(bundle, own)
    words, names = bundle.words(), bundle.names
    if not words:
        raise UsageError(f"The bundle {bundle.folder} has no words{_why(bundle)}.", _instead(bundle))
    utterances = utterances_of(words)
    recording = bundle.recording
    if to == "ass":
        from earwitness.export.ass import ass_text

        text = ass_text(utterances, names)
    elif to == "textgrid":
        from earwitness.export.textgrid import textgrid_text

        text = textgrid_text(utterances, names, round(recording.duration_s * 1000))
    elif to == "eaf":
        from earwitness.export.elan import elan_text

        text = elan_text(utterances, names, _sound(bundle, place or bundle.folder))
    else:
        from earwitness.export import lines

        if to == "audacity":
            text = lines.audacity_text(utterances, names)
        elif to == "ctm":
            text = lines.ctm_text(words, recording.recording_id)
        elif to == "stm":
            text = lines.stm_text(utterances, names, recording.recording_id)
        else:
            text = lines.tsv_text(words, names)
    return text.encode()


def write_export(bundle: Bundle, to: str, out: Path) -> None:
    """Export into a file, which is there whole or not at all; an earlier one is replaced.

    Raises:
        UsageError: as `exported`, or the file belongs to a bundle.
        StorageError: the file can't be written.
    """
    if owner := listed_in(out):
        raise UsageError(f"{out} belongs to the bundle {owner}.", "Give another file with --out.")
    data = exported(bundle, to, out.absolute().parent)
    target = Path(os.path.realpath(out))
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)  # a device or a pipe is written to, never replaced by a file
        else:
            write_whole(target, data)
    except OSError as error:
        raise StorageError(
            f"{out} can't be written ({error.strerror or error}).", "Give another place with --out."
        ) from error


def _own_file(bundle: Bundle, name: str) -> bytes:
    path = bundle.folder / name
    if not path.is_file():
        raise UsageError(f"The bundle {bundle.folder} has no {name}{_why(bundle)}.", _instead(bundle))
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read ({error.strerror or error}).", "Check its permissions.") from error


def _why(bundle: Bundle) -> str:
    """The reasons that the bundle itself gives for what it lacks."""
    failed = [f"{part.stage} failed: {part.message}" for part in bundle.recording.missing]
    return f": {' '.join(failed).rstrip('.')}" if failed else ""


def _instead(bundle: Bundle) -> str:
    there = [name for name, form in FORMATS.items() if form.file and (bundle.folder / form.file).is_file()]
    return f"It has: {', '.join(there)}." if there else "Run the recording again."


def _sound(bundle: Bundle, place: Path) -> str | None:
    for name in ("listen.m4a", "audio.flac"):
        path = bundle.folder / name
        if path.is_file():
            relative = Path(os.path.relpath(path.resolve(), place.resolve())).as_posix()
            return relative if relative.startswith("..") else f"./{relative}"
    return None
