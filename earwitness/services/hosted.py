"""What all services that are paid for have in common: when they may be asked, and when again."""

import math
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from earwitness.engines.hub import Availability

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def may_be_asked(
    address: str, *, setting: str, makers: Collection[str], key: str, has_key: bool, sent: str
) -> Availability:
    """Can a service be asked at all? Calls nobody: a try would be paid for.

    Args:
        address: where it is.
        setting: that names the address.
        makers: addresses of those who made it, which never answer without a key.
        key: the environment variable for the key.
        has_key: whether there is one.
        sent: what the service is sent, for people.
    """
    parts = urlsplit(address)
    if parts.username or parts.password:
        return Availability(ok=False, why=f"{setting} holds a name or password, which would be recorded")
    if parts.query or parts.fragment:
        return Availability(ok=False, why=f"{setting} holds more than an address, which would be recorded")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return Availability(ok=False, why=f"{setting} is {address!r}, which is no http(s) address")
    if parts.scheme == "http" and parts.hostname not in _HERE and has_key:
        return Availability(ok=False, why=f"the key would travel unencrypted to {address}: use https")
    if address in makers and not has_key:
        return Availability(ok=False, why=f"{key} is not set")
    return Availability(ok=True, why=f"asked for; {sent} is sent to {parts.hostname}")


def asked_to_wait(response: Any) -> dict[str, float]:
    """`{"retry_after_s": ...}` if an HTTP response says so in seconds, else nothing."""
    try:
        seconds = float(response.headers["retry-after"])
    except (AttributeError, KeyError, ValueError):
        return {}
    return {"retry_after_s": seconds} if math.isfinite(seconds) and seconds >= 0 else {}
