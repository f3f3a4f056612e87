"""Those who get alerts, on loopback: an HTTPS server, a proxy that is Slack and Discord, a mail server."""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Lock, Thread
from typing import Any


@dataclass
class Received:
    """One request or mail."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Keeps what it gets, and answers what it is told to: a status, or a status and a Location."""

    port: int = 0
    got: list[Received] = field(default_factory=list)
    answers: list[int | tuple[int, str]] = field(default_factory=list)
    stall: Event | None = None
    guard: Lock = field(default_factory=Lock)

    def take(self, received: Received) -> int | tuple[int, str]:
        if self.stall:
            self.stall.wait(60)
        with self.guard:
            self.got.append(received)
            return self.answers.pop(0) if self.answers else 200


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.receiver.take(Received(self.path, dict(self.headers), body))
        status, location = answer if isinstance(answer, tuple) else (answer, "")
        said = b"ok" if status == 200 else b"no"
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST  # noqa: N815 - the name is http.server's

    def do_CONNECT(self) -> None:
        """As a proxy: every host is us, with a certificate in its name."""
        self.send_response(200)
        self.end_headers()
        inside = self.server.context.wrap_socket(self.connection, server_side=True)
        try:
            _Handler(inside, self.client_address, self.server)
        finally:
            inside.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


def certificate(folder: Path) -> Path:
    """A self-signed certificate with its key, for this machine, Slack and Discord."""
    file = folder / "cert.pem"
    names = "DNS:localhost,IP:127.0.0.1,DNS:hooks.slack.com,DNS:discord.com"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", f"subjectAltName={names}", "-keyout", str(folder / "key.pem"), "-out", str(file)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return file


@contextmanager
def http_server(cert: Path | None = None, *, proxy: bool = False) -> Iterator[Receiver]:
    """A server on loopback: plain HTTP, or HTTPS with a certificate, or a plain proxy to the HTTPS side of anybody."""
    receiver = Receiver()
    server = _Server(("127.0.0.1", 0), _Handler)
    receiver.port = server.server_port
    server.receiver = receiver  # type: ignore[attr-defined]
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, cert.with_name("key.pem"))
        server.context = context  # type: ignore[attr-defined]
        if not proxy:
            server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        if receiver.stall:
            receiver.stall.set()
        server.shutdown()
        server.server_close()


class _Mail(StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        def say(text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        say("220 loopback ESMTP")
        envelope: list[str] = []
        while line := self.rfile.readline().decode("utf-8", "replace").strip():
            match line.split(maxsplit=1)[0].upper():
                case "DATA":
                    say("354 go on")
                    body = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        body += part
                    self.server.receiver.take(Received(" ".join(envelope), {}, body))
                    envelope.clear()
                    say("250 taken")
                case "QUIT":
                    say("221 bye")
                    return
                case "EHLO" | "HELO":
                    say("250 loopback")
                case _:
                    envelope.append(line.upper())
                    say("250 ok")


@contextmanager
def mail_server() -> Iterator[Receiver]:
    """SMTP without encryption, as a relay on the own machine speaks it."""

    class Server(ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    receiver = Receiver()
    with Server(("127.0.0.1", 0), _Mail) as server:
        server.receiver = receiver  # type: ignore[attr-defined]
        receiver.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()


def dead_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
