"""What a call costs: the user's own prices, else ours for sound, else those of genai-prices for chat models.

Money is counted in whole micro-dollars, rounded up. A price that nobody stated is unknown, and never 0.
"""

import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from earwitness.errors import UsageError
from earwitness.home import home

MICRO = 1_000_000
FILE_VARIABLE = "EARWITNESS_PRICES"


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls take, in the units that services charge by."""

    requests: int = 1
    input_tokens: int = 0
    output_tokens: int = 0
    audio_ms: int = 0

    @property
    def tokens(self) -> int:
        """Of question and answer together."""
        return self.input_tokens + self.output_tokens


class Price(BaseModel):
    """What a service asks; what is left out is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(min_length=1, description="of the service, as in transcribe.base_url or summarize.base_url")
    model: str | None = Field(default=None, description="its model; left out: every model there")
    input_usd: Decimal | None = Field(default=None, ge=0, description="dollars for a million tokens of the question")
    output_usd: Decimal | None = Field(default=None, ge=0, description="dollars for a million tokens of the answer")
    minute_usd: Decimal | None = Field(default=None, ge=0, description="dollars for a minute of sound")
    request_usd: Decimal = Field(default=Decimal(0), ge=0, description="dollars for every call, on top")

    @model_validator(mode="after")
    def _says_something(self) -> "Price":
        if self.input_usd is None and self.output_usd is None and self.minute_usd is None:
            raise ValueError("it names no price: give input_usd and output_usd, or minute_usd (0 if it is free)")
        return self

    def is_of(self, address: str, model: str) -> bool:
        """Whether it is the price of this model there."""
        return self.address.rstrip("/") == address.rstrip("/") and self.model in {None, model}

    def of(self, usage: Usage) -> Decimal | None:
        """Dollars; None where a part of it is not known."""
        parts = (
            (Decimal(usage.input_tokens) / MICRO, self.input_usd),
            (Decimal(usage.output_tokens) / MICRO, self.output_usd),
            (Decimal(-(-usage.audio_ms // 1000)) / 60, self.minute_usd),
        )
        total = self.request_usd * usage.requests
        for amount, rate in parts:
            if amount and rate is None:
                return None
            total += amount * (rate or 0)
        return total


def cost_of(address: str, models: Sequence[str], usage: Usage) -> int | None:
    """Micro-dollars, rounded up; None where they are not known.

    Args:
        address: of the service.
        models: any of which may do the work: the dearest counts, and all must be known.
        usage: of calls that are priced as one. Seconds of sound are whole.

    Raises:
        UsageError: the user's file of prices can't be used.
    """
    costs = [_cost(address, model, usage) for model in models]
    known = [cost for cost in costs if cost is not None]
    return max(known) if known and len(known) == len(costs) else None


def prices_file() -> Path:
    """Of the user's own prices: `$EARWITNESS_PRICES`, else `prices.toml` in Earwitness's folder."""
    chosen = os.environ.get(FILE_VARIABLE)
    return Path(chosen).expanduser() if chosen else home() / "prices.toml"


def _cost(address: str, model: str, usage: Usage) -> int | None:
    for price in (*_users_prices(), *_our_prices()):
        if price.is_of(address, model):
            found = price.of(usage)
            return None if found is None else _micro(found)
    return _of_chat_model(address, model, usage)


def _of_chat_model(address: str, model: str, usage: Usage) -> int | None:
    """By the snapshot in the wheel of genai-prices; asked by the address, so that no other service is priced."""
    if usage.audio_ms or not usage.tokens:
        return None
    import genai_prices

    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens),
            model,
            provider_api_url=address,
        )
    except (LookupError, ValueError):
        return None
    known = re.match(found.provider.api_pattern, address)
    if known is None or not re.match(r"$|[/:?]", address[known.end() :]):
        return None  # it goes by how an address begins, and api.openai.com.example.org is somebody else's
    # it has 0 for models that it can't price by tokens, such as whisper-1
    return _micro(found.total_price) if found.total_price else None


def _micro(dollars: Decimal) -> int:
    return int((dollars * MICRO).to_integral_value(ROUND_CEILING))


@cache
def _our_prices() -> tuple[Price, ...]:
    return _read((files("earwitness.money") / "prices.toml").read_text("utf-8"))


def _users_prices() -> tuple[Price, ...]:
    path = prices_file()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if os.environ.get(FILE_VARIABLE):
            raise UsageError(f"There is no file of prices at {path}.", f"Correct {FILE_VARIABLE}.") from None
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The prices in {path} can't be read ({error}).", "Check the file.") from error
    try:
        return _read(text)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(f"The prices in {path} can't be used: {found}.", "See docs/costs.md.") from error
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise UsageError(f"The prices in {path} are not readable ({error}).", "See docs/costs.md.") from error


class _Prices(BaseModel):
    model_config = ConfigDict(extra="forbid")

    price: tuple[Price, ...] = ()


def _read(text: str) -> tuple[Price, ...]:
    table: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
    return _Prices.model_validate(table).price


def dollars(micro: int) -> str:
    """`$1.25`; amounts below ten cents with four digits, and what is spent is never shown as nothing."""
    if 0 < micro < 100:
        return "under $0.0001"
    return f"${micro / MICRO:,.4f}" if 0 < micro < 100_000 else f"${micro / MICRO:,.2f}"
