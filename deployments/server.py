"""Prefect's server on SQLite, for more than one client at a time.

    python -m deployments.server [options of prefect server start]

Two things of it are other than with `prefect server start`, both seen with prefect 3.8.8 on Python 3.11, where two
recordings at work were enough.

*Transactions.* Prefect begins them as DEFERRED: one that has read, and writes when another has written meanwhile, fails
at once (SQLITE_BUSY_SNAPSHOT), which clients see as 503 after 2 s. Begun as IMMEDIATE, they wait for one another for
some milliseconds (https://www.sqlite.org/lang_transaction.html).

*Garbage.* Python's garbage collector runs in whichever thread happens to make the next object. Where that is the thread
of the event loop, and among the garbage is a cursor whose statement failed (*database is locked*) and whose connection
waits for SQLite's write lock once more, the collector waits for that connection, and the loop with it; and whoever has
the write lock needs the loop to give it back. Prefect's `busy_timeout` ends that after 60 s, in which it answers
nobody. A collector in a thread of its own can wait without harm.
"""

import gc
import sys
import threading
import time
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_YOUNG_S, _ALL_S = 1.0, 30.0


def collect_in_own_thread(young_s: float = _YOUNG_S, all_s: float = _ALL_S) -> None:
    """From now on garbage is collected in a thread that nobody waits for.

    Args:
        young_s: between two collections of what has become garbage recently.
        all_s: between two of everything.
    """
    gc.disable()
    threading.Thread(target=_collect, args=(young_s, all_s), name="garbage", daemon=True).start()


def _collect(young_s: float, all_s: float) -> None:
    last = time.monotonic()
    while True:
        time.sleep(young_s)
        everything = time.monotonic() - last > all_s
        gc.collect(2 if everything else 1)
        if everything:
            last = time.monotonic()


def write_in_turn() -> None:
    """From now on Prefect's transactions on SQLite take the write lock when they begin."""
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediate(
        self: AioSqliteConfiguration, session: "AsyncSession", with_for_update: bool = True
    ) -> AbstractAsyncContextManager["AsyncSessionTransaction"]:
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[assignment, method-assign]


def main() -> None:
    """`prefect server start` with the same options."""
    collect_in_own_thread()
    import tasks  # noqa: F401 - sets what Prefect reads when it is imported

    write_in_turn()
    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    from prefect.cli import app

    app()


if __name__ == "__main__":
    main()
