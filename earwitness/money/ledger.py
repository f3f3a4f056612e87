"""The ledger of spending: what a call may cost is reserved before it is made, and settled when it was.

One row a call. Reserving looks at every limit and writes the row in one transaction that nobody else can come between,
in SQLite (`BEGIN IMMEDIATE`) and in PostgreSQL (an advisory lock), so the limits hold for threads, processes and
machines together. Whatever was reserved counts in full until it is settled, or released because nothing was charged. A
row whose process was killed is therefore never lost: it counts, at the most that the call can have cost, for as long as
its limit looks back; only the same call's kept answer settles it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from earwitness.errors import BudgetExceeded, PriceUnknown
from earwitness.money.budget import DAY_MS, HOUR_MS, Limit, Measure, Scope
from earwitness.money.database import database_url, file_of, tables, transaction
from earwitness.money.prices import Usage, dollars, prices_file

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

WARN_AT = 0.8
_WINDOWS: dict[Scope, int] = {"hour": HOUR_MS, "day": DAY_MS}
_COLUMNS: dict[Measure, str] = {
    "usd": "usd_micro",
    "requests": "requests",
    "tokens": "tokens",
    "audio_minutes": "audio_ms",
}
_SPANS: dict[Scope, str] = {
    "run": "for one recording",
    "hour": "in 60 minutes",
    "day": "in 24 hours",
    "user": "of this user",
    "total": "altogether",
}


@dataclass(frozen=True, slots=True)
class Spender:
    """For whom a call is made."""

    run: str
    recording: str
    stage: str
    user: str
    profile: str


@dataclass(frozen=True, slots=True)
class Spent:
    """A row: one call."""

    at_ms: int
    """Since 1970, UTC."""
    spender: Spender
    service: str
    model: str
    usd_micro: int | None
    """None: the price is not known."""
    usage: Usage
    state: str
    """open: under way, or its process was killed; settled; unclear: it failed and may have been charged."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A place in the ledger for one call."""

    id: int
    warnings: list[tuple[str, str]]
    """(limit as a user can raise it, what has to be said of it now, once)."""


class Ledger:
    """All that was spent from this machine, or from every machine that uses the same database.

    Args:
        url: of the database; `$EARWITNESS_DATABASE`, else a file in Earwitness's folder.
        clock: milliseconds since 1970; else the database's own clock, so that machines agree.
    """

    def __init__(self, url: str | None = None, clock: Callable[[], int] | None = None) -> None:
        self._url = url or database_url()
        self._clock = clock

    def reserve(
        self,
        spender: Spender,
        key: str,
        service: str,
        model: str,
        most: Usage,
        usd_micro: int | None,
        limits: Sequence[Limit],
    ) -> Reserved:
        """Set aside the most that a call can take, if every limit has room for it.

        Args:
            spender: for whom.
            key: of the call.
            service: its name as users know it.
            model: its name there.
            most: what the call takes at most.
            usd_micro: what that costs; None: not known.
            limits: all that hold.

        Raises:
            BudgetExceeded: a limit has no room; nothing was written.
            PriceUnknown: the price is not known, and a limit is in dollars.
            StorageError: the ledger can't be used.
            StoreUnreachable: its database does not answer.
        """
        table = tables().spending
        if usd_micro is None and (dollar := next((limit for limit in limits if limit.measure == "usd"), None)):
            raise PriceUnknown(
                f"What {model} of {service} costs is not known, and {dollar.where} limits what may be spent.",
                f"State it in {prices_file()} (0 for a server of your own: docs/costs.md), or take away the limit.",
            )
        wanted = {
            "usd_micro": usd_micro or 0,
            "requests": most.requests,
            "tokens": most.tokens,
            "audio_ms": most.audio_ms,
        }
        with transaction(self._url) as connection:
            now = self._now(connection)
            used = {limit: _used(connection, limit, spender, now) for limit in limits}
            for limit in limits:
                if used[limit] + wanted[_COLUMNS[limit.measure]] > limit.most:
                    raise _exceeded(limit, used[limit], wanted[_COLUMNS[limit.measure]], f"{service} ({model})")
            warnings = [
                (limit.where, text)
                for limit in limits
                if (text := _warning(connection, limit, spender, used[limit] + wanted[_COLUMNS[limit.measure]], now))
            ]
            made = connection.execute(
                table.insert().values(
                    at_ms=now,
                    run=spender.run,
                    recording=spender.recording,
                    stage=spender.stage,
                    user=spender.user,
                    profile=spender.profile,
                    service=service,
                    model=model,
                    call_key=key,
                    state="open",
                    priced=usd_micro is not None,
                    input_tokens=most.input_tokens,
                    output_tokens=most.output_tokens,
                    **wanted,
                )
            )
            (number,) = made.inserted_primary_key or (0,)
            return Reserved(int(number), warnings)

    def settle(self, number: int, key: str, usage: Usage, usd_micro: int | None) -> None:
        """Write what was metered in place of what was reserved. Settling twice changes nothing.

        Args:
            number: of the row.
            key: of the call: a ledger that was begun anew has other calls at the same numbers.
            usage: what was metered.
            usd_micro: what it costs; None: not known.
        """
        values = {
            "state": "settled",
            "priced": usd_micro is not None,
            "usd_micro": usd_micro or 0,
            "requests": usage.requests,
            "tokens": usage.tokens,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "audio_ms": usage.audio_ms,
        }
        self._end(number, values, key)

    def unclear(self, number: int) -> None:
        """The call failed in a way that may have been charged: what was reserved stays spent."""
        self._end(number, {"state": "unclear"})

    def release(self, number: int) -> None:
        """The call was surely not charged."""
        table = tables().spending
        with transaction(self._url) as connection:
            connection.execute(table.delete().where(table.c.id == number, table.c.state == "open"))

    def spent_by(self, run: str) -> tuple[int, int]:
        """(micro-dollars, calls whose price is not known) of one run; nothing where nobody ever spent anything."""
        from sqlalchemy import case, func, select

        if not self._exists():
            return 0, 0
        row = tables().spending.c
        with transaction(self._url) as connection:
            unknown = func.coalesce(func.sum(case((row.priced, 0), else_=1)), 0)
            found = connection.execute(
                select(func.coalesce(func.sum(row.usd_micro), 0), unknown).where(row.run == run)
            ).one()
            return int(found[0]), int(found[1])

    def used(self, limit: Limit, spender: Spender) -> int:
        """How much of a limit is spent or set aside, in its units."""
        if not self._exists():
            return 0
        with transaction(self._url) as connection:
            return _used(connection, limit, spender, self._now(connection))

    def warnings_of(self, run: str) -> list[str]:
        """What had to be said of limits while a run was under way, in order."""
        from sqlalchemy import select

        if not self._exists():
            return []
        row = tables().warning.c
        with transaction(self._url) as connection:
            return list(connection.scalars(select(row.text).where(row.run == run).order_by(row.at_ms, row.name)))

    def rows(self, since_ms: int = 0) -> list[Spent]:
        """Every call from a time on, the oldest first."""
        from sqlalchemy import select

        if not self._exists():
            return []
        table = tables().spending
        with transaction(self._url) as connection:
            found = connection.execute(
                select(table).where(table.c.at_ms >= since_ms).order_by(table.c.at_ms, table.c.id)
            ).all()
        return [
            Spent(
                at_ms=row.at_ms,
                spender=Spender(row.run, row.recording, row.stage, row.user, row.profile),
                service=row.service,
                model=row.model,
                usd_micro=row.usd_micro if row.priced else None,
                usage=Usage(row.requests, row.input_tokens, row.output_tokens, row.audio_ms),
                state=row.state,
            )
            for row in found
        ]

    def now_ms(self) -> int:
        """Milliseconds since 1970 by the ledger's clock."""
        if not self._exists():
            return time.time_ns() // 1_000_000
        with transaction(self._url) as connection:
            return self._now(connection)

    def _end(self, number: int, values: dict[str, Any], key: str | None = None) -> None:
        from sqlalchemy import and_, select

        if not self._exists():
            return
        table = tables().spending
        mine = table.c.id == number if key is None else and_(table.c.id == number, table.c.call_key == key)
        with transaction(self._url) as connection:
            if connection.scalar(select(table.c.state).where(mine)) == "open":
                connection.execute(table.update().where(mine).values(**values))

    def _exists(self) -> bool:
        """A file is made when something is first spent, not when somebody looks."""
        path = file_of(self._url)
        return path is None or path.is_file()

    def _now(self, connection: "Connection") -> int:
        if self._clock is not None:
            return self._clock()
        if connection.dialect.name == "postgresql":
            told = connection.exec_driver_sql("select extract(epoch from clock_timestamp()) * 1000").scalar_one()
            return int(told)
        return time.time_ns() // 1_000_000


