"""Paid calls, each made once: an answer is kept before anybody uses it, so that a crash never pays for it again."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from earwitness.errors import StorageError
from earwitness.home import calls_path
from earwitness.money.paying import Answer, Charge, Payment, Purchase, paid_before, purchase
from earwitness.schema import digest_of
from earwitness.services.breaker import hosted
from earwitness.storage.damage import damage_found
from earwitness.storage.locks import locked
from earwitness.storage.whole import write_whole

_log = logging.getLogger(__name__)


def call_once(
    service: str, request: Mapping[str, Any], ask: Callable[[], Answer], charge: Charge, *, tries: int = 1
) -> Answer:
    """The answer to a request: the one that is kept, else what `ask` gets, which is then kept.

    Its price is set aside before the call and settled after it (`earwitness.money`); a kept answer costs nothing.

    Two processes with the same request pay once: the second waits for the first. Only a crash between the service's
    answer and its being written, which is milliseconds, pays twice.

    Args:
        service: its name as users know it; one circuit breaker each.
        request: what decides the answer: address, model, parameters, digests of what is sent. Never a key.
        ask: makes the call. It returns only answers that can be used; whatever it raises is passed on and not kept.
        charge: what it may cost.
        tries: how often a service that is down or overrun is asked, with growing pauses.

    Raises:
        BudgetExceeded: a limit has no room for it.
        PriceUnknown: its price is not known, and a limit is in dollars.
        ServiceUnavailable: the service's breaker is open.
        StorageError: the answer can't be kept.
    """
    key = digest_of({"service": service, **request})
    path = calls_path() / key[:2] / f"{key}.json"
    with locked(f"call-{key[:2]}"):
        if (kept := _read(path)) is not None:
            return kept
        with purchase(key, charge) as buying:
            with hosted(service):
                answer = buying.make(ask, tries)
            _pay(buying, path, answer)
    return answer


class OrderGone(Exception):
    """The service no longer knows an order, or gave it up unpaid: only a new one can bring the answer."""


def order_once(
    service: str,
    request: Mapping[str, Any],
    order: Callable[[], str],
    collect: Callable[[str], Answer],
    charge: Charge,
) -> Answer:
    """The answer to a request that the service works on for a while: ordered once, then asked for until it is there.

    What was ordered is kept as soon as the service says its number, so a run that is killed while it waits, or fails,
    collects the same order next time instead of paying for another. Its price stays set aside until then. Otherwise as
    `call_once`.

    Args:
        service: its name as users know it; one circuit breaker each.
        request: what decides the answer. Never a key.
        order: places the order and gives its number.
        collect: waits for an order and gives its answer, checked.
        charge: what it may cost.

    Raises:
        BudgetExceeded: a limit has no room for it.
        PriceUnknown: its price is not known, and a limit is in dollars.
        OrderGone: the service gave up a new order; it is forgotten, so that another run may order anew.
        ServiceUnavailable: the service's breaker is open.
        StorageError: the order or the answer can't be kept.
    """
    key = digest_of({"service": service, **request})
    path = calls_path() / key[:2] / f"{key}.json"
    ticket = path.with_name(f"{key}.order.json")
    with locked(f"call-{key[:2]}"):
        if (kept := _read(path)) is not None:
            return kept
        if (ordered := _read(ticket)) is not None:
            waiting = Purchase(key, charge, ordered.get("place"))
            try:
                with hosted(service):
                    answer = collect(str(ordered["order"]))
            except OrderGone as gone:
                _log.warning("%s no longer has what was ordered (%s): it is ordered anew", service, gone)
                waiting.release()
                ticket.unlink(missing_ok=True)
            else:
                _pay(waiting, path, answer)
                ticket.unlink(missing_ok=True)
                return answer
        with purchase(key, charge) as buying:
            with hosted(service):
                number = buying.make(order)
            place, buying.place = buying.place, None  # it is charged for from now on, whatever happens here
            _keep(ticket, {"order": number, "place": place})
        ordered_now = Purchase(key, charge, place)
        try:
            with hosted(service):
                answer = collect(number)
        except OrderGone:
            ordered_now.release()
            ticket.unlink(missing_ok=True)
            raise
        _pay(ordered_now, path, answer)
        ticket.unlink(missing_ok=True)
    return answer


def _pay(buying: Purchase, path: Path, answer: Answer) -> None:
    """Keep first, then settle: a crash in between leaves a kept answer, which settles when it is used."""
    payment = buying.payment(answer)
    try:
        _keep(path, answer, payment)
    finally:
        buying.settle(payment)


def _read(path: Path) -> Answer | None:
    try:
        record = json.loads(path.read_text("utf-8"))
        answer: Answer = record["answer"]
        paid = record.get("paid")
        if record["digest"] == digest_of(answer if paid is None else [answer, paid]):
            if paid is not None:
                paid_before(path.stem, paid)
            return answer
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("the kept answer %s can't be read (%s): the call is made again", path, error)
        return None
    except (ValueError, KeyError, TypeError):
        pass
    damage_found(f"The kept answer {path} was altered after it was stored: the call is made again.", path)
    return None


def _keep(path: Path, answer: Answer, payment: Payment | None = None) -> None:
    paid = payment.model_dump(mode="json") if payment else None
    content: dict[str, Any] = {"digest": digest_of(answer), "answer": answer}
    if paid is not None:
        content = {"digest": digest_of([answer, paid]), "answer": answer, "paid": paid}
    record = json.dumps(content, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, record.encode())
    except OSError as error:
        raise StorageError(
            f"The answer of a paid call can't be kept in {path.parent} ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
