"""A loopback server that speaks OpenAI's transcription protocol, counts what it is asked, and fails as told."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from typing import Any

import soundfile

from tests.loopback import JsonHandler, serving

LINES = ("so this is what I wanted to tell you about.", "did you see the river this morning?", "I did not know that.")
LINE_S = 4.0


@dataclass
class Asked:
    """A request as it came."""

    fields: dict[str, str]
    audio: str
    """SHA-256 of the samples."""
    seconds: float
    key: str


@dataclass
class Fault:
    """What to answer instead."""

    status: int = 200
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Close the connection in the middle of the answer."""


@dataclass
class Service:
    """What tests see of the server."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    """Model and sound → how often a usable answer went out: what would be on the bill."""
    faults: list[Fault] = field(default_factory=list)
    """The next answers, in order."""
    language: str = "english"
    languages: list[str] = field(default_factory=list)
    """Of the next answers to who does not say, in order; then `language`."""
    lines: tuple[str, ...] = LINES


@contextmanager
def openai_server() -> Iterator[Service]:
    """Serves until the block ends."""
    service = Service()

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            asked = _read(self)
            service.asked.append(asked)
            if service.faults:
                fault = service.faults.pop(0)
                told = fault.body if fault.body is not None else json.dumps({"error": {"message": "made up"}})
                self.send_json(fault.status, told.encode(), fault.headers, cut=fault.cut)
                return
            body = json.dumps(_transcript(asked, service)).encode()
            service.answered[f"{asked.fields['model']} {asked.audio}"] += 1
            self.send_json(200, body, {})

    with serving(Handler) as address:
        service.address = f"{address}/v1"
        yield service


def _read(handler: BaseHTTPRequestHandler) -> Asked:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    message = message_from_bytes(b"Content-Type: " + handler.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    sound = b""
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if name == "file":
            sound = content
        else:
            fields[str(name)] = content.decode()
    samples, rate = soundfile.read(io.BytesIO(sound), dtype="int16")
    key = str(handler.headers.get("Authorization", ""))
    return Asked(fields, hashlib.sha256(samples.tobytes()).hexdigest(), len(samples) / rate, key)


def _transcript(asked: Asked, service: Service) -> dict[str, Any]:
    count = max(1, int(asked.seconds // LINE_S))
    lines = [service.lines[number % len(service.lines)] for number in range(count)]
    language = asked.fields.get("language") or (service.languages.pop(0) if service.languages else service.language)
    if asked.fields["response_format"] == "json":
        return {"text": " ".join(lines)}
    segments = [
        {
            "id": n,
            "start": n * LINE_S,
            "end": min((n + 1) * LINE_S, asked.seconds),
            "text": f" {line}",
            "avg_logprob": -0.2,
        }
        for n, line in enumerate(lines)
    ]
    return {"language": language, "duration": asked.seconds, "text": " ".join(lines), "segments": segments}
