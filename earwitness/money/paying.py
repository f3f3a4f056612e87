"""Paying for a call: for whom, out of which budget, and what for.

`earwitness.services.calls` is the one place that buys. A stage runs inside `charged_to`; what it bought, in this run or
in one before, becomes the receipts of its result.
"""

import getpass
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import Field

from earwitness.errors import BudgetExceeded, EarwitnessError
from earwitness.money.budget import BudgetLimits, Limit, machine_limits
from earwitness.money.ledger import Ledger, Spender
from earwitness.money.prices import MICRO, Usage, cost_of
from earwitness.schema import Receipt, Record, StageResult
from earwitness.services.breaker import is_outage
from earwitness.services.hosted import asked_to_wait

Answer = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R", bound=StageResult)

_log = logging.getLogger(__name__)

PAID = frozenset({"openai", "assemblyai", "chat"})
"""Engines whose work is bought."""
_LONGEST_PAUSE_S = 60.0
_MAYBE_DONE = frozenset({408, 502, 504})
"""What stands between us and a service says so, which may have done the work all the same."""
_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "ConnectionRefusedError"})


@dataclass(frozen=True, slots=True)
class Account:
    """Whom calls are charged to, and what limits them beside the machine's own limits."""

    spender: Spender
    limits: tuple[Limit, ...] = ()

    def stage(self, name: str) -> "Account":
        """The account, for one stage."""
        return replace(self, spender=replace(self.spender, stage=name))


def open_account(
    *, run: str = "", recording: str = "", stage: str = "", profile: str = "", budget: BudgetLimits | None = None
) -> Account:
    """The account of a run; `run` is made up where none is given. Its user is `$EARWITNESS_USER`, else the system's."""
    spender = Spender(run or str(uuid.uuid4()), recording, stage, _user(), profile)
    return Account(spender, budget.limits() if budget else ())


def account_of(stage: str) -> Account:
    """That of the run that is under way here, for one of its stages."""
    return (current_account.get() or open_account()).stage(stage)


current_account: ContextVar[Account | None] = ContextVar("current_account", default=None)
"""Of the run that is under way here."""


class Payment(Record):
    """What an answer cost; kept beside it."""

    number: int = Field(description="of its row in the ledger")
    service: str
    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    audio_ms: int
    usd_micro: int | None = Field(description="None: the price is not known")

    @property
    def usage(self) -> Usage:
        """What was metered; where the service did not say, the most that it can have been."""
        return Usage(self.requests, self.input_tokens, self.output_tokens, self.audio_ms)


_payments: ContextVar[dict[str, Payment] | None] = ContextVar("payments", default=None)


@contextmanager
def charged_to(account: Account) -> Iterator[Callable[[], list[Receipt]]]:
    """Charge every call of this block to an account; gives what tells the receipts of all answers used so far."""
    payments: dict[str, Payment] = {}
    tokens = current_account.set(account), _payments.set(payments)
    try:
        yield lambda: _receipts(account.spender.stage, list(payments.values()))
    finally:
        current_account.reset(tokens[0])
        _payments.reset(tokens[1])


