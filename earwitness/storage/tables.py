"""Small tables under the home that several processes write to: SQLite, one transaction a change."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from earwitness.errors import StorageError

_WAIT_S = 10.0


@contextmanager
def table_at(path: Path, create: str, what: str) -> Iterator[sqlite3.Connection]:
    """A connection in a transaction that nobody else can write beside; an error in the block undoes what it wrote.

    Args:
        path: the file; it is made with its folder if it is not there.
        create: SQL, `create table if not exists ...`.
        what: is kept there, as the subject of a sentence.

    Raises:
        StorageError: it can't be read or written, is damaged, or others had it for ten seconds.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        try:
            connection.execute("begin immediate")
            connection.execute(create)
            yield connection
            connection.execute("commit")
        finally:
            connection.close()  # rolls back what was not committed
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"{what} can't be kept in {path} ({error}).",
            "Point EARWITNESS_HOME at a writable folder on a local disk, or delete that file if it is damaged.",
        ) from error
