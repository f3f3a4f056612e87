"""What was spent, by whom and on what, from the ledger."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from earwitness.money.budget import DAY_MS, HOUR_MS, UNITS, machine_limits
from earwitness.money.ledger import Ledger, Spent
from earwitness.money.paying import open_account
from earwitness.money.prices import MICRO
from earwitness.schema import SCHEMA_VERSION, Record

By = Literal["model", "stage", "user", "profile", "recording", "day"]
_HOURLY_MS = 2 * DAY_MS
_MOST_BARS = 60
_BARS = "▁▂▃▄▅▆▇█"


class CostLine(Record):
    """Calls that belong together."""

    name: str
    cost_usd: float = Field(description="of those whose price is known; set-aside money is in it")
    calls: int
    unpriced_calls: int = Field(description="whose price is not known, and so not in the cost")
    tokens: int
    audio_minutes: float


class LimitState(Record):
    """A limit of this machine, and how much of it is gone."""

    where: str
    measure: str
    used: float = Field(description="dollars, requests, tokens or minutes")
    most: float


class Costs(Record):
    """`earwitness costs --json`."""

    schema_version: str = SCHEMA_VERSION
    since: str | None = Field(description="ISO 8601; null: since the beginning")
    until: str
    total: CostLine
    unclear_usd: float = Field(description="of the total: calls that failed, are under way, or were killed")
    by: By
    groups: list[CostLine] = Field(description="the dearest first; days in their order")
    trend: list[CostLine] = Field(description="a day each, or an hour each for up to two days; without gaps")
    limits: list[LimitState]


def costs(since_s: float | None = None, by: By = "model", ledger: Ledger | None = None) -> Costs:
    """What was spent.

    Args:
        since_s: look back so many seconds; None: to the beginning.
        by: what the groups are.
        ledger: this machine's, or the shared one, unless another is given.

    Raises:
        StorageError: the ledger can't be read.
        UsageError: the machine's limits can't be read.
    """
    ledger = ledger or Ledger()
    now = ledger.now_ms()
    since = None if since_s is None else now - round(since_s * 1000)
    rows = ledger.rows(since or 0)
    groups: dict[str, list[Spent]] = {}
    for row in rows:
        groups.setdefault(_name(row, by), []).append(row)
    lines = [_line(name, group) for name, group in groups.items()]
    if by != "day":
        lines.sort(key=lambda line: (-line.cost_usd, -line.calls, line.name))
    return Costs(
        since=None if since is None else _iso(since),
        until=_iso(now),
        total=_line("total", rows),
        unclear_usd=sum(row.usd_micro or 0 for row in rows if row.state != "settled") / MICRO,
        by=by,
        groups=lines,
        trend=_trend(rows, since, now),
        limits=_limits(ledger),
    )


def bars(values: Sequence[float]) -> str:
    """One character a value, as high as it is beside the highest; blank where there is nothing."""
    top = max(values, default=0)
    if top <= 0:
        return " " * len(values)
    return "".join(" " if value <= 0 else _BARS[min(7, int(8 * value / top))] for value in values)


def _name(row: Spent, by: By) -> str:
    names: dict[By, Callable[[], str]] = {
        "model": lambda: f"{row.service}: {row.model}",
        "stage": lambda: row.spender.stage or "(none)",
        "user": lambda: row.spender.user,
        "profile": lambda: row.spender.profile or "(none)",
        "recording": lambda: row.spender.recording or "(none)",
        "day": lambda: _day(row.at_ms),
    }
    return names[by]()


def _line(name: str, rows: Sequence[Spent]) -> CostLine:
    return CostLine(
        name=name,
        cost_usd=sum(row.usd_micro or 0 for row in rows) / MICRO,
        calls=sum(row.usage.requests for row in rows),
        unpriced_calls=sum(row.usage.requests for row in rows if row.usd_micro is None),
        tokens=sum(row.usage.tokens for row in rows),
        audio_minutes=round(sum(row.usage.audio_ms for row in rows) / 60_000, 2),
    )


def _trend(rows: Sequence[Spent], since: int | None, now: int) -> list[CostLine]:
    """The last sixty at most."""
    if not rows:
        return []
    first = rows[0].at_ms if since is None else since
    step, named = (HOUR_MS, _hour) if now - first <= _HOURLY_MS else (DAY_MS, _day)
    groups: dict[str, list[Spent]] = {}
    for at in range(max(first, now - (_MOST_BARS - 1) * step), now + step, step):
        groups.setdefault(named(min(at, now)), [])
    for row in rows:
        if (name := named(row.at_ms)) in groups:
            groups[name].append(row)
    return [_line(name, group) for name, group in groups.items()]


def _limits(ledger: Ledger) -> list[LimitState]:
    spender = open_account().spender
    return [
        LimitState(
            where=limit.where,
            measure=limit.measure,
            used=ledger.used(limit, spender) / UNITS[limit.measure],
            most=limit.most / UNITS[limit.measure],
        )
        for limit in machine_limits()
        if limit.scope != "run"
    ]


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000).astimezone()


def _day(at_ms: int) -> str:
    return _local(at_ms).strftime("%Y-%m-%d")


def _hour(at_ms: int) -> str:
    return _local(at_ms).strftime("%Y-%m-%d %H:00")


def _iso(at_ms: int) -> str:
    return _local(at_ms).isoformat(timespec="seconds")
