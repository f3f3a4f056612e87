"""What became of every dropped file: one line each, in order, never rewritten."""

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from earwitness.result import Outcome
from earwitness.schema import Record

Where = Literal["done", "rejected"]


class Entry(Record):
    """The end of one dropped file."""

    ticket: str
    name: str = Field(description="path inside incoming, as it was dropped")
    sha256: str = Field(description="of its content; empty where it could not be read")
    outcome: Outcome
    to: Where
    renamed: str = Field(description="path inside done or rejected")
    bundle: str | None = None
    reason: str = ""
    at: str = Field(description="UTC, ISO 8601")


class Journal:
    """Reads only what is new since it last looked. Writers need the folder's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_to = 0
        self._by_ticket: dict[str, Entry] = {}
        self._finished: dict[str, Entry] = {}

    def entries(self) -> list[Entry]:
        """All, the oldest first."""
        self._catch_up()
        return list(self._by_ticket.values())

    def knows(self, ticket: str) -> bool:
        """Whether the end of this drop is written down."""
        self._catch_up()
        return ticket in self._by_ticket

    def finished(self, sha256: str) -> Entry | None:
        """The drop whose bundle was made of this content, as long as that bundle is there."""
        self._catch_up()
        found = self._finished.get(sha256)
        return found if found and found.bundle and Path(found.bundle).is_dir() else None

    def write(self, entry: Entry) -> None:
        """Add a line; it is on the disk when this returns.

        Raises:
            OSError: it can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # somebody was killed while writing
            file.write((b"\n" if torn else b"") + entry.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(descriptor)

    def _catch_up(self) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(self._read_to)
                new = file.read()
        except FileNotFoundError:
            return
        whole, _, _ = new.rpartition(b"\n")
        if not whole:
            return
        self._read_to += len(whole) + 1
        for line in whole.split(b"\n"):
            try:
                entry = Entry.model_validate(json.loads(line))
            except (ValueError, ValidationError):
                continue  # torn
            self._by_ticket[entry.ticket] = entry
            if entry.bundle:
                self._finished[entry.sha256] = entry
