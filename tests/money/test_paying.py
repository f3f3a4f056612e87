"""Buying answers: what is kept costs nothing, what fails is judged, and every stage has its receipts."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from earwitness.errors import BudgetExceeded, PriceUnknown, ServiceUnavailable
from earwitness.home import calls_path
from earwitness.money.budget import BudgetLimits
from earwitness.money.ledger import Ledger
from earwitness.money.paying import Account, Answer, Charge, charged_to, open_account, spent_on, surely_free
from earwitness.money.prices import Usage
from earwitness.services import calls
from earwitness.services.calls import OrderGone, call_once, order_once

ROOT = Path(__file__).resolve().parents[2]
OPENAI = "https://api.openai.com/v1"
MINUTE = Usage(audio_ms=60_000)


def metered(answer: Answer) -> Usage | None:
    seconds = answer.get("seconds")
    return None if seconds is None else Usage(audio_ms=seconds * 1000)


CHARGE = Charge("OpenAI transcription", OPENAI, ("whisper-1",), MINUTE, metered)


class Refused(Exception):
    """As the SDKs' errors are."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


def account(**limits: float) -> Account:
    return open_account(run="r1", stage="transcribe", budget=BudgetLimits.model_validate(limits))


def ask(seconds: int | None = 30) -> Answer:
    return {"text": "hello", "seconds": seconds}


def states() -> list[tuple[str, int | None]]:
    return [(row.state, row.usd_micro) for row in Ledger().rows()]


def test_an_answer_is_paid_for_once_and_has_its_receipt_ever_after(own_home: Path) -> None:
    for run in ("r1", "r2"):
        with charged_to(open_account(run=run, stage="transcribe")) as receipts:
            answers = [call_once("a service", {"n": 1}, ask, CHARGE) for _ in range(2)]
        assert answers == [ask(), ask()]
        (receipt,) = receipts()
        assert (receipt.stage, receipt.service, receipt.model) == ("transcribe", "OpenAI transcription", "whisper-1")
        assert (receipt.calls, receipt.cost_usd, receipt.audio_s) == (1, 0.003, 30)
    assert states() == [("settled", 3_000)]
    assert spent_on("r1") == (0.003, [])
    assert spent_on("r2") == (0.0, [])


def test_a_call_that_the_budget_has_no_room_for_is_not_made() -> None:
    asked: list[int] = []

    def count() -> Answer:
        asked.append(1)
        return ask(60)

    with charged_to(account(run_usd=0.0125)):
        for number in range(2):
            call_once("a service", {"n": number}, count, CHARGE)
        with pytest.raises(BudgetExceeded, match=r"OpenAI transcription \(whisper-1\).*budget\.run_usd"):
            call_once("a service", {"n": 2}, count, CHARGE)
        call_once("a service", {"n": 0}, count, CHARGE)
    assert len(asked) == 2
    with charged_to(account(run_usd=0.02)):
        call_once("a service", {"n": 2}, count, CHARGE)
    assert len(asked) == 3


def test_the_machines_limits_hold_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_BUDGET_DAY_USD", "0.005")
    with pytest.raises(BudgetExceeded, match="EARWITNESS_BUDGET_DAY_USD"):
        call_once("a service", {"n": 1}, ask, CHARGE)


def test_an_unknown_price_is_told_and_refused_where_dollars_count() -> None:
    charge = Charge("chat at localhost", "http://localhost:1/v1", ("llama",), Usage(input_tokens=5), lambda _: None)
    with charged_to(account(run_usd=1)), pytest.raises(PriceUnknown, match="llama"):
        call_once("a service", {"n": 1}, ask, charge)
    with charged_to(account()) as receipts:
        call_once("a service", {"n": 1}, ask, charge)
    (receipt,) = receipts()
    assert receipt.cost_usd is None
    assert spent_on("r1") == (0.0, ["The price of 1 paid calls is not known, and not in the cost (docs/costs.md)."])


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (Refused(401), []),
        (Refused(429), []),
        (Refused(500), []),
        (Refused(504), [("unclear", 6_000)]),
        (httpx.ConnectError("refused"), []),
        (httpx.ReadTimeout("slow"), [("unclear", 6_000)]),
        (ServiceUnavailable("the answer was cut off"), [("unclear", 6_000)]),
        (KeyboardInterrupt(), [("unclear", 6_000)]),
    ],
)
def test_what_failed_counts_unless_it_was_surely_not_charged(error: BaseException, left: list[tuple[str, int]]) -> None:
    def fail() -> Answer:
        raise error

    with pytest.raises(type(error)):
        call_once("a service", {"n": 1}, fail, CHARGE)
    assert states() == left