def with_receipts(account: Account, work: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    """The result of a stage, with what its answers cost, whenever they were paid for."""
    with charged_to(account) as receipts:
        result = work(*args, **kwargs)
    found = receipts()
    return result.model_copy(update={"receipts": found}) if found else result


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call will be charged for."""

    service: str
    address: str
    models: tuple[str, ...]
    """Any of which may do the work."""
    most: Usage
    """What it takes at most."""
    metered: Callable[[Answer], Usage | None]
    """What it took, by its answer; None where that does not say."""


NearListener = Callable[[str, str], None]
_listeners: list[NearListener] = []


def on_budget_near(listener: NearListener) -> None:
    """Call `listener` when 80 % of a limit are spent or set aside: (the limit, what to say); once a period."""
    _listeners.append(listener)


@dataclass(slots=True)
class Purchase:
    """One call: reserved, then made, then settled or given up."""

    key: str
    charge: Charge
    place: int | None = None
    """In the ledger."""
    _most: int | None = None
    _ledger: Ledger = field(default_factory=Ledger)

    def reserve(self) -> None:
        """Set its price aside.

        Raises:
            BudgetExceeded: a limit has no room.
            PriceUnknown: a limit is in dollars, and nobody knows what the call costs.
        """
        account, charge = current_account.get() or open_account(), self.charge
        self._most = cost_of(charge.address, charge.models, charge.most)
        reserved = self._ledger.reserve(
            account.spender,
            self.key,
            charge.service,
            ", ".join(charge.models),
            charge.most,
            self._most,
            (*account.limits, *machine_limits()),
        )
        for where, text in reserved.warnings:
            _log.warning("%s", text)
            for listener in _listeners:
                listener(where, text)
        self.place = reserved.id

    def make(self, ask: Callable[[], T], tries: int = 1) -> T:
        """Call; where the service is down or overrun, call again after a pause, as long as it asks for within reason.

        A call that failed in a way that may have been charged stays in the ledger, and the next one is reserved anew.
        """
        last: list[BaseException] = []

        def once() -> T:
            if self.place is None:
                try:
                    self.reserve()
                except BudgetExceeded:
                    raise last[-1] from None  # what went wrong first; the next call will say that the money is gone
            try:
                return ask()
            except BaseException as error:
                last.append(error)
                if not surely_free(error):
                    self.unclear()
                raise

        if tries == 1:
            return once()
        import stamina

        return stamina.RetryingCaller(attempts=tries, timeout=None, wait_initial=0.5, wait_max=8.0).on(_pause)(once)

    def unclear(self) -> None:
        """It may have been charged: what was reserved stays spent."""
        if self.place is not None:
            self._ledger.unclear(self.place)
            self.place = None

    def release(self) -> None:
        """It was surely not charged."""
        if self.place is not None:
            self._ledger.release(self.place)
            self.place = None

    def payment(self, answer: Answer) -> Payment:
        """What the answer costs."""
        usage = self.charge.metered(answer) or self.charge.most
        try:
            cost = cost_of(self.charge.address, self.charge.models, usage)
        except EarwitnessError as error:  # somebody broke the prices meanwhile; the answer must not be lost for that
            _log.warning("what was set aside counts, because the prices can't be read now: %s", error)
            cost = self._most
        return Payment(
            number=self.place or 0,
            service=self.charge.service,
            model=", ".join(self.charge.models),
            requests=usage.requests,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            audio_ms=usage.audio_ms,
            usd_micro=cost,
        )

    def settle(self, payment: Payment) -> None:
        """Write what was metered in place of what was reserved."""
        if self.place is not None:
            self._ledger.settle(self.place, self.key, payment.usage, payment.usd_micro)
            self.place = None
        _note(self.key, payment)


@contextmanager
def purchase(key: str, charge: Charge) -> Iterator[Purchase]:
    """Reserve the price of a call for this block; what was neither settled nor may have been charged is given back."""
    buying = Purchase(key, charge)
    buying.reserve()
    try:
        yield buying
    finally:
        buying.release()


def paid_before(key: str, record: Mapping[str, Any]) -> None:
    """Note that a kept answer is used. Its row is settled now if the process was killed before it could do that."""
    payment = Payment.model_validate(record)
    try:
        Ledger().settle(payment.number, key, payment.usage, payment.usd_micro)
    except EarwitnessError as error:
        _log.warning("the ledger of spending could not be told of an answer that is kept: %s", error)
    _note(key, payment)


def spent_on(run: str) -> tuple[float, list[str]]:
    """(dollars that a run has spent so far, what its user should know about money)."""
    ledger = Ledger()
    try:
        micro, unknown = ledger.spent_by(run)
        warnings = ledger.warnings_of(run)
    except EarwitnessError as error:
        _log.warning("what the run cost can't be told: %s", error)
        return 0.0, [f"What the run cost can't be told: {error.message}"]
    if unknown:
        warnings.append(f"The price of {unknown:,} paid calls is not known, and not in the cost (docs/costs.md).")
    return micro / MICRO, warnings


def surely_free(error: BaseException) -> bool:
    """Whether a call that failed was surely not charged: it was refused, or never got there."""
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return status >= 400 and status not in _MAYBE_DONE
    seen: BaseException | None = error
    while seen is not None:
        if any(base.__name__ in _NEVER_SENT for base in type(seen).__mro__):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _pause(error: Exception) -> bool | float:
    """Whether to call again, or after how many seconds."""
    if not is_outage(error):
        return False
    wait_s = asked_to_wait(getattr(error, "response", None)).get("retry_after_s")
    return True if wait_s is None else wait_s if wait_s <= _LONGEST_PAUSE_S else False


def _note(key: str, payment: Payment) -> None:
    bought = _payments.get()
    if bought is not None:
        bought[key] = payment


def _receipts(stage: str, payments: Sequence[Payment]) -> list[Receipt]:
    groups: dict[tuple[str, str], list[Payment]] = {}
    for payment in payments:
        groups.setdefault((payment.service, payment.model), []).append(payment)
    found = []
    for (service, model), group in sorted(groups.items()):
        costs = [payment.usd_micro for payment in group]
        known = [cost for cost in costs if cost is not None]
        found.append(
            Receipt(
                stage=stage,
                service=service,
                model=model,
                calls=sum(payment.requests for payment in group),
                cost_usd=sum(known) / MICRO if len(known) == len(costs) else None,
                input_tokens=sum(payment.input_tokens for payment in group),
                output_tokens=sum(payment.output_tokens for payment in group),
                audio_s=sum(payment.audio_ms for payment in group) / 1000,
            )
        )
    return found


def _user() -> str:
    try:
        return os.environ.get("EARWITNESS_USER") or getpass.getuser()
    except (OSError, KeyError):  # a container's number without a name
        return "unknown"
