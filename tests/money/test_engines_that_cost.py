"""Engines that are paid for: what they did is in the ledger, also where they work in a process of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from earwitness.cli import cli
from earwitness.engines.engine import EngineUse
from earwitness.engines.supervisor import run_supervised, shutdown_engines
from earwitness.errors import BudgetExceeded
from earwitness.money.budget import Budget, BudgetLimits
from earwitness.money.cheaper import cheaper
from earwitness.money.ledger import Ledger
from earwitness.money.paying import open_account, with_receipts
from earwitness.settings import SummarizeSettings, TranscribeSettings
from earwitness.speech.segments import Transcribed
from earwitness.speech.transcribe import choose_recogniser, transcribe
from tests.chat_server import ChatService, Question, chat_server
from tests.openai_server import Service, openai_server

WHY = BudgetExceeded("The budget has no room.", scope="day", measure="usd")
REASON = "the budget (day_usd) has no room for what was asked for"


@pytest.fixture
def heard(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with openai_server() as service:
        (own_home / "prices.toml").write_text(f'[[price]]\naddress = "{service.address}"\nminute_usd = 0.6\n')
        yield service


@pytest.fixture
def written(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatService]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def answer(question: Question) -> object:
        points = [{"text": text, "evidence": [key]} for key, _, text in question.lines]
        return {"title": points[0], "chapters": [], "summary": points, "decisions": [], "actions": []}

    with chat_server(answer) as service:
        prices = f'[[price]]\naddress = "{service.address}"\ninput_usd = 10\noutput_usd = 10\n'
        (own_home / "prices.toml").write_text(prices)
        yield service


def test_what_a_process_of_its_own_buys_is_charged_to_the_run(heard: Service, phone_call: Path) -> None:
    settings = TranscribeSettings(engine="openai", base_url=heard.address, language="en")
    account = open_account(run="r1", recording="call", stage="transcribe", budget=BudgetLimits(run_usd=1))
    try:
        result: Transcribed = run_supervised(
            "words", with_receipts, account, transcribe, phone_call, settings, choose_recogniser(settings, None),
            timeout_s=200,
        )  # fmt: skip
    finally:
        shutdown_engines()
    (row,) = Ledger().rows()
    assert (row.spender, row.state, row.usage.requests) == (account.spender, "settled", 1)
    sent_s = sum(asked.seconds for asked in heard.asked)
    assert row.usage.audio_ms == pytest.approx(sent_s * 1000, abs=2)
    (receipt,) = result.receipts
    assert receipt.cost_usd == (row.usd_micro or 0) / 1e6
    bare = result.model_copy(update={"receipts": []})
    assert bare.digest() == result.digest(), "a price must not make later stages work again"


def notes(path: Path, service: ChatService, *more: str) -> tuple[str, BaseException | None]:
    chosen = ["engine=chat", "model=a-model", f"base_url={service.address}", *more]
    options = [part for item in chosen for part in ("--set", item)]
    done = CliRunner().invoke(cli, ["notes", str(path), "--profile", "workplace", *options])
    return done.output, done.exception


def test_notes_alone_are_counted_and_stop_at_the_budget(written: ChatService, tmp_path: Path) -> None:
    said = tmp_path / "meeting.txt"
    said.write_text("We have decided to paint the boat green.\n\nI will buy the paint by Friday.\n")
    output, stopped = notes(said, written, "budget.run_usd=0.01")
    assert isinstance(stopped, BudgetExceeded)
    assert written.paid == []
    output, none = notes(said, written, "budget.run_usd=0.01", "budget.at_limit=downgrade")
    assert none is None
    assert "the notes go on with extractive: The budget has no room" in output
    assert "cost: $0.00" in output
    output, none = notes(said, written, "budget.run_usd=1")
    assert none is None
    (row,) = Ledger().rows()
    assert (row.spender.stage, row.spender.profile, row.spender.recording) == ("summarize", "workplace", "meeting")
    assert f"cost: ${(row.usd_micro or 0) / 1e6:.4f}" in output
    output, none = notes(said, written, "budget.run_usd=0")
    assert "cost: $0.00" in output


def test_the_chain_at_the_limit_is_the_one_that_was_stated(heard: Service, tmp_path: Path) -> None:
    settings = TranscribeSettings(engine="openai", base_url=heard.address, model=str(tmp_path / "no-model"))
    engine = choose_recogniser(settings, None)
    assert cheaper(settings, engine, Budget(), WHY) is None
    budget = Budget(at_limit="downgrade", cheaper_transcribe=("cheap-1", "whisperx", "bundled"))
    names = []
    while (less := cheaper(settings, engine, budget, WHY)) is not None:
        assert isinstance(less.settings, TranscribeSettings)
        assert (less.engine.degraded, less.engine.reason) == (True, REASON)
        settings, engine = less.settings, less.engine
        names.append(engine.model.split(" at ")[0] if engine.name == "openai" else engine.name)
    assert names == ["cheap-1", "bundled"], "there is no model for whisperX"


def test_notes_go_down_to_cheaper_models_first(written: ChatService) -> None:
    budget = Budget(at_limit="downgrade", cheaper_summarize=("small", "extractive"))
    settings = SummarizeSettings(engine="chat", model="large", base_url=written.address)
    first = cheaper(settings, EngineUse(name="chat", version="1", model="large at x"), budget, WHY)
    assert first is not None
    assert isinstance(first.settings, SummarizeSettings)
    assert (first.engine.name, first.settings.model) == ("chat", "small")
    second = cheaper(first.settings, first.engine, budget, WHY)
    assert second is not None
    assert second.engine.name == "extractive"
    assert cheaper(second.settings, second.engine, budget, WHY) is None
