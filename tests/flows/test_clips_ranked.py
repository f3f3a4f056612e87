"""The whole pipeline with clips that a chat model puts in order, or can't."""

import json
from pathlib import Path
from typing import Any

import pytest

from earwitness.money.ledger import Ledger
from earwitness.result import Outcome, RunResult
from flows import run_flow
from tests.chat_server import ChatService, Question, Said
from tests.flows.conftest import QUICK, stages

pytestmark = [pytest.mark.server, pytest.mark.slow]


def forwards(question: Question) -> dict[str, list[object]]:
    """In the order of the recording."""
    return {"order": [{"id": moment["id"], "reason": "It is a warm greeting."} for moment in question.moments]}


def backwards(question: Question) -> object:
    return {"order": forwards(question)["order"][::-1]}


@pytest.fixture
def service(paid_chat_service: ChatService) -> ChatService:
    paid_chat_service.answer = backwards
    return paid_chat_service


def bundled(result: RunResult, name: str) -> Any:
    assert result.outcome is Outcome.DONE, result.error
    assert result.bundle is not None
    return json.loads((result.bundle / name).read_text("utf-8"))


def test_clips_are_ranked_where_that_can_be_paid_for_and_made_in_any_case(
    short_call: Path, service: ChatService, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        **QUICK,
        "out": tmp_path / "out",
        "limits": {"retries": 0},
        "clip": {"count": 2, "min_s": 3, "max_s": 5, "video": False, "rank": "chat", "rank_model": "a-model"},
        "summarize": {"engine": "extractive", "base_url": service.address},
    }

    poor = run_flow(short_call, **options, budget={"run_usd": 0})
    weighed = bundled(poor, "clips.json")
    assert len(weighed["clips"]) == 2
    assert [clip["score"] for clip in weighed["clips"]] == sorted((c["score"] for c in weighed["clips"]), reverse=True)
    assert not weighed.get("ranked_by")
    why = "the budget (run_usd) has no room for what was asked for"
    recorded = bundled(poor, "recording.json")
    assert f"The clips are in the order of their scores: {why}." in recorded["warnings"]
    assert recorded["engines"]["rank"] | {"version": ""} == {
        "name": "weights", "version": "", "model": "", "degraded": True, "reason": why,
    }  # fmt: skip
    assert (service.asked, poor.cost_usd) == ([], 0)

    service.faults = [Said(status=503)]
    down = run_flow(short_call, **options)
    assert bundled(down, "clips.json")["clips"] == weighed["clips"]
    assert any("can't be used now" in warning for warning in bundled(down, "recording.json")["warnings"])

    later_first = weighed["clips"][0]["start_s"] > weighed["clips"][1]["start_s"]
    service.answer = forwards if later_first else backwards
    ranked = run_flow(short_call, **options, budget={"run_usd": 1})
    listing = bundled(ranked, "clips.json")
    assert stages(ranked) == {"clip", "publish"}
    assert listing["ranked_by"] == f"a-model at {service.address}"
    places = [clip["ranking"]["place"] for clip in listing["clips"]]
    assert places == [1, 2]
    assert (listing["clips"][0]["start_s"] > listing["clips"][1]["start_s"]) != later_first
    assert "says: “It is a warm greeting.”" in listing["clips"][0]["reason"]
    assert ranked.warnings == []
    recorded = bundled(ranked, "recording.json")
    assert recorded["engines"]["rank"]["name"] == "chat"
    (item,) = recorded["receipts"]["items"]
    (row,) = [row for row in Ledger().rows() if row.state == "settled"]
    assert (item["stage"], item["calls"], row.spender.stage) == ("clip", 1, "clip")
    assert ranked.cost_usd == item["cost_usd"] == (row.usd_micro or 0) / 1e6 > 0

    again = run_flow(short_call, **options, budget={"run_usd": 0})
    assert (again.outcome, again.cost_usd, stages(again)) == (Outcome.DONE, 0, set())
    assert len(service.paid) == 1
