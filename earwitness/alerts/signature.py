"""Signatures of webhooks: who sent it, and when.

The header `Earwitness-Signature: t=1763726400,v1=5257a8...` holds the time of sending (seconds since 1970) and
HMAC-SHA256 over `<t>.<body>` in hexadecimal, keyed with the shared secret. The scheme is the one of Stripe.
"""

import hashlib
import hmac
import time

HEADER = "Earwitness-Signature"


def sign(secret: str, body: bytes, at: int) -> str:
    """The value of the header for a body that is sent at `at` (seconds since 1970)."""
    return f"t={at},v1={_digest(secret, body, at)}"


def is_genuine(secret: str, header: str, body: bytes, *, tolerance_s: int = 300, now: float | None = None) -> bool:
    """Whether a body comes from who has the secret, and is fresh. For receivers; takes the same time for any answer.

    Args:
        secret: what EARWITNESS_ALERT_SECRET is set to on the sending side.
        header: the value of `Earwitness-Signature`.
        body: the bytes as they came, before any parsing.
        tolerance_s: older messages are refused, so that nobody can play an old one again.
        now: seconds since 1970; empty: the clock.
    """
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    given, at = parts.get("v1", ""), parts.get("t", "")
    if not (at.isascii() and at.isdigit() and len(at) < 20):
        return False
    fresh = abs((time.time() if now is None else now) - int(at)) <= tolerance_s
    genuine = hmac.compare_digest(_digest(secret, body, int(at)).encode(), given.encode())
    return genuine and fresh


def _digest(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
