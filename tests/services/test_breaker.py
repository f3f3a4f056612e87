"""A service that fails is left alone for a while: a real server on loopback that fails and heals."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from earwitness.engines.hub import HUB, model_available
from earwitness.errors import BadTranscript, EngineCrashed, ServiceUnavailable, UsageError
from earwitness.preflight import check_machine
from earwitness.services.breaker import BreakerState, breaker_states, hosted, is_outage, on_open


class Service:
    """Answers every GET with `status` and counts the requests."""

    def __init__(self) -> None:
        self.status = 503
        self.headers: dict[str, str] = {}
        self.paths: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        service = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.paths.append(self.path)
                service.hold.wait(10)
                self.send_response(service.status)
                for name, value in service.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def call(service: Service, pause_s: float = 60) -> None:
    with hosted("weather", pause_s=pause_s):
        requests.get(service.address, timeout=10).raise_for_status()


def fail(service: Service, times: int, pause_s: float = 60) -> None:
    for _ in range(times):
        with pytest.raises(requests.HTTPError):
            call(service, pause_s)


def heal(service: Service, pause_s: float) -> None:
    """Call until the breaker lets a call through."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            call(service, pause_s)
        except ServiceUnavailable:
            continue
        return
    raise AssertionError("the breaker never let a call through")


def test_it_opens_after_five_failures_and_then_fails_fast_without_touching_the_service(service: Service) -> None:
    fail(service, 5)
    with pytest.raises(ServiceUnavailable) as caught:
        call(service)
    assert len(service.paths) == 5
    assert caught.value.retry_after_s == pytest.approx(60, abs=5)
    assert "weather" in caught.value.message
    assert caught.value.remedy
    (state,) = breaker_states()
    assert (state.service, state.state, state.failures) == ("weather", "open", 5)
    assert 0 < state.wait_s <= 60


def test_a_success_in_between_starts_the_count_anew(service: Service) -> None:
    fail(service, 4)
    service.status = 200
    call(service)
    service.status = 503
    fail(service, 4)
    assert breaker_states()[0].state == "closed"


def test_after_the_pause_it_lets_a_call_through_and_closes_when_the_service_is_well(service: Service) -> None:
    fail(service, 5, pause_s=0.2)
    service.status = 200
    heal(service, pause_s=0.2)
    assert len(service.paths) == 6
    assert [(state.state, state.failures) for state in breaker_states()] == [("closed", 0)]
    service.status = 503
    fail(service, 4, pause_s=0.2)
    assert breaker_states()[0].state == "closed"


def test_a_failed_trial_opens_it_at_once_for_another_pause(service: Service) -> None:
    fail(service, 5, pause_s=0.2)
    with pytest.raises(requests.HTTPError):
        heal(service, pause_s=0.2)
    with pytest.raises(ServiceUnavailable):
        call(service, pause_s=60)
    assert len(service.paths) == 6


def test_only_one_call_tries_whether_the_service_is_well_again(service: Service) -> None:
    fail(service, 5, pause_s=0.01)
    service.status = 200
    service.hold.clear()
    deadline = time.monotonic() + 10
    while breaker_states()[0].state != "half-open":
        assert time.monotonic() < deadline
    with ThreadPoolExecutor() as pool:
        trial = pool.submit(call, service, 0.01)
        while len(service.paths) < 6:
            assert time.monotonic() < deadline
        with pytest.raises(ServiceUnavailable):
            call(service, 60)
        service.hold.set()
        trial.result()
    assert len(service.paths) == 6


def test_calls_side_by_side_are_all_counted(service: Service) -> None:
    service.hold.clear()
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(call, service) for _ in range(5)]
        deadline = time.monotonic() + 10
        while len(service.paths) < 5:
            assert time.monotonic() < deadline
        service.hold.set()
        assert all(isinstance(made.exception(), requests.HTTPError) for made in calls)
    assert breaker_states()[0].state == "open"


def test_what_one_process_learned_every_other_knows(service: Service) -> None:
    code = f"""
import requests
from earwitness.services.breaker import hosted
for _ in range(5):
    try:
        with hosted("weather"):
            requests.get("{service.address}", timeout=10).raise_for_status()
    except requests.HTTPError:
        pass
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).resolve().parents[2])
    with pytest.raises(ServiceUnavailable):
        call(service)
    assert len(service.paths) == 5


def test_who_wants_to_know_is_told_once_when_it_opens(service: Service) -> None:
    told: list[BreakerState] = []
    forget = on_open(told.append)
    fail(service, 5)
    with pytest.raises(requests.HTTPError):
        heal(service, pause_s=0.05)
    forget()
    assert [(state.service, state.state) for state in told] == [("weather", "open")]


def test_a_refusal_is_an_answer(service: Service) -> None:
    service.status = 404
    fail(service, 8)
    assert len(service.paths) == 8
    assert breaker_states()[0].failures == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.ConnectionError("refused"), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (EngineCrashed("died"), True),
        (BadTranscript("bad"), False),
        (FileNotFoundError("model.bin"), False),
        (ValueError("our own mistake"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_counts_as_an_outage(error: BaseException, expected: bool) -> None:
    assert is_outage(error) is expected


def test_limits_come_from_the_environment_and_nonsense_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_BREAKER_FAILURES", "2")
    fail(service, 2)
    with pytest.raises(ServiceUnavailable):
        call(service)
    monkeypatch.setenv("EARWITNESS_BREAKER_FAILURES", "none")
    with pytest.raises(UsageError, match="EARWITNESS_BREAKER_FAILURES"):
        call(service)


@pytest.fixture
def hub(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    """The service in the place of the Hugging Face hub."""
    from huggingface_hub import configure_http_backend

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", service.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # it may have been imported while it was set
    configure_http_backend()  # a session that was made offline stays so
    yield service
    configure_http_backend()


def test_a_token_whose_account_never_accepted_the_conditions_is_not_enough(hub: Service) -> None:
    hub.status, hub.headers = 403, {"X-Error-Code": "GatedRepo"}
    found = model_available("pyannote/gated", probe_file="config.yaml", gated=True)
    assert not found.ok
    assert "accepted its conditions" in found.why
    assert hub.paths == ["/api/models/pyannote/gated/auth-check"]
    hub.status, hub.headers = 200, {}
    assert model_available("pyannote/gated", probe_file="config.yaml", gated=True).ok


def test_a_hub_that_is_down_is_not_asked_for_ever(hub: Service) -> None:
    answers = [model_available("pyannote/gated", probe_file="config.yaml", gated=True) for _ in range(7)]
    assert not any(answer.ok for answer in answers)
    assert len(hub.paths) == 5
    assert {answer.why for answer in answers} == {"pyannote/gated is not cached and the hub can't be reached"}
    check = next(check for check in check_machine() if check.name == "hosted services")
    assert check.state == "warn"
    assert HUB in check.found
