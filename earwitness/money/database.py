"""The database of the ledger: a file on this machine, or PostgreSQL for several."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earwitness.errors import EarwitnessError, StorageError, StoreUnreachable, UsageError
from earwitness.home import home
from earwitness.storage.locks import locked

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

DATABASE_VARIABLE = "EARWITNESS_DATABASE"
_WAIT_S = 60
_LOCK = 0x6561_7277  # any number that nobody else locks by
_made: set[str] = set()
_making = threading.Lock()


def database_url() -> str:
    """`$EARWITNESS_DATABASE`, else a file in Earwitness's folder."""
    return os.environ.get(DATABASE_VARIABLE) or f"sqlite:///{home() / 'spending.sqlite3'}"


@contextmanager
def transaction(url: str) -> "Iterator[Connection]":
    """A connection to the ledger that nobody else writes beside; what it wrote is kept when the block ends well.

    Raises:
        UsageError: the address can't be used.
        StorageError: the file can't be used.
        StoreUnreachable: the server does not answer.
    """
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        engine = _engine(url)
        _make_tables(url, engine)
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")  # SQLAlchemy's own: none
                connection.exec_driver_sql("begin immediate")
                try:
                    yield connection
                except BaseException:
                    connection.exec_driver_sql("rollback")
                    raise
                connection.exec_driver_sql("commit")
            else:
                with connection.begin():
                    connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
                    yield connection
    except EarwitnessError:
        raise
    except (SQLAlchemyError, OSError) as error:
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        if isinstance(error, DBAPIError) and file_of(url) is None:
            raise StoreUnreachable(
                f"The ledger of spending {_shown(url)} does not answer ({said}).",
                f"Nothing is spent without it: check {DATABASE_VARIABLE} and the database.",
            ) from error
        raise StorageError(
            f"The ledger of spending {_shown(url)} can't be used ({said}).",
            "Nothing is spent without it: point EARWITNESS_HOME at a writable folder on a local disk, or move that "
            "file away if it is damaged (what was spent is forgotten then).",
        ) from error


@dataclass(frozen=True, slots=True)
class Tables:
    """One row a call, and one a warning that was given."""

    metadata: Any
    spending: Any
    warning: Any


@cache
def tables() -> Tables:
    """Those of the ledger."""
    from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table

    metadata = MetaData()
    key = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what is an INTEGER
    spending = Table(
        "earwitness_spending",
        metadata,
        Column("id", key, primary_key=True),
        Column("at_ms", BigInteger, nullable=False),
        *(
            Column(name, String, nullable=False)
            for name in ("run", "recording", "stage", "user", "profile", "service", "model", "call_key", "state")
        ),
        Column("priced", Boolean, nullable=False),
        *(
            Column(name, BigInteger, nullable=False)
            for name in ("usd_micro", "requests", "tokens", "input_tokens", "output_tokens", "audio_ms")
        ),
        sqlite_autoincrement=True,  # a released row's number is never given again
    )
    for name in ("at_ms", "run", "user"):
        Index(f"earwitness_spending_{name}", spending.c[name])
    warning = Table(
        "earwitness_budget_warning",
        metadata,
        Column("name", String, primary_key=True),
        Column("run", String, nullable=False),
        Column("at_ms", BigInteger, nullable=False),
        Column("text", String, nullable=False),
    )
    return Tables(metadata, spending, warning)


@cache
def _engine(url: str) -> "Engine":
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    try:
        parsed = make_url(url)
        if parsed.drivername in {"postgres", "postgresql"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise UsageError(
                f"{DATABASE_VARIABLE} names a {parsed.get_backend_name()} database.", "PostgreSQL and SQLite will do."
            )
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, poolclass=NullPool, connect_args={"connect_timeout": 10})
        # none is kept: a connection must not get into a forked process, and opening a file costs nothing
        return create_engine(parsed, poolclass=NullPool, connect_args={"timeout": _WAIT_S})
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{DATABASE_VARIABLE} names a PostgreSQL database, and its driver is not installed ({error.name}).",
            "Install earwitness[postgres].",
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            f"{DATABASE_VARIABLE} is not the address of a database.", "Such as postgresql://user@host/earwitness."
        ) from error


def _make_tables(url: str, engine: "Engine") -> None:
    path = file_of(url)
    with _making:
        if url in _made and (path is None or path.is_file()):
            return
        if path is None:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
                tables().metadata.create_all(connection)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked("spending"), engine.connect() as connection:
                # readers and the writer don't wait for one another; the file remembers it
                connection.exec_driver_sql("pragma journal_mode=wal")
                tables().metadata.create_all(connection)
                connection.commit()
        _made.add(url)


def file_of(url: str) -> Path | None:
    """The file of an SQLite database; None for a server."""
    _, separator, path = url.partition("sqlite:///")
    return Path(path) if separator else None


def _shown(url: str) -> str:
    """Without what may be a password."""
    return str(file_of(url) or f"at {url.rpartition('@')[2].rpartition('//')[2].partition('?')[0]}")
