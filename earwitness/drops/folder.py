"""The drop folder: claiming files and bringing them to their place, so that a kill at any moment loses nothing.

Where a file lies is its state. A claim moves a recording's companions first and the recording last into a folder of
its own, `processing/<ticket>`; the end is written there before anything is moved out of it. Whatever was broken off in
between is taken back or brought to its end by `recover`.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from earwitness.audio.find import check_name
from earwitness.drops.arrivals import companions, options_file
from earwitness.drops.journal import Entry, Journal, Where
from earwitness.drops.names import as_hex, from_hex, new_names, unused
from earwitness.drops.options import drop_options
from earwitness.errors import EarwitnessError, StorageError, printable
from earwitness.options import RunOptions, read_options
from earwitness.result import Outcome
from earwitness.schema import Record
from earwitness.storage.locks import FileLocks, is_held, locked
from earwitness.storage.store import sha256_file
from earwitness.storage.whereabouts import remember
from earwitness.storage.whole import write_whole

_DROP, _END, _TRIES, _ANNOUNCED, _CAST = ".drop.json", ".end.json", ".tries.json", ".announced", ".cast.yaml"
_LOOKS, _BETWEEN_LOOKS_S = 4, 0.005


class Drop(Record):
    """A recording that was taken from `incoming`."""

    ticket: str = Field(pattern=r"^[0-9a-f-]{4,64}$")
    name: str = Field(description="path inside incoming, as it was dropped")
    sha256: str
    options: dict[str, Any] = Field(description="as --set names them")
    claimed_at: str = Field(description="UTC, ISO 8601")

    @property
    def file(self) -> str:
        """Its name without folders."""
        return Path(self.name).name


class End(Record):
    """What becomes of a drop: decided once, then carried out."""

    entry: Entry
    moves: dict[str, str] = Field(
        description="file → its new name, the recording last; in hexadecimal, since names need not be UTF-8"
    )


class DropFolder:
    """`root/incoming`, `processing`, `done`, `rejected`, and what is known of them in `root/.earwitness`.

    All of it lies on one local disk of one machine: moves must not copy, and locks must hold.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.incoming = self.root / "incoming"
        self.processing = self.root / "processing"
        self.journal = Journal(self.root / ".earwitness" / "journal.jsonl")
        self.locks = FileLocks(self.root / ".earwitness" / "locks")
        self._known: dict[str, Drop] = {}

    def make(self) -> None:
        """Make the folders that are not there yet.

        Raises:
            StorageError: they can't be made.
        """
        with _storage(self.root):
            for name in ("incoming", "processing", "done", "rejected", ".earwitness"):
                (self.root / name).mkdir(parents=True, exist_ok=True)

    def drops(self) -> list[Drop]:
        """What is being processed, the oldest first."""
        try:
            tickets = {entry.name for entry in os.scandir(self.processing) if entry.is_dir(follow_symlinks=False)}
        except FileNotFoundError:
            tickets = set()
        self._known = {ticket: drop for ticket, drop in self._known.items() if ticket in tickets}
        for ticket in tickets - self._known.keys():
            if drop := self._read(ticket):
                self._known[ticket] = drop
        return sorted(self._known.values(), key=lambda drop: (drop.claimed_at, drop.ticket))

    def drop(self, ticket: str) -> Drop | None:
        """One of them; None when it has ended, or never was."""
        return self._read(ticket)

    def place(self, ticket: str) -> Path:
        """Where the files of a drop lie while it is processed."""
        return self.processing / ticket

    def claim(self, recording: Path, defaults: Mapping[str, Any]) -> Drop | None:
        """Take a whole file, with its companions, out of `incoming`.

        Args:
            recording: the file.
            defaults: options of the whole folder.

        Returns:
            the drop to be processed; None if there is nothing to process: it has changed, or it was rejected at once
            because it is a duplicate, or its name or options can't be used.

        Raises:
            StorageError: files can't be read or moved.
        """
        with _storage(self.root):
            before = _mark(recording)
            sha256 = sha256_file(recording) if before else ""
            with self._alone():
                if before is None or _mark(recording) != before:
                    return None
                name = recording.relative_to(self.incoming).as_posix()
                refused, options = None, {}
                try:
                    check_name(recording)
                    options = drop_options(options_file(recording), defaults)
                except EarwitnessError as error:
                    refused = (Outcome.FAILED, str(error))
                if same := self._same_as(sha256):
                    refused = (Outcome.DUPLICATE, same)
                drop = Drop(
                    ticket=f"{sha256[:12]}-{secrets.token_hex(3)}",
                    name=printable(name),
                    sha256=sha256,
                    options=options,
                    claimed_at=_now(),
                )
                self._take(recording, drop)
                if refused:
                    self._end(drop, outcome=refused[0], reason=refused[1], bundle=None)
                    return None
                return drop

    def end(self, drop: Drop, *, outcome: Outcome, reason: str = "", bundle: Path | None = None) -> None:
        """Bring a drop to `done` or `rejected`; does nothing if it is there already.

        Raises:
            StorageError: files can't be moved.
        """
        with _storage(self.root), self._alone():
            self._end(drop, outcome=outcome, reason=reason, bundle=bundle)

    def recover(self) -> list[str]:
        """Bring to an end, or take back, what was broken off by a kill; one line a thing that was done.

        Raises:
            StorageError: files can't be moved.
        """
        said = []
        with _storage(self.root), self._alone():
            for place in sorted(path for path in self.processing.glob("*") if path.is_dir()):
                if (place / _END).exists():
                    end = End.model_validate_json((place / _END).read_bytes())
                    self._carry_out(place, end)
                    said.append(f"{end.entry.name}: brought to {end.entry.to}")
                    continue
                drop = self._read(place.name)
                if drop is None or not _recording_in(place, drop):
                    for path in _files(place):
                        path.replace(unused(self.incoming / path.name))
                        said.append(f"{path.name}: back in incoming")
                    shutil.rmtree(place)
        return said

    # what the work on a drop needs

    @contextmanager
    def in_hand(self, tickets: Sequence[str]) -> Iterator[list[Drop]]:
        """Nobody else works on these drops in the block; without those that somebody does, and those that have ended.

        The kernel frees the locks when their holder dies.
        """
        with contextlib.ExitStack() as held:
            drops = []
            for ticket in tickets:
                if (descriptor := self._locked(ticket)) is not None:
                    held.callback(os.close, descriptor)
                    if drop := self._read(ticket):
                        drops.append(drop)
            yield drops

    def is_in_hand(self, drop: Drop) -> bool:
        """Whether a living process works on it, or will when it is done with others."""
        return is_held(self.place(drop.ticket) / _DROP)

    def recording(self, drop: Drop) -> Path:
        """Where the recording lies while it is processed."""
        found = _recording_in(self.place(drop.ticket), drop)
        return found or self.place(drop.ticket) / drop.file

    def options(self, drop: Drop) -> RunOptions:
        """Its options; a cast that came as a table is written beside the recording.

        Raises:
            UsageError: they are not acceptable any more.
        """
        given = dict(drop.options)
        if isinstance(given.get("cast"), dict):
            path = self.place(drop.ticket) / _CAST
            write_whole(path, yaml.safe_dump(given["cast"], allow_unicode=True).encode())
            given["cast"] = path
        given.setdefault("out", self.root / "bundles")
        return read_options(given)

    def tries(self, drop: Drop) -> tuple[int, float]:
        """How often the work on it was begun, and when it may be begun again (seconds since 1970)."""
        try:
            count, again_at = json.loads((self.place(drop.ticket) / _TRIES).read_bytes())
            return int(count), float(again_at)
        except (OSError, ValueError, TypeError):
            return 0, 0.0

    def note_try(self, drop: Drop, count: int, *, again_in_s: float = 0.0) -> None:
        """Write down how often the work on it was begun."""
        content = json.dumps([count, time.time() + again_in_s if again_in_s else 0.0]).encode()
        write_whole(self.place(drop.ticket) / _TRIES, content)

    def note_announced(self, drop: Drop) -> None:
        """It was handed over to who processes it."""
        with contextlib.suppress(FileNotFoundError):  # it has ended already
            (self.place(drop.ticket) / _ANNOUNCED).touch()

    def announced_s_ago(self, drop: Drop) -> float | None:
        """How long ago it was handed over; None if it never was."""
        try:
            return max(0.0, time.time() - (self.place(drop.ticket) / _ANNOUNCED).stat().st_mtime)
        except OSError:
            return None

    # inside the lock

    def _same_as(self, sha256: str) -> str | None:
        if first := self.journal.finished(sha256):
            return (
                f"It has the same content as {first.name}, which was processed already: its bundle is {first.bundle}."
            )
        if active := next((drop for drop in self.drops() if drop.sha256 == sha256), None):
            return f"It has the same content as {active.name}, which is being processed."
        return None

    def _take(self, recording: Path, drop: Drop) -> None:
        place = self.place(drop.ticket)
        place.mkdir()
        write_whole(place / _DROP, drop.model_dump_json().encode())
        for path in companions(recording):
            path.replace(place / path.name)
        recording.replace(place / recording.name)  # from here on it is claimed
        self._known[drop.ticket] = drop

    def _end(self, drop: Drop, *, outcome: Outcome, reason: str, bundle: Path | None) -> None:
        place = self.place(drop.ticket)
        recording = _recording_in(place, drop)
        if recording is None or (place / _END).exists():
            return
        to: Where = "done" if outcome in (Outcome.DONE, Outcome.PARTIAL, Outcome.SKIPPED) else "rejected"
        beside = [path.name for path in _files(place) if path != recording]
        moves = new_names(self.root / to / Path(drop.name).parent, recording.name, beside)
        renamed = (Path(drop.name).parent / moves[recording.name]).as_posix()
        entry = Entry(
            ticket=drop.ticket,
            name=drop.name,
            sha256=drop.sha256,
            outcome=outcome,
            to=to,
            renamed=printable(renamed),
            bundle=str(bundle.absolute()) if bundle else None,
            reason=printable(reason),
            at=_now(),
        )
        end = End(entry=entry, moves={as_hex(old): as_hex(new) for old, new in moves.items()})
        write_whole(place / _END, end.model_dump_json().encode())
        self._carry_out(place, end)

    def _carry_out(self, place: Path, end: End) -> None:
        entry = end.entry
        if not self.journal.knows(entry.ticket):
            self.journal.write(entry)
        target = self.root / entry.to / Path(entry.name).parent
        target.mkdir(parents=True, exist_ok=True)
        recording = target / from_hex(list(end.moves.values())[-1])
        if entry.reason:
            write_whole(recording.with_name(f"{recording.name}.reason.txt"), f"{entry.reason}\n".encode())
        for old, new in end.moves.items():
            with contextlib.suppress(FileNotFoundError):  # moved before the kill
                (place / from_hex(old)).replace(target / from_hex(new))
        if entry.to == "done":
            remember(entry.sha256, recording)
        shutil.rmtree(place)

    def _read(self, ticket: str) -> Drop | None:
        try:
            return Drop.model_validate_json((self.processing / ticket / _DROP).read_bytes())
        except (OSError, ValidationError):
            return None

    def _locked(self, ticket: str) -> int | None:
        try:
            descriptor = os.open(self.processing / ticket / _DROP, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        for _ in range(_LOOKS):  # who only looks whether it is locked has it for microseconds
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                time.sleep(_BETWEEN_LOOKS_S)
            else:
                if os.fstat(descriptor).st_nlink:
                    return descriptor
                break
        os.close(descriptor)
        return None

    def _alone(self) -> AbstractContextManager[None]:
        return locked("moves", self.locks.folder)


@contextmanager
def _storage(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"The drop folder {root} can't be used ({error.strerror or error}: {error.filename or ''}).",
            "incoming, processing, done and rejected must be writable folders on one local disk with room left.",
        ) from error


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))


def _recording_in(place: Path, drop: Drop) -> Path | None:
    try:
        return next((path for path in _files(place) if printable(path.name) == drop.file), None)
    except FileNotFoundError:
        return None
