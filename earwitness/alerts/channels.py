"""The ways to a person: what a channel URL means, which are refused, and how one message is sent.

No URL is ever shown: its path, user and query are secrets, and for some services its host is one too.
"""

import ipaddress
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import local
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from earwitness.alerts.alert import Message, Severity
from earwitness.alerts.settings import AlertSettings
from earwitness.alerts.webhook import Webhook
from earwitness.errors import ChannelDown, UsageError

_SERVICES = {
    "hooks.slack.com": "slack",
    "hooks.slack-gov.com": "slack",
    "discord.com": "discord",
    "discordapp.com": "discord",
}
_HOSTS = {"slack": "hooks.slack.com", "discord": "discord.com"}
_CHATTY = ("apprise", "urllib3.connectionpool")
_MAIL_PORT = 25


class Channel(Protocol):
    """One way to a person."""

    @property
    def shown(self) -> str:
        """What may be printed: scheme and host at most."""

    def address(self) -> tuple[str, int] | None:
        """Host and port to try, if they are known."""

    def send(self, message: Message) -> None:
        """Send one message; see `Webhook.send` for what is raised."""


def read_channels(settings: AlertSettings, further: tuple[str, ...] = ()) -> tuple[list[Channel], list[str]]:
    """The channels of the settings, and what is wrong with those that can't be used.

    Args:
        settings: with the URLs of the environment.
        further: URLs from elsewhere (secret blocks).
    """
    channels: list[Channel] = []
    problems: list[str] = []
    urls = [*(url.get_secret_value() for url in settings.urls), *further]
    for number, url in enumerate(urls, start=1):
        try:
            channels.append(read_channel(url, settings))
        except UsageError as error:
            problems.append(f"channel {number}: {error}")
    return channels, problems


def read_channel(url: str, settings: AlertSettings) -> Channel:
    """The channel of a URL.

    Raises:
        UsageError: it is not a URL, not encrypted, or not of a service that is known. Nothing of it is repeated but
            its scheme.
    """
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme.lower(), parts.hostname
        if scheme in {"http", "https"}:
            _ = parts.port
    except ValueError:
        scheme, host = "", None
    if not scheme or "://" not in url:
        raise UsageError("It is not a URL.", "Write it with its scheme, such as https://… or slack://…")
    if scheme in {"http", "https"} and host not in _SERVICES:
        if not host:
            raise UsageError(f"The {scheme} URL has no host.", "Write it as https://host/path.")
        if scheme == "http" and not (settings.allow_http == "loopback" and is_loopback(host)):
            raise UsageError(
                "http:// is not encrypted.",
                "Use https://. (EARWITNESS_ALERT_ALLOW_HTTP=loopback allows it to this machine, for tests.)",
            )
        if settings.secret is None:
            raise UsageError(
                "Webhooks are signed, and there is no secret to sign with.",
                "Set EARWITNESS_ALERT_SECRET to at least 16 characters that the receiver knows too.",
            )
        return Webhook(url, settings.secret.get_secret_value(), settings.timeout_s)
    return _by_apprise(url, scheme, settings)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _by_apprise(url: str, scheme: str, settings: AlertSettings) -> Channel:
    with _quiet():
        import apprise

        made: Any = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(http_redirects=False, async_mode=False))
    if made is None:
        raise UsageError(
            f"No service is known for this {scheme}:// URL, or a part of it is missing.",
            "See docs/alerts.md for the form of each channel's URL.",
        )
    made.redirects = False  # also where the URL asks for them: a message must not leave for another host
    made.socket_connect_timeout = made.socket_read_timeout = settings.timeout_s
    if not made.verify_certificate:
        raise UsageError(f"The {scheme}:// URL switches the check of certificates off.", "Leave verify=no out.")
    mail = hasattr(made, "secure_mode")
    name = _SERVICES.get(urlsplit(url).hostname or "", scheme)
    host = made.smtp_host if mail else made.host if "host" in made.template_tokens else _HOSTS.get(name)
    secure = made.secure_mode != "insecure" if mail else _is_secure(made, name)
    here = is_loopback(host or "") and (mail or settings.allow_http == "loopback")
    if not secure and not here:
        raise UsageError(
            f"{scheme}:// is not encrypted.",
            "Use mailtos:// for e-mail." if mail else f"Use {scheme}s://, if the service has it.",
        )
    port = made.port or (_MAIL_PORT if mail else 443)
    return _ByApprise(url=made, shown=f"{name}://{host or '…'}", port=port, clean=str if mail else _harmless)


def _is_secure(made: Any, scheme: str) -> bool:
    secure = made.secure_protocol or ()
    return scheme in ((secure,) if isinstance(secure, str) else tuple(secure))


@dataclass
class _ByApprise:
    """A service that apprise knows; it tells no more than whether it worked, so any failure may be tried again."""

    _types: ClassVar = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "failure"}

    url: Any = field(repr=False)
    shown: str
    port: int
    clean: Callable[[str], str]

    def address(self) -> tuple[str, int] | None:
        host = self.shown.split("://")[1]
        return None if host == "…" else (host, self.port)

    def send(self, message: Message) -> None:
        with _quiet():
            import apprise

            sent = self.url.notify(
                title=self.clean(message.alert.title),
                body=self.clean(message.text),
                notify_type=apprise.NotifyType(self._types[message.alert.severity]),
                body_format=apprise.NotifyFormat.TEXT,
            )
        if not sent:
            raise ChannelDown(f"{self.shown} did not take the message.", "Check its URL and its limits.")


def _harmless(text: str) -> str:
    """Text in which no file name can call a whole channel together, or form a link or tag."""
    return text.replace("@", "@\u200b").replace("<", "‹").replace(">", "›")


class _NoSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_here, "secret", False)


_here = local()
_filter = _NoSecrets()


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what libraries log in this thread: debugged, they log whole URLs."""
    for name in _CHATTY:
        logging.getLogger(name).addFilter(_filter)  # a second time changes nothing
    _here.secret = True
    try:
        yield
    finally:
        _here.secret = False
