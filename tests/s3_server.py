"""A real S3 service on loopback: moto's server, spoken to over HTTP."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

SECRET = "not-a-real-secret-0123456789"


@dataclass
class S3Server:
    """A service that can be stopped and started again, with everything that was in it."""

    server: ThreadedMotoServer = field(default_factory=lambda: ThreadedMotoServer("127.0.0.1", 0, verbose=False))
    port: int = 0

    def start(self) -> None:
        if self.port:
            self.server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self.server.start()
        _, self.port = self.server.get_host_and_port()

    def stop(self) -> None:
        self.server.stop()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def demand_credentials(self, demand: bool) -> None:
        """Whether it checks who asks; it knows nobody, so it then refuses everything."""
        after = b"0" if demand else b"inf"
        plain = {"Content-Type": "text/plain"}
        urlopen(Request(f"{self.endpoint}/moto-api/reset-auth", data=after, headers=plain)).close()


@dataclass(frozen=True)
class Bucket:
    """One test's bucket, looked at from outside."""

    server: S3Server
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/some/prefix"

    def names(self) -> list[str]:
        """Of all objects, relative to the store's URL."""
        found = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(item["Key"].removeprefix("some/prefix/") for item in found)

    def get(self, name: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self.name, Key=f"some/prefix/{name}")["Body"].read())

    def put(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=f"some/prefix/{name}", Body=content)

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=f"some/prefix/{name}")

    def damage(self, name: str, how: str) -> None:
        """`delete`, `truncate` or `flip` a bit of an object."""
        if how == "delete":
            return self.delete(name)
        content = bytearray(self.get(name))
        # in a checkpoint the digest of its file: the times of its provenance are nobody's input
        digest = content.find(b"sha256")
        content[len(content) // 2 if digest < 0 else digest + 20] ^= 1
        return self.put(name, bytes(content) if how == "flip" else bytes(content[: len(content) // 2]))

    @property
    def _client(self):  # type: ignore[no-untyped-def] # boto3 has no types
        return boto3.client("s3", endpoint_url=self.server.endpoint, region_name="us-east-1")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket that `EARWITNESS_STORE` names, and a store that loses patience soon."""
    name = f"bucket-{secrets.token_hex(4)}"
    for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = Bucket(s3_server, name)
    made._client.create_bucket(Bucket=name)
    monkeypatch.setenv("EARWITNESS_STORE", made.url)
    monkeypatch.setenv("EARWITNESS_STORE_PATIENCE_S", "1")
    return made