def _used(connection: "Connection", limit: Limit, spender: Spender, now: int) -> int:
    from sqlalchemy import func, select

    row = tables().spending.c
    which: dict[Scope, ColumnElement[bool]] = {
        "run": row.run == spender.run,
        "user": row.user == spender.user,
        # no upper end: what a clock that was ahead has stamped counts as well
        "hour": row.at_ms > now - HOUR_MS,
        "day": row.at_ms > now - DAY_MS,
    }
    question = select(func.coalesce(func.sum(row[_COLUMNS[limit.measure]]), 0))
    if limit.scope in which:
        question = question.where(which[limit.scope])
    return int(connection.execute(question).scalar_one())


def _warning(connection: "Connection", limit: Limit, spender: Spender, used: int, now: int) -> str | None:
    """What to say when a limit is near; once a run or user, and once a window."""
    from sqlalchemy import select

    if used < WARN_AT * limit.most or not limit.most:
        return None
    table = tables().warning
    who = {"run": spender.run, "user": spender.user}.get(limit.scope, "")
    name = f"{limit.scope} {limit.measure} {limit.most} {who}"
    told = connection.execute(select(table.c.at_ms).where(table.c.name == name)).scalar_one_or_none()
    window = _WINDOWS.get(limit.scope)
    if told is not None and (window is None or told > now - window):
        return None
    text = (
        f"{100 * used / limit.most:.0f} % of {limit.where} is spent or set aside: "
        f"{_amount(limit.measure, used)} of {_amount(limit.measure, limit.most)} {_SPANS[limit.scope]}."
    )
    connection.execute(table.delete().where(table.c.name == name))
    connection.execute(table.insert().values(name=name, run=spender.run, at_ms=now, text=text))
    return text


def _exceeded(limit: Limit, used: int, wanted: int, what: str) -> BudgetExceeded:
    """The message may become the reason for another engine, and stand in a bundle."""
    return BudgetExceeded(
        f"The budget has no room for a call of {what}: {limit.where} allows {_amount(limit.measure, limit.most)} "
        f"{_SPANS[limit.scope]}, {_amount(limit.measure, used)} of it is spent or set aside, and the call could take "
        f"up to {_amount(limit.measure, wanted)}.",
        f"Raise {limit.where}, then run again: what was paid for is kept, and only the rest is paid. Or let it go on "
        "with what costs less: budget.at_limit=downgrade.",
        scope=limit.scope,
        measure=limit.measure,
    )


def _amount(measure: Measure, count: int) -> str:
    if measure == "usd":
        return dollars(count)
    return f"{count / 60_000:.1f} minutes of sound" if measure == "audio_minutes" else f"{count:,} {measure}"
