"""What the circuit breakers know, shared by the processes of this machine: a table in SQLite.

purgatory keeps it in memory or in Redis; this is its repository on a file. Every change is one transaction.
"""

import sqlite3
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from earwitness.home import home
from earwitness.storage.tables import table_at

if TYPE_CHECKING:
    from purgatory.domain.model import Context
    from purgatory.service._sync.unit_of_work import SyncAbstractUnitOfWork

_TABLE = """
create table if not exists breaker (
  service text primary key, state text not null, opened_at real, failures integer not null, pause_s real not null
)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One service."""

    service: str
    failures: int
    opened_at: float | None
    wait_s: float


def read_all() -> list[Row]:
    """Every service, by name; nothing where no breaker was ever used."""
    if not _path().is_file():
        return []
    with _table() as table:
        rows = table.execute("select service, failures, opened_at, pause_s from breaker order by service").fetchall()
    now = time.time()
    return [
        Row(service, failures, opened_at, 0.0 if opened_at is None else max(0.0, opened_at + pause_s - now))
        for service, failures, opened_at, pause_s in rows
    ]


class Failures:
    """purgatory's repository, for one call.

    Args:
        threshold: failures in a row until it opens.
        pause_s: until it is tried again.
    """

    def __init__(self, threshold: int, pause_s: float) -> None:
        self.threshold = threshold
        self.pause_s = pause_s
        self.opened = False
        """Whether this call opened a breaker that was closed."""
        self.messages: list[object] = []

    def unit_of_work(self) -> "SyncAbstractUnitOfWork":
        """What purgatory's factory takes."""
        from purgatory.service._sync.unit_of_work import SyncInMemoryUnitOfWork

        unit = SyncInMemoryUnitOfWork()
        unit.contexts = self  # type: ignore[assignment] # it has every method; purgatory itself stays an import on use
        return unit

    def initialize(self) -> None:
        """Nothing: the table is made on first use."""

    def get(self, name: str) -> "Context | None":
        """The state of a service, with the limits of this call.

        Where the pause is over, the first to ask moves the time of opening on: it alone gets through, everybody else
        finds the breaker open. If it dies on the way the next one gets through a pause later.
        """
        from purgatory.domain.model import Context

        now = time.time()
        with _table() as table:
            row = table.execute("select opened_at, failures from breaker where service = ?", [name]).fetchone()
            if row is None:
                return None
            opened_at, failures = row
            if opened_at is None:
                return Context(name, self.threshold, self.pause_s, "closed", failures)
            if now > opened_at + self.pause_s:
                table.execute("update breaker set opened_at = ? where service = ?", [now, name])
            return Context(name, self.threshold, self.pause_s, "opened", failures, opened_at)

    def register(self, context: "Context") -> None:
        """A service that was never called before."""
        with _table() as table:
            table.execute(
                "insert or ignore into breaker values (?, 'closed', null, 0, ?)", [context.name, self.pause_s]
            )

    def update_state(self, name: str, state: str, opened_at: float | None) -> None:
        """Open or close it. Half-open is not kept: it is an open breaker whose pause is over."""
        if state == "half-opened":
            return
        with _table() as table:
            (before,) = table.execute("select state from breaker where service = ?", [name]).fetchone()
            self.opened = self.opened or (before == "closed" and state == "opened")
            table.execute(
                "update breaker set state = ?, opened_at = ?, pause_s = ? where service = ?",
                [state, opened_at, self.pause_s, name],
            )

    def inc_failures(self, name: str, failure_count: int) -> None:
        """One failure more. Counted here, because calls that run side by side all start from the same count."""
        with _table() as table:
            table.execute("update breaker set failures = failures + 1 where service = ?", [name])
            state, failures = table.execute("select state, failures from breaker where service = ?", [name]).fetchone()
        if state == "closed" and failures >= self.threshold:
            self.update_state(name, "opened", time.time())

    def reset_failure(self, name: str) -> None:
        """A success."""
        with _table() as table:
            table.execute("update breaker set failures = 0 where service = ?", [name])


def _path() -> Path:
    return home() / "breakers.sqlite3"


def _table() -> AbstractContextManager[sqlite3.Connection]:
    return table_at(_path(), _TABLE, "What is known about services")
