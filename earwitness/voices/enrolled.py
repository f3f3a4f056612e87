"""The voices that are enrolled on this machine."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import ValidationError

from earwitness.errors import UsageError
from earwitness.home import voices_path
from earwitness.schema import is_readable
from earwitness.storage.private import erase_private, write_private
from earwitness.voices.sample import encoder_id, take_sample
from earwitness.voices.voiceprint import VoicePrint, file_of, packed

_WHAT = "The voice print"


def today() -> date:
    """The day by which prints expire (UTC)."""
    return datetime.now(UTC).date()


def add_voice(
    name: str,
    files: Sequence[Path],
    *,
    span_ms: tuple[int, int | None] | None = None,
    consent: str = "",
    scope: str | None = None,
    expires: date | None = None,
) -> VoicePrint:
    """Enrol a person's voice; an earlier print of the same name (upper and lower case alike) is replaced.

    Args:
        name: as it will stand in transcripts, and in cast files.
        files: recordings in which nobody else speaks; 5 to 10 s of speech together are enough.
        span_ms: only this part of the only file, (start, end).
        consent: what the person agreed to.
        scope: use it only in runs with this scope (a campaign, show or collection); None: in all.
        expires: the last day (UTC) on which it is used.

    Raises:
        BadRecording: a sample can't be read, is too short or holds two people.
        UsageError: the name is empty, or the print would have expired already.
        StorageError: it can't be kept.
    """
    tidy = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    if not tidy or len(tidy) > 200:
        raise UsageError(f"{name[:40]!r} is no name.", "Give a name of 1 to 200 characters.")
    if not files:
        raise UsageError("There is no sample.", f"Give one or more recordings of {tidy}.")
    if expires is not None and expires < today():
        raise UsageError(f"{expires} is over.", "Give a day to come.")
    sampled = take_sample(files, span_ms)
    print_ = VoicePrint(
        name=tidy,
        encoder=encoder_id(),
        embedding=packed(sampled.vector),
        speech_s=round(sampled.speech_s, 1),
        samples=len(files),
        consent=consent,
        scope=scope,
        expires=expires,
        added=today(),
    )
    write_private(voices_path() / file_of(tidy), print_.model_dump_json(indent=1).encode(), _WHAT)
    return print_


def enrolled_voices() -> tuple[list[VoicePrint], list[str]]:
    """Every print by name, expired ones too; and what is wrong with those that can't be read."""
    prints, problems = [], []
    for path in sorted(voices_path().glob("*.json")):
        try:
            found = VoicePrint.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):  # never the error itself: it quotes what it read
            problems.append(f"The voice print {path} can't be read. Enrol that voice again, or remove the file.")
            continue
        if not is_readable(found.schema_version):
            problems.append(f"The voice print of {found.name} was written by another version of Earwitness.")
            continue
        prints.append(found)
    return sorted(prints, key=lambda item: (item.name.casefold(), item.name)), problems


def usable_voices(prints: Sequence[VoicePrint], scope: str | None) -> list[VoicePrint]:
    """Those that a run with this scope may use today."""
    day, encoder = today(), encoder_id()
    return [item for item in prints if item.used_in(scope) and not item.expired(day) and item.encoder == encoder]


def remove_print(name: str) -> bool:
    """Erase the print of a person; whether there was one.

    Raises:
        StorageError: it can't be erased.
    """
    return erase_private(voices_path() / file_of(name), _WHAT)
