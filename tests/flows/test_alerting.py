"""Which ends of runs people are told of, by real runs; and that no secret of a channel is written anywhere."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from earwitness.alerts.tell import wait_for_alerts
from earwitness.errors import EngineUnavailable, ServiceUnavailable
from earwitness.result import Outcome
from earwitness.services.breaker import hosted
from earwitness.storage.room import storage_state
from earwitness.storage.store import FileRef, keep
from flows import run_flow
from tasks.alerting import tell_of_room
from tests.prefect_server import prefect_home
from tests.receivers import Receiver, http_server
from tests.warm import environment, warm_python

HIDDEN = "T0KEN-hidden"
SECRET = "a-secret-of-the-webhook"


@pytest.fixture(autouse=True)
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with http_server() as made:
        monkeypatch.setenv("EARWITNESS_ALERT_URLS", f"http://me:{HIDDEN}@127.0.0.1:{made.port}/{HIDDEN}?x={HIDDEN}")
        monkeypatch.setenv("EARWITNESS_ALERT_SECRET", SECRET)
        monkeypatch.setenv("EARWITNESS_ALERT_ALLOW_HTTP", "loopback")
        monkeypatch.setattr("earwitness.storage.room.LITTLE_ROOM_BYTES", 0)  # whatever this machine has
        monkeypatch.setattr("earwitness.storage.room.NO_ROOM_BYTES", 0)
        yield made


def codes(receiver: Receiver) -> list[str]:
    assert wait_for_alerts(30)
    return [got.json["code"] for got in receiver.got]


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
class TestRuns:
    """On a server."""

    def test_bad_recordings_of_a_batch_are_one_message(self, receiver: Receiver, tmp_path: Path) -> None:
        (tmp_path / "empty.wav").touch()
        results = run_flow([tmp_path / "empty.wav", tmp_path / "missing.wav"], out=tmp_path / "out")
        assert [result.outcome for result in results] == [Outcome.FAILED] * 2
        assert codes(receiver) == ["batch"]
        told = receiver.got[0].json
        assert told["title"] == "Batch: 2 failed of 2 recordings"
        assert "missing.wav" in told["what"]
        assert "/runs/flow-run/" in told["run_url"]

    def test_a_bad_recording_at_the_command_line_is_not_told(self, receiver: Receiver, tmp_path: Path) -> None:
        assert run_flow(tmp_path / "missing.wav").outcome is Outcome.FAILED
        assert codes(receiver) == []

    def test_what_stops_every_recording_is_told_once_and_at_once(
        self, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: object, **kwargs: object) -> None:
            raise EngineUnavailable("No engine can run here.", "Install one.")

        monkeypatch.setattr("tasks.plan.plan_job", refuse)
        run_flow([tmp_path / f"{number}.wav" for number in range(3)], out=tmp_path / "out")
        assert sorted(codes(receiver)) == ["batch", "failed-engine-unavailable"]

    def test_a_bug_is_told_once_though_it_ends_two_flows(
        self, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def break_down(*args: object, **kwargs: object) -> None:
            raise ZeroDivisionError("nobody foresaw this")

        monkeypatch.setattr("tasks.plan.plan_job", break_down)
        with pytest.raises(ZeroDivisionError):
            run_flow([tmp_path / "a.wav", tmp_path / "b.wav"], out=tmp_path / "out")
        assert codes(receiver) == ["bug"]
        assert receiver.got[0].json["more"] == 0

    def test_secret_blocks_are_read_by_name(
        self, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from prefect.blocks.notifications import SlackWebhook
        from prefect.blocks.system import Secret

        from tasks.alerting import read_blocks

        url = os.environ["EARWITNESS_ALERT_URLS"]
        Secret(value=url).save("ops", overwrite=True)
        SlackWebhook(url="https://hooks.slack.com/services/A/B/C").save("night", overwrite=True)
        assert read_blocks(["ops", "slack-webhook/night", "nobody"]) == [url, "https://hooks.slack.com/services/A/B/C"]
        monkeypatch.delenv("EARWITNESS_ALERT_URLS")
        monkeypatch.setenv("EARWITNESS_ALERT_BLOCKS", "ops")
        run_flow([tmp_path / "missing.wav"], out=tmp_path / "out")
        assert codes(receiver) == ["batch"]


def test_a_damaged_file_is_told_of_and_a_deleted_one_is_not(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    kept = keep(tmp_path / "a.txt")
    stored = kept.model_dump_json()
    kept.path.write_text("hullo")
    with pytest.raises(ValueError, match="altered"):
        FileRef.model_validate_json(stored)
    assert codes(receiver) == ["corruption"]
    assert str(kept.path) in receiver.got[0].json["what"]
    kept.path.unlink()
    with pytest.raises(ValueError, match="missing"):
        FileRef.model_validate_json(stored)
    assert codes(receiver) == ["corruption"]


def test_a_breaker_that_opens_is_told_of_once(receiver: Receiver) -> None:
    def fail() -> None:
        with hosted("Example service", failures=2, pause_s=600):
            raise ConnectionError("nobody there")

    for _ in range(2):
        with pytest.raises(ConnectionError):
            fail()
    with pytest.raises(ServiceUnavailable):
        fail()
    assert codes(receiver) == ["breaker-open"]
    assert "Example service" in receiver.got[0].json["title"]


def test_a_full_disk_is_told_of(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = storage_state(tmp_path).free_bytes
    monkeypatch.setattr("earwitness.storage.room.LITTLE_ROOM_BYTES", free * 2)
    assert [state.level for state in tell_of_room(tmp_path, tmp_path / "not there yet")] == ["low"]
    assert codes(receiver) == ["storage-low"]
    assert "earwitness clean" in receiver.got[0].json["remedy"]


@pytest.mark.timeout(900)
@pytest.mark.server
@pytest.mark.slow
def test_no_secret_is_written_anywhere(receiver: Receiver, tmp_path: Path, own_home: Path) -> None:
    """A run with everything that logs set to log, one channel that takes messages and three that do not."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.mp3").write_text("not sound at all")
    places = [
        os.environ["EARWITNESS_ALERT_URLS"],
        f"https://127.0.0.1:9/{HIDDEN}",
        f"slack://{HIDDEN}",
        f"mailtos://me:{HIDDEN}@127.0.0.1:9?from=a@b.cd&to=e@f.gh",
    ]
    variables = environment(
        EARWITNESS_ALERT_URLS=" ".join(places),
        PREFECT_HOME=prefect_home(tmp_path / "prefect"),
        PREFECT_LOGGING_LEVEL="DEBUG",
        PREFECT_LOGGING_ROOT_LEVEL="DEBUG",
        PREFECT_LOGGING_EXTRA_LOGGERS="earwitness,tasks,apprise,urllib3",
    )
    variables.pop("PREFECT_API_URL", None)

    def earwitness(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [*warm_python(), "-c", "from earwitness.cli import main; main()", *arguments]
        return subprocess.run(
            command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False
        )

    ran = earwitness("run", "in", "--verbose", "--out", "out")
    assert ran.returncode == 3
    rehearsed = earwitness("alerts", "test", "--json")
    looked = earwitness("doctor", "--json")
    assert {"batch", "test"} <= {got.json["code"] for got in receiver.got}

    answer = json.loads(rehearsed.stdout)
    assert answer["ok"] is True
    assert rehearsed.returncode == 0
    assert [one["reached"] for one in answer["channels"]].count(True) == 1
    assert {one["channel"] for one in answer["channels"]} == {
        "channel 3", "http://127.0.0.1", "https://127.0.0.1", "mailtos://127.0.0.1"
    }  # fmt: skip
    assert "http://127.0.0.1 answers" in looked.stdout

    written = {"output": (ran.stdout + ran.stderr + rehearsed.stdout + rehearsed.stderr + looked.stdout).encode()}
    for folder in (tmp_path, own_home):
        written |= {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(name.endswith("prefect.db") for name in written)
    assert any(name.endswith("alerts.sqlite") for name in written)
    assert [name for name, content in written.items() if HIDDEN.encode() in content or SECRET.encode() in content] == []


def test_no_channel_that_works_is_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from earwitness.cli.alerts import alerts

    monkeypatch.setenv("EARWITNESS_ALERT_URLS", f"http://elsewhere.example/{HIDDEN}")
    answer = CliRunner().invoke(alerts, ["test"], standalone_mode=False)
    assert answer.return_value == 4
    assert "not encrypted" in answer.stdout
    assert HIDDEN not in answer.stdout
    monkeypatch.delenv("EARWITNESS_ALERT_URLS")
    answer = CliRunner().invoke(alerts, ["test"], standalone_mode=False)
    assert answer.return_value == 4
    assert "EARWITNESS_ALERT_URLS" in answer.stdout
