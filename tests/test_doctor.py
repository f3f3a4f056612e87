import json
import os
import stat
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

from earwitness.cli.doctor import doctor
from earwitness.errors import ExitCode
from earwitness.money.ledger import Ledger, Spender
from earwitness.money.prices import Usage
from earwitness.preflight import Check, check_machine


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.fixture
def answering_server() -> Iterator[str]:
    """An address that answers 401 to everything, as a server that asks for a key."""

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            return

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def named(name: str) -> Check:
    return next(check for check in check_machine() if check.name == name)


def test_a_machine_that_runs_these_tests_is_ready() -> None:
    checks = check_machine()
    assert [check for check in checks if check.state == "fail"] == []
    assert all(check.remedy for check in checks if check.state != "ok")
    assert len({check.name for check in checks}) == len(checks)


def test_keys_of_hosted_recognisers_are_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "aai-secret")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = named("keys of hosted recognisers")
    assert found.state == "ok"
    assert found.found.startswith("ASSEMBLYAI_API_KEY set; OPENAI_API_KEY not set")
    assert "aai-secret" not in repr(found)


def test_a_package_that_breaks_prefect_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"prefect": "3.8.8", "fastapi": "0.160.1", "sqlalchemy": "2.1.0b2"}
    monkeypatch.setattr("earwitness.preflight.version", versions.__getitem__)
    states = {check.name: check for check in check_machine()}
    assert states["prefect"].state == "ok"
    assert states["fastapi"].state == "fail"
    assert "dies at import" in states["fastapi"].found
    assert states["sqlalchemy"].state == "fail"
    assert "make install" in states["sqlalchemy"].remedy


@pytest.mark.parametrize(("found", "state"), [("2.0.40", "ok"), ("2.0.58rc1", "ok"), ("2.0.9", "fail"), ("2", "fail")])
def test_versions_compare_as_numbers(monkeypatch: pytest.MonkeyPatch, found: str, state: str) -> None:
    versions = {"prefect": "3.8.8", "fastapi": "0.149.0", "sqlalchemy": found}
    monkeypatch.setattr("earwitness.preflight.version", versions.__getitem__)
    assert named("sqlalchemy").state == state


def test_an_ffmpeg_on_path_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 127\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    check = named("ffmpeg")
    assert check.state == "ok"
    assert "imageio-ffmpeg" in check.found


def test_an_ffmpeg_without_captions_is_minded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmp_path / "ffmpeg"
    small.write_text(
        '#!/bin/sh\ncase "$*" in *-version*) echo "ffmpeg version 5.1 x";; *) echo "aac flac loudnorm";; esac\n'
    )
    small.chmod(small.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    check = named("ffmpeg")
    assert check.state == "warn"
    assert "without libx264, ass" in check.found


def test_no_secret_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    monkeypatch.setenv("PREFECT_API_URL", "http://me:very_secret@127.0.0.1:9/api")
    text = "\n".join(check.model_dump_json() for check in check_machine())
    assert "very_secret" not in text
    assert named("hub token").state == "ok"


def test_models_in_the_hub_cache_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--Systran--faster-whisper-small" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.bin").write_bytes(b"x")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert named("model for recognition by whisperX").state == "ok"
    assert named("model for diarization by pyannote").state == "warn"


@pytest.mark.parametrize("place", ["/proc/earwitness", "file/inside"])
def test_a_home_that_can_not_be_written_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / place))
    check = named("home folder")
    assert check.state == "fail"
    assert "EARWITNESS_HOME" in check.remedy


def test_a_home_that_does_not_exist_yet_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / "a" / "b"))
    assert named("home folder").state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_asks_for_a_key_is_there(answering_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", answering_server)
    assert named("prefect server").state == "ok"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/api", "localhost:4200/api"])
def test_a_server_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    check = named("prefect server")
    assert check.state == "fail"
    assert "PREFECT_API_URL" in check.remedy


def test_the_command_answers_in_json() -> None:
    answer = CliRunner().invoke(doctor, ["--json"], standalone_mode=False)
    report = json.loads(answer.stdout)
    assert report["ok"] is True
    assert answer.return_value == ExitCode.DONE
    assert {"name", "state", "found", "remedy"} == set(report["checks"][0])


def test_a_log_gets_whole_paths() -> None:
    answer = CliRunner().invoke(doctor, standalone_mode=False)
    assert f"{sys.version.split()[0]} at {sys.executable}" in answer.output


def test_the_command_fails_where_runs_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_HOME", "/proc/earwitness")
    answer = CliRunner().invoke(doctor, [], standalone_mode=False)
    assert answer.return_value == ExitCode.UNAVAILABLE
    assert "Runs will not work here yet: home folder" in answer.stdout


def test_keys_and_addresses_of_chat_models_are_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://me:word@llm.example.org:8443/v1?token=abc")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY_BLOCK", "claude-key")
    found = named("chat models of OpenAI and its like").found
    assert found.startswith("OPENAI_API_KEY is set; asked at https://llm.example.org:8443/v1 (OPENAI_BASE_URL)")
    assert "secret block claude-key" in named("chat models of Anthropic").found
    for secret in ("sk-secret", "word", "abc"):
        assert secret not in found


def test_budgets_and_what_is_left_of_them(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    assert named("budgets").found.startswith("none is set")
    monkeypatch.setenv("EARWITNESS_BUDGET_DAY_USD", "10")
    monkeypatch.setenv("EARWITNESS_BUDGET_RUN_TOKENS", "5000")
    assert "EARWITNESS_BUDGET_DAY_USD: $10.00 of $10.00 left" in named("budgets").found
    assert "5000 tokens for each recording" in named("budgets").found
    spender = Spender("run", "talk", "summarize", "me", "podcast")
    Ledger().reserve(spender, "key", "OpenAI chat", "a-model", Usage(requests=1), 8_500_000, ())
    found = named("budgets")
    assert found.state == "warn"
    assert "EARWITNESS_BUDGET_DAY_USD: $1.50 of $10.00 left" in found.found
    monkeypatch.setenv("EARWITNESS_BUDGET_DAY_USD", "a lot")
    assert named("budgets").state == "fail"
