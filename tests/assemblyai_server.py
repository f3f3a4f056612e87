"""A loopback server that speaks AssemblyAI's transcript protocol, counts what it is asked, and fails as told."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

import soundfile

from tests.loopback import JsonHandler, serving

WORDS = "So this is what I wanted to tell you about. Did you see the river this morning? I did not know that.".split()
WORD_MS = 400
PAGE = {"current_url": "", "limit": 100, "next_url": "", "prev_url": "", "result_count": 0}


@dataclass
class Fault:
    """What to answer instead, once, to a request of a kind."""

    to: Literal["upload", "order", "poll", "delete", "list"]
    status: int = 200
    body: str = '{"error": "made up"}'
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Close the connection in the middle of the answer."""
    taken: bool = False
    """The request is done all the same; only the answer is lost."""


@dataclass
class Order:
    """A transcript."""

    config: dict[str, Any]
    audio: str
    seconds: float
    polls: int = 0
    deleted: bool = False


@dataclass
class Service:
    """What tests see of the server."""

    address: str = ""
    keys: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    """Kind of request → how many."""
    uploads: dict[str, tuple[str, float]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    """Number → what would be on the bill."""
    faults: list[Fault] = field(default_factory=list)
    polls: int = 1
    """How often it says that it is still at work."""
    error: str | None = None
    """Why every transcript fails, if it does."""
    language: str = "en_us"
    words: list[str] = field(default_factory=lambda: list(WORDS))
    confidence: float = 0.9

    def fault(self, kind: str) -> Fault | None:
        """The next one for such a request."""
        found = next((fault for fault in self.faults if fault.to == kind), None)
        if found is not None:
            self.faults.remove(found)
        return found


@contextmanager
def assemblyai_server() -> Iterator[Service]:
    """Serves until the block ends."""
    service = Service()

    class Handler(JsonHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if self.path == "/v2/upload":
                body = _body(self)
                self._answer("upload", lambda: self._upload(body))
            else:
                config = json.loads(_body(self))
                self._answer("order", lambda: self._order(config))

        def do_GET(self) -> None:
            number = self.path.removeprefix("/v2/transcript").strip("/")
            if not number or number.startswith("?"):
                self._answer("list", lambda: {"page_details": PAGE, "transcripts": self._list()})
            else:
                self._answer("poll", lambda: self._poll(number))

        def do_DELETE(self) -> None:
            number = self.path.rsplit("/", 1)[-1]
            self._answer("delete", lambda: self._delete(number))

        def _upload(self, body: bytes) -> dict[str, Any]:
            samples, rate = soundfile.read(io.BytesIO(body), dtype="int16")
            address = f"{service.address}/upload/{len(service.uploads)}"
            service.uploads[address] = hashlib.sha256(samples.tobytes()).hexdigest(), len(samples) / rate
            return {"upload_url": address}

        def _order(self, config: dict[str, Any]) -> dict[str, Any]:
            number = f"order-{len(service.orders)}"
            service.orders[number] = Order(config, *service.uploads[config["audio_url"]])
            return {"id": number, "status": "queued", "audio_url": config["audio_url"]}

        def _list(self) -> list[dict[str, Any]]:
            return [
                {
                    "id": number,
                    "audio_url": order.config["audio_url"],
                    "created": "2026-11-21",
                    "resource_url": "",
                    "status": "queued",
                }
                for number, order in reversed(service.orders.items())
            ]

        def _poll(self, number: str) -> dict[str, Any] | None:
            order = service.orders.get(number)
            if order is None or order.deleted:
                return None
            order.polls += 1
            about = {"id": number, "audio_url": order.config["audio_url"]}
            if order.polls <= service.polls:
                return {**about, "status": "processing"}
            if service.error:
                return {**about, "status": "error", "error": service.error}
            return {**about, "status": "completed", **_transcript(order, service)}

        def _delete(self, number: str) -> dict[str, Any]:
            service.orders[number].deleted = True
            return {"id": number, "status": "completed", "audio_url": "deleted"}

        def _answer(self, kind: str, work: Any) -> None:
            service.asked[kind] += 1
            service.keys.add(str(self.headers.get("authorization")))
            fault = service.fault(kind)
            if fault is not None:
                if fault.taken:
                    work()
                self.send_json(fault.status, fault.body.encode(), fault.headers, cut=fault.cut)
                return
            found = work()
            if found is None:
                body = b'{"error": "Transcript lookup error, transcript id not found"}'
                self.send_json(400, body, {})
            else:
                self.send_json(200, json.dumps(found).encode(), {})

    with serving(Handler) as address:
        service.address = address
        yield service


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    body = b""
    while size := int(handler.rfile.readline().strip(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


def _transcript(order: Order, service: Service) -> dict[str, Any]:
    count = min(len(service.words), int(order.seconds * 1000 // WORD_MS))
    words: list[dict[str, Any]] = [
        {"text": word, "start": n * WORD_MS, "end": (n + 1) * WORD_MS - 40, "confidence": service.confidence}
        for n, word in enumerate(service.words[:count])
    ]
    said = order.config.get("language_code") or service.language
    return {
        "text": " ".join(word["text"] for word in words),
        "words": words,
        "language_code": said,
        "language_confidence": 0.93 if order.config.get("language_detection") else None,
        "confidence": service.confidence,
        "audio_duration": round(order.seconds),
    }
