"""What may be spent: limits of one run, and limits that hold for everything this machine does."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earwitness.errors import UsageError
from earwitness.home import home
from earwitness.money.prices import MICRO

PREFIX = "EARWITNESS_BUDGET_"
FILE_VARIABLE = "EARWITNESS_BUDGET_FILE"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000

Scope = Literal["run", "hour", "day", "user", "total"]
Measure = Literal["usd", "requests", "tokens", "audio_minutes"]
SCOPES: tuple[Scope, ...] = ("run", "hour", "day", "user", "total")
MEASURES: tuple[Measure, ...] = ("usd", "requests", "tokens", "audio_minutes")
UNITS: dict[Measure, int] = {"usd": MICRO, "requests": 1, "tokens": 1, "audio_minutes": 60_000}
"""How many of the ledger's units make one that people name."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, in the ledger's units."""

    scope: Scope
    measure: Measure
    most: int
    """Micro-dollars, requests, tokens or milliseconds of sound."""
    where: str
    """Where it was set, as a user can raise it."""


class BudgetLimits(BaseModel):
    """Each holds by itself; empty: no such limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_usd: float | None = Field(default=None, ge=0, le=1e9, description="dollars that one recording may cost")
    run_requests: int | None = Field(default=None, ge=0, description="paid calls for one recording")
    run_tokens: int | None = Field(default=None, ge=0, description="tokens for one recording")
    run_audio_minutes: float | None = Field(default=None, ge=0, le=1e9, description="minutes of sound sent of one")
    hour_usd: float | None = Field(default=None, ge=0, le=1e9, description="dollars in any 60 minutes, by all runs")
    hour_requests: int | None = Field(default=None, ge=0, description="paid calls in any 60 minutes")
    hour_tokens: int | None = Field(default=None, ge=0, description="tokens in any 60 minutes")
    hour_audio_minutes: float | None = Field(default=None, ge=0, le=1e9, description="sound sent in any 60 minutes")
    day_usd: float | None = Field(default=None, ge=0, le=1e9, description="dollars in any 24 hours, by all runs")
    day_requests: int | None = Field(default=None, ge=0, description="paid calls in any 24 hours")
    day_tokens: int | None = Field(default=None, ge=0, description="tokens in any 24 hours")
    day_audio_minutes: float | None = Field(default=None, ge=0, le=1e9, description="sound sent in any 24 hours")
    user_usd: float | None = Field(default=None, ge=0, le=1e9, description="dollars of this user, ever")
    user_requests: int | None = Field(default=None, ge=0, description="paid calls of this user, ever")
    user_tokens: int | None = Field(default=None, ge=0, description="tokens of this user, ever")
    user_audio_minutes: float | None = Field(default=None, ge=0, le=1e9, description="sound sent by this user, ever")
    total_usd: float | None = Field(default=None, ge=0, le=1e9, description="dollars of everybody, ever")
    total_requests: int | None = Field(default=None, ge=0, description="paid calls of everybody, ever")
    total_tokens: int | None = Field(default=None, ge=0, description="tokens of everybody, ever")
    total_audio_minutes: float | None = Field(default=None, ge=0, le=1e9, description="sound sent by all, ever")

    def limits(self, where: str = "budget.{name}") -> tuple[Limit, ...]:
        """Those that are set.

        Args:
            where: how a user finds them, with `{name}` for the field.
        """
        found = []
        for scope in SCOPES:
            for measure in MEASURES:
                name = f"{scope}_{measure}"
                value = getattr(self, name)
                if value is not None:
                    most = int((Decimal(str(value)) * UNITS[measure]).to_integral_value(ROUND_FLOOR))
                    found.append(Limit(scope, measure, most, where.format(name=name)))
        return tuple(found)


class Budget(BudgetLimits):
    """What a run may spend, and what it does when that is not enough."""

    at_limit: Literal["stop", "downgrade"] = Field(
        default="stop",
        description="stop: the run ends, and the next goes on from there; downgrade: go on with what comes next in "
        "cheaper_transcribe and cheaper_summarize",
    )
    cheaper_transcribe: tuple[str, ...] = Field(
        default=("bundled",),
        description="at the limit: models of the openai engine, then engines of this machine (whisperx, bundled)",
    )
    cheaper_summarize: tuple[str, ...] = Field(
        default=("extractive",), description="at the limit: cheaper chat models at the same address, then extractive"
    )


def machine_limits() -> tuple[Limit, ...]:
    """Limits for everything on this machine: `EARWITNESS_BUDGET_<NAME>`, and `budget.toml` in Earwitness's folder.

    The file has the same names, such as `day_usd = 10`. Each holds beside those of a run: the strictest decides.

    Raises:
        UsageError: a name is unknown or a value not acceptable.
    """
    path = _file()
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if os.environ.get(FILE_VARIABLE):
            raise UsageError(f"There is no budget at {path}.", f"Correct {FILE_VARIABLE}.") from None
        given = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The budget in {path} can't be read ({error}).", "Correct it: docs/costs.md.") from error
    variables = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in os.environ.items()
        if name.startswith(PREFIX) and name != FILE_VARIABLE and text.strip()
    }
    of_file = _checked(given, str(path)).limits(f"{{name}} in {path}")
    return (*of_file, *_limits_of_variables(variables))


def _limits_of_variables(variables: dict[str, str]) -> tuple[Limit, ...]:
    limits = _checked(variables, f"the variables {PREFIX}*").limits("{name}")
    return tuple(Limit(one.scope, one.measure, one.most, PREFIX + one.where.upper()) for one in limits)


def _file() -> Path:
    chosen = os.environ.get(FILE_VARIABLE)
    return Path(chosen).expanduser() if chosen else home() / "budget.toml"


def _checked(values: Mapping[str, object], where: str) -> BudgetLimits:
    try:
        return BudgetLimits.model_validate(values)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(
            f"The budget in {where} can't be used: {found}.", f"Known: {', '.join(BudgetLimits.model_fields)}."
        ) from error