def test_every_try_is_out_of_the_budget() -> None:
    asked: list[int] = []

    def cut_off() -> Answer:
        asked.append(1)
        raise httpx.RemoteProtocolError("the connection was closed")

    with charged_to(account(run_usd=0.0125)), pytest.raises(httpx.RemoteProtocolError):
        call_once("a service", {"n": 1}, cut_off, CHARGE, tries=3)
    assert len(asked) == 2
    assert states() == [("unclear", 6_000)] * 2


def test_a_refusal_that_may_pass_is_tried_again_at_the_same_price() -> None:
    outcomes: list[Callable[[], Answer]] = [lambda: _raise(Refused(503)), ask]
    with charged_to(account(run_usd=0.006)):
        assert call_once("a service", {"n": 1}, lambda: outcomes.pop(0)(), CHARGE, tries=2) == ask()
    assert states() == [("settled", 3_000)]


def test_what_the_service_does_not_meter_counts_in_full() -> None:
    with charged_to(account()) as receipts:
        call_once("a service", {"n": 1}, lambda: ask(None), CHARGE)
    assert states() == [("settled", 6_000)]
    assert receipts()[0].cost_usd == 0.006


def test_a_process_killed_after_its_answer_was_kept_is_settled_when_the_answer_is_used(own_home: Path) -> None:
    code = (
        "import os, signal\n"
        "from earwitness.money.ledger import Ledger\n"
        "from tests.money.test_paying import *\n"
        "Ledger.settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "call_once('a service', {'n': 1}, ask, CHARGE)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert states() == [("open", 6_000)]
    assert call_once("a service", {"n": 1}, lambda: _raise(AssertionError("paid twice")), CHARGE) == ask()
    assert states() == [("settled", 3_000)]


def test_a_kept_answer_does_not_settle_another_ledgers_call(own_home: Path) -> None:
    call_once("a service", {"n": 1}, ask, CHARGE)
    for path in own_home.glob("spending*"):
        path.unlink()
    with pytest.raises(KeyboardInterrupt):
        call_once("a service", {"n": 2}, lambda: _raise(KeyboardInterrupt()), CHARGE)
    call_once("a service", {"n": 1}, ask, CHARGE)
    assert states() == [("unclear", 6_000)]


def test_prices_that_break_while_a_call_is_under_way_lose_no_answer(own_home: Path) -> None:
    def break_prices() -> Answer:
        (own_home / "prices.toml").write_text("nonsense")
        return ask()

    assert call_once("a service", {"n": 1}, break_prices, CHARGE) == ask()
    assert states() == [("settled", 6_000)]


def test_an_order_is_charged_from_when_it_is_placed(own_home: Path) -> None:
    def order_(number: str = "t1") -> str:
        return number

    with pytest.raises(httpx.ReadTimeout):
        order_once("a service", {"n": 1}, order_, lambda _: _raise(httpx.ReadTimeout("slow")), CHARGE)
    assert states() == [("open", 6_000)]
    found = order_once("a service", {"n": 1}, lambda: "another", lambda number: ask() | {"order": number}, CHARGE)
    assert found == ask() | {"order": "t1"}
    assert states() == [("settled", 3_000)]
    with pytest.raises(OrderGone):
        order_once("a service", {"n": 2}, order_, lambda _: _raise(OrderGone("it failed")), CHARGE)
    assert states() == [("settled", 3_000)]


def test_a_receipt_that_was_altered_is_not_believed(own_home: Path) -> None:
    call_once("a service", {"n": 1}, ask, CHARGE)
    (path,) = calls_path().rglob("*.json")
    record = json.loads(path.read_text())
    record["paid"]["usd_micro"] = 0
    path.write_text(json.dumps(record))
    call_once("a service", {"n": 1}, ask, CHARGE)
    assert states() == [("settled", 3_000)] * 2


def test_answers_from_before_there_were_receipts_still_hold(own_home: Path) -> None:
    path = calls_path() / "00" / "x.json"
    calls._keep(path, ask())
    assert calls._read(path) == ask()


def test_errors_behind_errors_are_seen() -> None:
    with pytest.raises(RuntimeError) as failed:
        _connect()
    assert surely_free(failed.value)
    assert not surely_free(RuntimeError("who knows"))


def _connect() -> None:
    try:
        raise httpx.ConnectError("refused")
    except httpx.ConnectError as error:
        raise RuntimeError("can't connect") from error


def _raise(error: BaseException) -> Answer:
    raise error
