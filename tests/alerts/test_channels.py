"""What reaches a receiver, what is refused, and what is never shown."""

import email
import email.policy
import logging
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.alerts.alert import Alert, Severity, rehearsal
from earwitness.alerts.channels import read_channel, read_channels
from earwitness.alerts.settings import AlertSettings, alert_settings
from earwitness.alerts.signature import is_genuine, sign
from earwitness.alerts.tell import Delivery, send_now
from earwitness.errors import UsageError
from tests.receivers import Receiver, certificate, dead_port, http_server, mail_server

SECRET = "a-secret-of-the-webhook"
HIDDEN = "T0KEN-hidden"

ALERT = Alert(
    code="failed-storage",
    severity=Severity.ERROR,
    title="No place\nto write",
    what="The disk is full: <@everyone> @here",
    remedy="Free some space.",
    recording="session 1.mp3",
    run_url="https://prefect.example.com/runs/1",
)


def settings(*urls: str, **more: object) -> AlertSettings:
    return AlertSettings.model_validate({"urls": list(urls), "secret": SECRET, "timeout_s": 5, **more})


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("cert"))


@pytest.fixture
def trusted(cert: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
    return cert


@pytest.fixture
def https(trusted: Path) -> Iterator[Receiver]:
    with http_server(trusted) as receiver:
        yield receiver


def test_a_webhook_gets_json_that_its_receiver_can_verify(https: Receiver) -> None:
    (made,) = send_now(ALERT, settings(f"https://127.0.0.1:{https.port}/{HIDDEN}"))
    assert made.problem == ""
    assert made.channel == "https://127.0.0.1"
    (got,) = https.got
    assert got.path == f"/{HIDDEN}"
    header = got.headers["Earwitness-Signature"]
    assert is_genuine(SECRET, header, got.body)
    assert not is_genuine(SECRET, header, got.body + b" ")
    assert not is_genuine("another-secret-altogether", header, got.body)
    assert not is_genuine(SECRET, header, got.body, now=got.json["sent_at"] + 301)
    assert got.json["code"] == "failed-storage"
    assert got.json["title"] == "No place to write"
    assert got.json["recording"] == "session 1.mp3"
    assert got.json["run_url"] == ALERT.run_url
    assert got.json["fingerprint"] == ALERT.fingerprint


@given(body=st.binary(max_size=200), at=st.integers(0, 10**10))
def test_every_signature_is_genuine_until_something_changes(body: bytes, at: int) -> None:
    header = sign(SECRET, body, at)
    assert is_genuine(SECRET, header, body, now=at)
    assert not is_genuine(SECRET, sign(SECRET, body, at + 1).replace(f"t={at + 1}", f"t={at}"), body, now=at)


@given(st.text(max_size=80))
def test_no_header_breaks_the_verification(header: str) -> None:
    assert not is_genuine(SECRET, header, b"body")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_trouble_is_tried_again(https: Receiver, status: int) -> None:
    https.answers = [status]
    (made,) = send_now(ALERT, settings(f"https://127.0.0.1:{https.port}/"))
    assert made.problem == ""
    first, second = https.got
    assert first.json["id"] == second.json["id"]


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refusal_is_not_tried_again(https: Receiver, status: int) -> None:
    https.answers = [status] * 3
    (made,) = send_now(ALERT, settings(f"https://127.0.0.1:{https.port}/{HIDDEN}"))
    assert str(status) in made.problem
    assert HIDDEN not in made.problem
    assert len(https.got) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(https: Receiver, trusted: Path, status: int) -> None:
    with http_server(trusted) as elsewhere:
        https.answers = [(status, f"https://localhost:{elsewhere.port}/")] * 3
        (made,) = send_now(ALERT, settings(f"https://127.0.0.1:{https.port}/"))
        assert "redirect" in made.problem
        assert elsewhere.got == []


def test_a_service_of_apprise_follows_no_redirect_either(https: Receiver, trusted: Path) -> None:
    with http_server(trusted) as elsewhere:
        https.answers = [(307, f"https://localhost:{elsewhere.port}/")] * 3
        (made,) = send_now(ALERT, settings(f"jsons://127.0.0.1:{https.port}/?redirect=yes", tries=1))
        assert made.problem
        assert elsewhere.got == []


def test_a_certificate_that_nobody_vouches_for_is_refused(cert: Path) -> None:
    with http_server(cert) as receiver:
        (made,) = send_now(ALERT, settings(f"https://127.0.0.1:{receiver.port}/"))
        assert "not trusted" in made.problem
        assert receiver.got == []


def test_a_stalling_receiver_is_given_up_in_time(https: Receiver) -> None:
    https.stall = Event()
    with http_server() as lively:
        made = send_now(
            ALERT,
            settings(
                f"https://127.0.0.1:{https.port}/", f"http://127.0.0.1:{lively.port}/",
                timeout_s=1, allow_http="loopback",
            ),
        )  # fmt: skip
        assert [bool(one.problem) for one in made] == [True, False]
        assert len(lively.got) == 1


def test_slack_and_discord_get_their_own_form(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real code of both, over real TLS; only the proxy answers in their place."""
    with http_server(trusted, proxy=True) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        made = send_now(
            ALERT,
            settings(
                f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{HIDDEN.replace('-', '')}abcdefghijkl",
                f"https://discord.com/api/webhooks/4174216298/{HIDDEN}",
            ),
        )
    assert [one.problem for one in made] == ["", ""]
    assert [one.channel for one in made] == ["slack://hooks.slack.com", "discord://discord.com"]
    slack = next(got for got in proxy.got if got.path.startswith("/services/T1JJ3T3L2/"))
    discord = next(got for got in proxy.got if got.path.startswith("/api/webhooks/4174216298/"))
    for got in (slack, discord):
        assert "No place to write" in got.body.decode()
        assert "Free some space." in got.body.decode()
        assert "@here" not in got.json.__str__()
        assert "<@everyone>" not in got.json.__str__()


def test_mail_arrives_with_its_subject() -> None:
    with mail_server() as relay:
        (made,) = send_now(
            ALERT, settings(f"mailto://127.0.0.1:{relay.port}?from=ear@example.com&to=me@example.com,you@example.com")
        )
    assert made.problem == ""
    assert made.channel == "mailto://127.0.0.1"
    mail = email.message_from_bytes(relay.got[0].body, policy=email.policy.default)
    assert mail["Subject"] == "No place to write"
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "Free some space." in body.get_content()
    assert {got.path.split("RCPT TO:<")[1].split(">")[0] for got in relay.got} == {"ME@EXAMPLE.COM", "YOU@EXAMPLE.COM"}


@pytest.mark.parametrize(
    ("url", "because"),
    [
        (f"http://hooks.example.com/{HIDDEN}", "not encrypted"),
        (f"http://127.0.0.1/{HIDDEN}", "not encrypted"),
        (f"http://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{HIDDEN}", ""),
        (f"json://example.com/{HIDDEN}", "not encrypted"),
        (f"mailto://user:{HIDDEN}@relay.example.com?from=a@example.com", "not encrypted"),
        (f"jsons://example.com/{HIDDEN}?verify=no", "certificates"),
        (f"hooks.slack.com/services/{HIDDEN}", "not a URL"),
        (f"nonsense://{HIDDEN}/{HIDDEN}", "No service"),
        (f"slack://{HIDDEN}", "No service"),
        (f"https:///{HIDDEN}", "no host"),
        (f"https://[{HIDDEN}/", "not a URL"),
        (f"syslog://{HIDDEN}", ""),
    ],
)
def test_what_is_not_safe_is_refused_without_being_repeated(url: str, because: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_channel(url, settings())
    assert because in str(caught.value)
    assert caught.value.remedy
    assert HIDDEN not in str(caught.value)


def test_http_to_this_machine_needs_leave_and_never_goes_further() -> None:
    allowed = settings(allow_http="loopback")
    assert read_channel("http://127.0.0.1:1/x", allowed).shown == "http://127.0.0.1"
    assert read_channel("http://[::1]:1/x", allowed)
    for url in ("http://192.168.1.1/x", "http://example.com/x", "http://127.0.0.1.example.com/x"):
        with pytest.raises(UsageError, match="not encrypted"):
            read_channel(url, allowed)


def test_a_webhook_without_a_secret_is_refused() -> None:
    with pytest.raises(UsageError, match="EARWITNESS_ALERT_SECRET"):
        read_channel("https://example.com/x", AlertSettings())


@pytest.mark.parametrize(
    "url",
    [
        f"https://example.com/{HIDDEN}?x={HIDDEN}",
        f"https://user:{HIDDEN}@example.com/",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        f"discord://4174216298/{HIDDEN}",
        f"mailtos://user:{HIDDEN}@smtp.example.com?from=a@example.com",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        f"ntfys://{HIDDEN}@ntfy.example.com/{HIDDEN}",
    ],
)
def test_a_channel_shows_its_service_and_host_alone(url: str) -> None:
    channel = read_channel(url, settings())
    for shown in (channel.shown, repr(channel), str(channel)):
        for secret in (HIDDEN, "T1JJ3T3L2", "TIiajk", "4174216298", "123456789"):
            assert secret not in shown


def test_libraries_log_no_address_even_when_debugged(https: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send_now(
        rehearsal("here"),
        settings(f"jsons://127.0.0.1:{https.port}/{HIDDEN}", f"https://127.0.0.1:{https.port}/{HIDDEN}"),
    )
    assert len(https.got) == 2
    assert HIDDEN not in caplog.text


def test_settings_come_from_the_environment_and_hide_their_secrets() -> None:
    found = alert_settings(
        {
            "EARWITNESS_ALERT_URLS": f"https://a.example/{HIDDEN}\n slack://x/y/z ",
            "EARWITNESS_ALERT_SECRET": HIDDEN * 2,
            "EARWITNESS_ALERT_BLOCKS": "ops mail",
            "EARWITNESS_ALERT_WINDOW_S": "60",
            "EARWITNESS_HOME": "/x",
        }
    )
    assert len(found.urls) == 2
    assert found.blocks == ("ops", "mail")
    assert found.window_s == 60
    assert HIDDEN not in repr(found)
    assert HIDDEN not in found.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value"), [("SECRET", HIDDEN), ("WINDOW_S", HIDDEN), ("ALLOW_HTTP", HIDDEN), ("URL", HIDDEN)]
)
def test_wrong_settings_name_the_variable_and_not_its_value(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"EARWITNESS_ALERT_{name}") as caught:
        alert_settings({f"EARWITNESS_ALERT_{name}": value})
    assert HIDDEN not in str(caught.value)


def test_one_bad_channel_leaves_the_others(https: Receiver) -> None:
    want = settings(
        f"http://x.example/{HIDDEN}", f"https://127.0.0.1:{https.port}/", f"https://127.0.0.1:{dead_port()}/"
    )
    channels, problems = read_channels(want)
    assert len(channels) == 2
    assert problems[0].startswith("channel 1: http:// is not encrypted")
    made = send_now(ALERT, want.model_copy(update={"tries": 1}))
    assert [bool(one.problem) for one in made] == [True, False, True]


def test_a_user_and_password_go_into_a_header_and_not_into_the_host(https: Receiver) -> None:
    (made,) = send_now(ALERT, settings(f"https://me:p%40ss{HIDDEN}@127.0.0.1:{https.port}/in?x=1"))
    assert made == Delivery("https://127.0.0.1")
    (got,) = https.got
    assert got.path == "/in?x=1"
    assert b64decode(got.headers["Authorization"].removeprefix("Basic ")).decode() == f"me:p@ss{HIDDEN}"
