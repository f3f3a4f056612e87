"""What `earwitness doctor` tells of services that cost money: keys and addresses of chat models, and budgets."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from earwitness.errors import EarwitnessError
from earwitness.money.budget import UNITS, Measure, machine_limits
from earwitness.money.ledger import WARN_AT, Ledger
from earwitness.money.paying import open_account
from earwitness.money.prices import dollars
from earwitness.preflight import Check
from earwitness.services.chat_model import address_of
from earwitness.settings import SummarizeSettings

_CHAT = (
    ("OpenAI and its like", "OPENAI_API_KEY", "OPENAI_BASE_URL", None),
    ("Anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "anthropic:any"),
)


def look_at_paid_services() -> Iterator[Check]:
    """Keys by the names of their variables, never by what they hold; addresses without what may be a password."""
    for name, key, base, model in _CHAT:
        address = address_of(SummarizeSettings(model=model))
        stated = f" ({base})" if os.environ.get(base) else ""
        yield Check(
            name=f"chat models of {name}",
            state="ok",
            found=f"{_key(key)}; asked at {_shown(address)}{stated} unless summarize.base_url says otherwise",
        )
    yield _budgets()


def _key(variable: str) -> str:
    if os.environ.get(variable, "").strip():
        return f"{variable} is set"
    if block := os.environ.get(f"{variable}_BLOCK", "").strip():
        return f"{variable} is in the secret block {block} ({variable}_BLOCK)"
    return f"{variable} is not set"


def _shown(address: str) -> str:
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that can't be read"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _budgets() -> Check:
    name = "budgets"
    try:
        limits = machine_limits()
        ledger, spender = Ledger(), open_account().spender
        used = {limit: 0 if limit.scope == "run" else ledger.used(limit, spender) for limit in limits}
    except EarwitnessError as error:
        return Check(name=name, state="fail", found=error.message, remedy=error.remedy)
    if not limits:
        return Check(name=name, state="ok", found="none is set here; runs may have their own (docs/costs.md)")
    found, near = [], []
    for limit in limits:
        most = _amount(limit.measure, limit.most)
        if limit.scope == "run":
            found.append(f"{limit.where}: {most} for each recording")
            continue
        found.append(f"{limit.where}: {_amount(limit.measure, max(0, limit.most - used[limit]))} of {most} left")
        if used[limit] >= WARN_AT * limit.most:
            near.append(limit.where)
    return Check(
        name=name,
        state="warn" if near else "ok",
        found="; ".join(found),
        remedy=f"Nearly or all used up: {', '.join(near)}. Raise it, or wait until its time is over." if near else "",
    )


def _amount(measure: Measure, count: int) -> str:
    if measure == "usd":
        return dollars(count)
    return f"{count / UNITS[measure]:g} {measure.replace('_', ' ')}"
