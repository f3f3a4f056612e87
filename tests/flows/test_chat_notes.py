"""The whole pipeline with notes by a chat model on loopback."""

import json
from pathlib import Path

import pytest

from earwitness.result import Outcome
from flows import run_flow
from tests.chat_server import ChatService, Question, Said

pytestmark = [pytest.mark.server, pytest.mark.slow]


def answer(question: Question) -> object:
    lines = [(key, text) for key, _, text in question.lines]
    return {
        "title": {"text": lines[0][1], "evidence": [lines[0][0]]},
        "chapters": [{"title": "Call", "first": lines[0][0]}],
        "summary": [
            *({"text": text, "evidence": [key]} for key, text in lines),
            {"text": "Ukotoa joined the call.", "evidence": [lines[0][0]]},
        ],
        "decisions": [],
        "actions": [],
    }


@pytest.fixture
def service(chat_service: ChatService) -> ChatService:
    chat_service.answer = answer
    return chat_service


def test_a_bundle_with_notes_by_a_chat_model(
    prefect_server: object,
    service: ChatService,
    phone_call: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.blocks.system import Secret

    Secret(value="sk-very-secret").save("chat-key", overwrite=True)
    monkeypatch.setenv("OPENAI_API_KEY_BLOCK", "chat-key")
    said = tmp_path / "call.txt"
    said.write_text("Hello, this is Diane from the office.\n\nHello Diane, how was the weather?\n", "utf-8")
    options = {
        "profile": "workplace",
        "out": tmp_path / "out",
        "transcript": said,
        "clip": {"count": 0},
        "summarize": {"engine": "chat", "model": "a-model", "base_url": service.address},
    }

    service.faults = [Said(status=503)] * 9
    first = run_flow(phone_call, **options, limits={"retries": 0})
    assert first.outcome is Outcome.PARTIAL
    assert first.stages["summarize"].state == "failed"
    assert first.stages["align"].state == "computed"

    service.faults = []
    second = run_flow(phone_call, **options)
    assert second.outcome is Outcome.DONE
    assert second.engines["summarize"] == "chat"
    assert second.stages["align"].state == "cached"
    assert second.bundle is not None
    notes = json.loads((second.bundle / "notes.json").read_text("utf-8"))
    assert notes["engine"] == "chat"
    assert [item["text"] for item in notes["dropped"]] == ["Ukotoa joined the call."]
    assert "Ukotoa" not in (second.bundle / "notes.md").read_text("utf-8")
    page = (second.bundle / "report.html").read_text("utf-8")
    assert "Ukotoa" not in page
    assert "1 sentences of the language model are left out" in page
    assert service.asked[-1].key == "Bearer sk-very-secret"
    for folder in (tmp_path, second.bundle):
        assert not [p for p in folder.rglob("*") if p.is_file() and b"sk-very-secret" in p.read_bytes()]
