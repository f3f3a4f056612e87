"""Signed webhooks: one POST of JSON over TLS, which follows no redirect."""

import json
import ssl
import time
from base64 import b64encode
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from earwitness import __version__
from earwitness.alerts.alert import Message
from earwitness.alerts.signature import HEADER, sign
from earwitness.errors import ChannelDown, ChannelRefused
from earwitness.schema import SCHEMA_VERSION

_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None  # so that the answer counts as an error: the message must not leave for another host


@dataclass
class Webhook:
    """An address that takes JSON."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout_s: float

    @property
    def shown(self) -> str:
        """Scheme and host."""
        return f"{urlsplit(self.url).scheme}://{urlsplit(self.url).hostname}"

    def address(self) -> tuple[str, int] | None:
        """Host and port."""
        parts = urlsplit(self.url)
        return (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)) if parts.hostname else None

    def send(self, message: Message) -> None:
        """Send one message. Certificates are checked against the system's (or `SSL_CERT_FILE`).

        Raises:
            ChannelDown: no answer in time, or one that asks to try again.
            ChannelRefused: any other answer than success; a redirect too.
        """
        at = int(time.time())
        body = json.dumps(payload(message, at), ensure_ascii=False, sort_keys=True).encode()
        place, who = _without_user(self.url)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"earwitness/{__version__}",
            HEADER: sign(self.secret, body, at),
            **({"Authorization": who} if who else {}),
        }
        request = Request(place, data=body, headers=headers)
        opener = build_opener(_NoRedirects(), HTTPSHandler(context=ssl.create_default_context()))
        try:
            with opener.open(request, timeout=self.timeout_s):
                return
        except HTTPError as error:
            error.close()
            answer = f"{self.shown} answered {error.code}"
            if error.code in _WORTH_ANOTHER_TRY:
                raise ChannelDown(f"{answer}.", "Try again later.") from None
            if 300 <= error.code < 400:
                raise ChannelRefused(f"{answer}: a redirect.", "Set the address that it leads to.") from None
            raise ChannelRefused(f"{answer}.", "Check the address and the secret.") from None
        except (URLError, OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise ChannelRefused(
                    f"The certificate of {self.shown} is not trusted ({reason.verify_message}).",
                    "Give it a valid one, or point SSL_CERT_FILE at your authority's.",
                ) from None
            # only the kind of error and the system's words for it: no library's text, which may hold the address
            why = getattr(reason, "strerror", None) or type(reason).__name__
            raise ChannelDown(f"{self.shown} can't be reached ({why}).", "Check the network.") from None


def _without_user(url: str) -> tuple[str, str]:
    """The address alone, and the header for the user and password that stood before its host; urllib takes no such."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, ""
    return urlunsplit(parts._replace(netloc=host)), f"Basic {b64encode(unquote(user).encode()).decode()}"


def payload(message: Message, at: int) -> dict[str, object]:
    """What a receiver gets."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": message.id,
        "fingerprint": message.alert.fingerprint,
        "sent_at": at,
        "more": message.more,
        **message.alert.model_dump(mode="json", exclude={"key"}),
    }
