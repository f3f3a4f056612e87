"""Answers of a chat model that come piece by piece: the same notes, and never half of one."""

from typing import Any

import pytest

from earwitness.errors import ServiceUnavailable
from earwitness.money.ledger import Ledger
from earwitness.notes.notes import Summarized
from earwitness.notes.summarize import choose_writer
from earwitness.notes.write import write_notes
from earwitness.options import Profile, RunOptions
from earwitness.profiles import resolve
from earwitness.progress import Progress, no_progress
from earwitness.services import chat_model
from earwitness.settings import SummarizeSettings
from earwitness.words.transcript import Utterance
from tests.chat_server import ChatService, Said, point

LINES = [f"The travellers of hill number {n} carry lanterns across the old bridge." for n in range(40)]
UTTERANCES = [Utterance(f"u{n:04d}", None, None, None, text) for n, text in enumerate(LINES, 1)]


ANSWER: dict[str, Any] = {
    "title": point("Lanterns on the old bridge", "u0001"),
    "chapters": [{"title": "Lanterns", "first": "u0001"}],
    "summary": [*(point(text, f"u{n:04d}") for n, text in enumerate(LINES, 1)), point("Ukotoa came.", "u0001")],
    "decisions": [],
    "actions": [],
}


@pytest.fixture
def service(chat_service: ChatService) -> ChatService:
    chat_service.answer = lambda _: ANSWER
    return chat_service


def written(service: ChatService, progress: Progress = no_progress, **given: Any) -> Summarized:
    chosen = {"engine": "chat", "model": "a-model", "base_url": service.address, "stream": True, **given}
    options = RunOptions(profile=Profile.WORKPLACE, summarize=SummarizeSettings.model_validate(chosen))
    settings = resolve(options).summarize
    return write_notes(UTTERANCES, [], None, Profile.WORKPLACE, settings, choose_writer(settings), progress)


@pytest.mark.parametrize("refused", [set(), {"json_schema"}, {"json_schema", "tools"}], ids=["schema", "tool", "plain"])
def test_streamed_or_not_the_notes_are_the_same(service: ChatService, refused: set[str]) -> None:
    service.refuses = refused
    told: list[float] = []
    streamed = written(service, lambda share, _="": told.append(share))
    assert service.asked[-1].body["stream"] is True
    assert [item.text for item in streamed.notes.dropped] == ["Ukotoa came."]
    assert len(streamed.notes.claims) == len(LINES)
    assert told == sorted(told)
    assert len([share for share in told if 0.02 < share < 0.99]) > 10, "progress moved while the answer came"
    (row,) = Ledger().rows()
    assert (row.state, row.usage.output_tokens) == ("settled", 10)

    # the answer is kept: asking for it otherwise is not asking for another
    whole = written(service, stream=False)
    assert len(service.paid) == 1
    assert whole.digest() == streamed.digest()


def test_unstreamed_notes_are_the_same_as_streamed_ones(service: ChatService, own_home: object) -> None:
    whole = written(service, stream=False, temperature=0.5)
    streamed = written(service, temperature=0.7)
    assert [question.body.get("stream", False) for question in service.asked] == [False, True]
    assert whole.notes == streamed.notes


@pytest.mark.parametrize("fault", [Said(cut=True), Said(stall=True)], ids=["cut off", "stalled"])
def test_half_a_stream_is_tried_again_and_never_published(
    service: ChatService, fault: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.faults = [fault]
    with pytest.raises(ServiceUnavailable):
        written(service, timeout_s=0.5)
    monkeypatch.setattr(chat_model, "_RETRIES", 1)
    service.faults = [fault]
    made = written(service, timeout_s=0.5)
    assert len(service.asked) == 3
    assert len(made.notes.claims) == len(LINES)
    # what was cut off may have been charged, and counts
    assert [row.state for row in Ledger().rows()] == ["unclear", "unclear", "settled"]


@pytest.mark.parametrize(
    "said",
    [Said(finish="length"), Said(refusal="I can't help with that."), Said(content="never JSON")],
    ids=["too long", "refused", "malformed"],
)
def test_what_is_wrong_with_an_answer_is_seen_in_its_stream(service: ChatService, said: Said) -> None:
    service.faults = [said]
    made = written(service)
    assert len(service.asked) == (2 if said.content else 3), "asked again, or in halves"
    assert {reading.engine for reading in made.notes.readings} == {"chat"}
    assert "Ukotoa came." in [item.text for item in made.notes.dropped]
    assert len(made.notes.claims) == len(LINES)


def test_a_server_that_can_not_count_a_stream_is_asked_without(service: ChatService) -> None:
    service.faults = [Said(status=400, body='{"error": {"message": "unknown field stream_options"}}')]
    assert len(written(service).notes.claims) == len(LINES)
    assert "stream_options" not in service.asked[-1].body
