"""One message for one trouble, whichever process has it, and never in the way of the work."""

import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from earwitness.alerts import tell
from earwitness.alerts.alert import Alert, Severity, bug, failed_batch, failed_run, runs_reaped, storage_low
from earwitness.alerts.outbox import Outbox
from earwitness.alerts.tell import raise_alert, send_waiting, wait_for_alerts
from earwitness.errors import ExitCode
from earwitness.result import ErrorInfo, Outcome, RunResult
from tests.receivers import Receiver, dead_port, http_server

HIDDEN = "T0KEN-hidden"


def alert(key: str = "disk") -> Alert:
    return Alert(code="test", severity=Severity.ERROR, title="Trouble", what="It broke.", remedy="Mend it.", key=key)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earwitness.alerts.tell._logged", set())
    monkeypatch.setattr("earwitness.alerts.outbox._memory", {})


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with http_server() as made:
        monkeypatch.setenv("EARWITNESS_ALERT_URLS", f"http://127.0.0.1:{made.port}/{HIDDEN}")
        monkeypatch.setenv("EARWITNESS_ALERT_SECRET", "a-secret-of-the-webhook")
        monkeypatch.setenv("EARWITNESS_ALERT_ALLOW_HTTP", "loopback")
        yield made


def test_the_same_trouble_is_told_once_and_then_counted(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(3600, tmp_path / "a.sqlite", clock)
    first = outbox.claim(alert())
    assert first is not None
    assert first.more == 0
    outbox.delivered(first)
    assert [outbox.claim(alert()) for _ in range(3)] == [None] * 3
    assert outbox.claim(alert("other disk")) is not None
    clock.now += 3599
    assert outbox.claim(alert()) is None
    clock.now += 1
    again = outbox.claim(alert())
    assert again is not None
    assert again.more == 4
    assert "And 4 more" in again.alert.text(again.more)


def test_what_was_held_back_is_told_when_the_window_ends(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(3600, tmp_path / "a.sqlite", clock)
    first = outbox.claim(alert())
    assert first is not None
    outbox.delivered(first)
    outbox.claim(alert())
    clock.now += 3000
    assert outbox.due() == []
    clock.now += 600
    assert [message.more for message in outbox.due()] == [1]
    assert outbox.due() == []  # whoever got it has it alone
    clock.now += 130
    (again,) = outbox.due()  # it was not delivered
    assert again.more == 1
    outbox.delivered(again)
    clock.now += 100_000
    assert outbox.due() == []


def test_a_message_that_no_channel_took_waits_and_loses_no_count(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(3600, tmp_path / "a.sqlite", clock)
    outbox.claim(alert())
    clock.now += 600
    assert outbox.claim(alert()) is None
    assert [message.more for message in outbox.due()] == [0]
    clock.now += 3600
    assert [message.more for message in outbox.due()] == [1]
    clock.now += 100_000
    assert outbox.due() == []  # after a day nobody needs it any more


def test_a_clock_that_is_set_back_silences_nothing(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(3600, tmp_path / "a.sqlite", clock)
    outbox.claim(alert())
    clock.now -= 86_400
    assert outbox.claim(alert()) is not None


@pytest.mark.parametrize(
    "content", [b"", b"not a database, but longer than a header " * 50, b"SQLite format 3\0" * 300]
)
def test_a_damaged_file_is_put_aside_and_stops_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    outbox = Outbox(3600, path)
    assert outbox.claim(alert()) is not None
    assert outbox.claim(alert()) is None
    assert outbox.due() == []
    assert not content or path.with_suffix(".damaged").read_bytes() == content


def test_a_file_of_another_kind_of_table_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE alerts (x)")
    outbox = Outbox(3600, path)
    assert outbox.claim(alert()) is not None
    assert outbox.claim(alert()) is None


def test_a_locked_file_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earwitness.alerts.outbox._WAIT_FOR_OTHERS_S", 0.2)
    path = tmp_path / "a.sqlite"
    Outbox(3600, path).claim(alert("earlier"))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    outbox = Outbox(3600, path)
    assert outbox.claim(alert()) is not None
    assert outbox.claim(alert()) is None  # at least this process tells it once
    assert outbox.due() == []
    holder.close()


def test_a_home_that_can_not_be_written_stops_nothing(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / "file"))
    raise_alert(alert())
    assert wait_for_alerts(30)
    assert len(receiver.got) == 1


RAISE = """
import sys
from earwitness.alerts.alert import Alert, Severity
from earwitness.alerts.tell import raise_alert, wait_for_alerts
print("ready", flush=True)
sys.stdin.readline()
for _ in range(2):
    raise_alert(Alert(code="test", severity=Severity.ERROR, title="Trouble", what="It broke.", remedy="Mend it."))
assert wait_for_alerts(60)
"""


@pytest.mark.slow
def test_twenty_processes_with_one_trouble_send_one_message(receiver: Receiver, own_home: Path) -> None:
    many = [
        subprocess.Popen([sys.executable, "-c", RAISE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    for process in many:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in many:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.close()
    assert [process.wait(timeout=120) for process in many] == [0] * 20
    assert len(receiver.got) == 1
    with sqlite3.connect(own_home / "alerts.sqlite") as file:
        assert file.execute("SELECT more, delivered FROM alerts").fetchall() == [(39, 1)]


def test_a_dead_channel_costs_the_caller_nothing_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EARWITNESS_ALERT_URLS", f"https://127.0.0.1:{dead_port()}/{HIDDEN}")
    monkeypatch.setenv("EARWITNESS_ALERT_SECRET", "a-secret-of-the-webhook")
    monkeypatch.setenv("EARWITNESS_ALERT_TIMEOUT_S", "1")
    started = time.perf_counter()
    for number in range(5):
        raise_alert(alert(str(number)))
    assert time.perf_counter() - started < 1.0
    assert wait_for_alerts(30)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "https://127.0.0.1 can't be reached" in said[0]
    assert HIDDEN not in caplog.text


def test_what_could_not_be_sent_is_sent_when_the_channel_is_back(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earwitness.alerts.outbox._SENDING_S", 0.0)
    receiver.answers = [404]
    raise_alert(alert())
    assert wait_for_alerts(30)
    assert send_waiting() == ["Trouble"]
    assert send_waiting() == []
    assert len(receiver.got) == 2


def test_without_a_channel_nothing_is_kept(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARWITNESS_ALERT_URLS", raising=False)
    raise_alert(alert())
    assert wait_for_alerts(5)
    assert send_waiting() == []
    assert list(own_home.iterdir()) == []


def test_wrong_settings_never_reach_the_run(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("EARWITNESS_ALERT_TRIES", HIDDEN)
    raise_alert(alert())
    assert "EARWITNESS_ALERT_TRIES" in caplog.text
    assert HIDDEN not in caplog.text


def test_urls_in_secret_blocks_are_asked_for_by_name(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    url = os.environ["EARWITNESS_ALERT_URLS"]
    monkeypatch.delenv("EARWITNESS_ALERT_URLS")
    monkeypatch.setenv("EARWITNESS_ALERT_BLOCKS", "ops night-shift")
    asked: list[str] = []

    def read(names: Sequence[str]) -> list[str]:
        asked.extend(names)
        return [url]

    monkeypatch.setattr(tell, "block_reader", read)
    raise_alert(alert())
    assert wait_for_alerts(30)
    assert asked == ["ops", "night-shift"]
    assert len(receiver.got) == 1


def test_raising_from_many_threads_sends_one_message(receiver: Receiver) -> None:
    threads = [threading.Thread(target=raise_alert, args=[alert()]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wait_for_alerts(30)
    assert len(receiver.got) == 1


def result(code: ExitCode | None, outcome: Outcome = Outcome.FAILED, name: str = "a.mp3") -> RunResult:
    error = ErrorInfo(code="x", message="It is so.", remedy="Do it.", exit_code=int(code)) if code else None
    return RunResult(outcome=outcome, source=f"/in/{name}", profile="podcast", seconds=1, error=error)


@pytest.mark.parametrize("code", [ExitCode.STORAGE, ExitCode.BUDGET, ExitCode.UNAVAILABLE, ExitCode.BUG])
def test_what_stops_every_recording_is_always_told_and_once(code: ExitCode) -> None:
    told = [
        failed_run(result(code, name=name), unattended=unattended, in_batch=in_batch)
        for name in ("a.mp3", "b.mp3")
        for unattended in (True, False)
        for in_batch in (True, False)
    ]
    assert len({one.fingerprint for one in told if one}) == 1
    assert all(one and one.remedy == "Do it." and one.severity is Severity.ERROR for one in told)


def test_a_bad_recording_is_told_where_nobody_looks() -> None:
    bad = result(ExitCode.BAD_RECORDING)
    assert failed_run(bad, unattended=False) is None
    assert failed_run(bad, unattended=True, in_batch=True) is None
    told = failed_run(bad, unattended=True)
    assert told is not None
    assert "a.mp3" in told.title
    assert failed_run(result(None, Outcome.DONE), unattended=True) is None


def test_fifty_bad_recordings_of_a_batch_are_one_message() -> None:
    results = [result(ExitCode.BAD_RECORDING, name=f"{number}.mp3") for number in range(50)]
    told = failed_batch([*results, result(None, Outcome.DONE)], batch="run")
    assert told is not None
    assert told.title == "Batch: 50 failed of 51 recordings"
    assert "0.mp3: failed. It is so." in told.what
    assert "and 40 more" in told.what
    assert failed_batch([result(None, Outcome.DONE)], batch="run") is None


def test_every_message_says_what_to_do_and_is_of_bearable_length() -> None:
    alerts = [
        bug(ValueError("x\x1b[31m" * 9999), flow="recording"),
        storage_low(where="/data", free_bytes=10**9, needed_bytes=2 * 10**9),
        runs_reaped(["a", "b"], resumed=1, given_up=1, runs=["1", "2"]),
    ]
    for one in alerts:
        assert one.remedy.endswith(".")
        assert len(one.text(3)) < 3500
        assert "\x1b" not in one.text()
        assert "And 3 more" in one.text(3)


def test_a_budget_that_is_nearly_used_up_is_told_once(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    from earwitness.alerts.listeners import tell_of_breakers_and_damage
    from earwitness.money.paying import Charge, purchase
    from earwitness.money.prices import Usage

    tell_of_breakers_and_damage()
    monkeypatch.setenv("EARWITNESS_BUDGET_DAY_REQUESTS", "10")
    charge = Charge("OpenAI chat", "https://api.openai.com/v1", ("gpt-4o",), Usage(requests=1), lambda _: None)
    for number in range(10):
        with purchase(f"call {number}", charge) as buying:
            buying.unclear()
        assert wait_for_alerts(10)
        assert len(receiver.got) == (0 if number < 7 else 1)
    body = json.loads(receiver.got[0].body)
    assert (body["code"], body["severity"]) == ("budget-near", "warning")
    assert "80 % of EARWITNESS_BUDGET_DAY_REQUESTS is spent or set aside" in body["what"]
