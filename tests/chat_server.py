"""A loopback server that speaks the chat-completions protocol, notes what it is asked, and answers or fails as told."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import JsonHandler, serving
from tests.openai_server import Fault


@dataclass
class Question:
    """A request as it came."""

    body: dict[str, Any]
    key: str

    @property
    def text(self) -> str:
        """The user's first message."""
        return next(str(m["content"]) for m in self.body["messages"] if m["role"] == "user")

    @property
    def lines(self) -> list[tuple[str, str, str]]:
        """(id, speaker, text) of the lines that are to be noted."""
        inside = re.findall(r"^<transcript>\n(.*?)^</transcript>$", self.text, re.MULTILINE | re.DOTALL)
        assert len(inside) == 1, "the transcript is not delimited"
        return [(a, b, c) for a, b, c in (json.loads(line) for line in inside[0].splitlines())]

    @property
    def moments(self) -> list[dict[str, Any]]:
        """The moments that are to be put in order, as the model reads them."""
        (inside,) = re.findall(r"^<moments>\n(.*?)^</moments>$", self.text, re.MULTILINE | re.DOTALL)
        return [json.loads(line) for line in inside.splitlines()]

    @property
    def method(self) -> str:
        """How the shape was asked for."""
        if "response_format" in self.body:
            return str(self.body["response_format"]["type"])
        return "tools" if "tools" in self.body else "plain"


Answerer = Callable[[Question], Any]
"""A dict is sent as JSON, a string as it is."""


def point(text: str, *evidence: str, **more: Any) -> dict[str, Any]:
    """A sentence of notes as a model hands it in, with the lines that it rests on."""
    return {"text": text, "evidence": list(evidence), **more}


@dataclass
class Said(Fault):
    """A completion of another kind, or (`status`, `cut`) a failure."""

    content: Any = None
    finish: str = "stop"
    refusal: str | None = None
    prompt_tokens: int | None = None
    stall: bool = False
    """Never answer, or never go on: with a stream, in the middle of it."""


@dataclass
class ChatService:
    """What tests see of the server."""

    address: str = ""
    asked: list[Question] = field(default_factory=list)
    paid: list[Question] = field(default_factory=list)
    """Those that got a completion: what would be on the bill."""
    faults: list[Said] = field(default_factory=list)
    """The next answers, in order."""
    answer: Answerer = field(default=lambda question: {})
    tokens_of: Callable[[str], int] | None = None
    refuses: set[str] = field(default_factory=set)
    """Methods that are answered with 400."""
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def chat_server(answer: Answerer, tokens_of: Callable[[str], int] | None = None) -> Iterator[ChatService]:
    """Serves until the block ends; counts tokens roughly, unless it is told how."""
    service = ChatService(answer=answer, tokens_of=tokens_of)

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            question = Question(asked, str(self.headers.get("Authorization", "")))
            service.asked.append(question)
            assert self.path == "/v1/chat/completions"
            if question.method in service.refuses:
                self.send_json(400, b'{"error": {"message": "response_format is not supported"}}', {})
                return
            said = service.faults.pop(0) if service.faults else Said()
            if said.stall and not asked.get("stream"):
                service.closing.wait(60)
                return
            if said.status != 200 or said.body is not None:
                told = said.body if said.body is not None else json.dumps({"error": {"message": "made up"}})
                self.send_json(said.status, told.encode(), said.headers, cut=said.cut)
                return
            content = service.answer(question) if said.content is None and said.refusal is None else said.content
            service.paid.append(question)
            if asked.get("stream"):
                self.send_stream(_pieces(_completion(question, content, said, service)), said)
                return
            self.send_json(
                200, json.dumps(_completion(question, content, said, service)).encode(), said.headers, cut=said.cut
            )

        def send_stream(self, pieces: list[dict[str, Any]], said: Said) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            half = len(pieces) // 2
            for piece in pieces[:half] if said.cut or said.stall else pieces:
                self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
                self.wfile.flush()
            if said.stall:
                service.closing.wait(60)
            elif not said.cut:
                self.wfile.write(b"data: [DONE]\n\n")

    with serving(Handler) as address:
        service.address = f"{address}/v1"
        try:
            yield service
        finally:
            service.closing.set()


@pytest.fixture
def chat_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatService]:
    """A chat model that needs no key and is asked once a question; what it answers is up to the test."""
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("earwitness.services.chat_model._RETRIES", 0)
    with chat_server(lambda question: {}) as running:
        yield running


@pytest.fixture
def paid_chat_service(chat_service: ChatService, own_home: Path) -> ChatService:
    """The same, at 10 dollars a million tokens."""
    prices = f'[[price]]\naddress = "{chat_service.address}"\ninput_usd = 10\noutput_usd = 10\n'
    (own_home / "prices.toml").write_text(prices)
    return chat_service


def _completion(question: Question, content: Any, said: Said, service: ChatService) -> dict[str, Any]:
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": said.refusal}
    if question.method == "tools" and text is not None:
        call = {"name": question.body["tools"][0]["function"]["name"], "arguments": text}
        message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
    asked = [str(m["content"]) for m in question.body["messages"]]
    read, wrote = said.prompt_tokens or sum(map(len, asked)) // 4, 10
    if service.tokens_of:
        read, wrote = sum(map(service.tokens_of, asked)), service.tokens_of(text or "")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": question.body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": said.finish}],
        "usage": {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote},
    }


def _pieces(completion: dict[str, Any]) -> list[dict[str, Any]]:
    """A completion as a server streams it: some letters at a time, then why it ended, then what it took."""
    (choice,) = completion["choices"]
    message = choice["message"]
    frame = {key: completion[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def piece(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    found = [piece({"role": "assistant", "content": ""})]
    for number, call in enumerate(message.get("tool_calls", [])):
        text = call["function"]["arguments"]
        head = {"index": number, "id": call["id"], "type": "function"}
        found.append(piece({"tool_calls": [{**head, "function": {"name": call["function"]["name"], "arguments": ""}}]}))
        for start in range(0, len(text), 40):
            part = {"index": number, "function": {"arguments": text[start : start + 40]}}
            found.append(piece({"tool_calls": [part]}))
    text = message["content"] or ""
    found += [piece({"content": text[start : start + 40]}) for start in range(0, len(text), 40)]
    if message["refusal"]:
        found.append(piece({"refusal": message["refusal"]}))
    return [*found, piece({}, choice["finish_reason"]), {**frame, "choices": [], "usage": completion["usage"]}]
