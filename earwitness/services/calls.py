"""Paid calls, each made once: an answer is kept before anybody uses it, so that a crash never pays for it again."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from earwitness.errors import StorageError
from earwitness.home import calls_path
from earwitness.schema import digest_of
from earwitness.services.breaker import hosted
from earwitness.storage.damage import damage_found
from earwitness.storage.locks import locked
from earwitness.storage.whole import write_whole

Answer = dict[str, Any]

_log = logging.getLogger(__name__)


def call_once(service: str, request: Mapping[str, Any], ask: Callable[[], Answer]) -> Answer:
    """The answer to a request: the one that is kept, else what `ask` gets, which is then kept.

    Two processes with the same request pay once: the second waits for the first. Only a crash between the service's
    answer and its being written, which is milliseconds, pays twice.

    Args:
        service: its name as users know it; one circuit breaker each.
        request: what decides the answer: address, model, parameters, digests of what is sent. Never a key.
        ask: makes the call. It returns only answers that can be used; whatever it raises is passed on and not kept.

    Raises:
        ServiceUnavailable: the service's breaker is open.
        StorageError: the answer can't be kept.
    """
    key = digest_of({"service": service, **request})
    path = calls_path() / key[:2] / f"{key}.json"
    with locked(f"call-{key[:2]}"):
        if (kept := _read(path)) is not None:
            return kept
        with hosted(service):
            answer = ask()
        _keep(path, answer)
    return answer


class OrderGone(Exception):
    """The service no longer knows an order, or gave it up unpaid: only a new one can bring the answer."""


def order_once(
    service: str, request: Mapping[str, Any], order: Callable[[], str], collect: Callable[[str], Answer]
) -> Answer:
    """The answer to a request that the service works on for a while: ordered once, then asked for until it is there.

    What was ordered is kept as soon as the service says its number, so a run that is killed while it waits, or fails,
    collects the same order next time instead of paying for another. Otherwise as `call_once`.

    Args:
        service: its name as users know it; one circuit breaker each.
        request: what decides the answer. Never a key.
        order: places the order and gives its number.
        collect: waits for an order and gives its answer, checked.

    Raises:
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
        answer = None
        if (ordered := _read(ticket)) is not None:
            try:
                with hosted(service):
                    answer = collect(str(ordered["order"]))
            except OrderGone as gone:
                _log.warning("%s no longer has what was ordered (%s): it is ordered anew", service, gone)
                ticket.unlink(missing_ok=True)
        if answer is None:
            with hosted(service):
                number = order()
            _keep(ticket, {"order": number})
            try:
                with hosted(service):
                    answer = collect(number)
            except OrderGone:
                ticket.unlink(missing_ok=True)
                raise
        _keep(path, answer)
        ticket.unlink(missing_ok=True)
    return answer


def _read(path: Path) -> Answer | None:
    try:
        record = json.loads(path.read_text("utf-8"))
        answer: Answer = record["answer"]
        if record["digest"] == digest_of(answer):
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


def _keep(path: Path, answer: Answer) -> None:
    record = json.dumps({"digest": digest_of(answer), "answer": answer}, ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, record.encode())
    except OSError as error:
        raise StorageError(
            f"The answer of a paid call can't be kept in {path.parent} ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error
