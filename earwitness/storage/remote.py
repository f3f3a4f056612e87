"""The store that several machines share: any URL that fsspec knows, S3 first of all.

It mirrors the two folders of the home: `<url>/store/ab/<sha256>.<suffix>` and `<url>/checkpoints/<key>`.
Credentials come from the environment as the service's own library reads them, and from nowhere else.
"""

import errno
import itertools
import logging
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from earwitness.errors import EarwitnessError, StorageError, StoreUnreachable, Transient, UsageError
from earwitness.interrupt import stop_if_interrupted

T = TypeVar("T")

log = logging.getLogger(__name__)

VARIABLE = "EARWITNESS_STORE"
PATIENCE_VARIABLE = "EARWITNESS_STORE_PATIENCE_S"
_PATIENCE_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
_BETWEEN_LOOKS_S = 0.2

_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss"})
"""An upload there is seen whole or not at all; elsewhere a file is written beside its place and renamed."""
_REFUSALS = frozenset(
    "AccessDenied InvalidAccessKeyId SignatureDoesNotMatch InvalidToken ExpiredToken AuthFailure 401 403".split()
)
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError"})
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_SERVICE_LIBRARIES = frozenset("botocore aiobotocore aiohttp fsspec s3fs gcsfs adlfs azure google ossfs".split())


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object of the remote store."""

    name: str
    """Relative to the store's URL."""
    size: int
    modified: datetime | None


def remote_store() -> "RemoteStore | None":
    """The store that `EARWITNESS_STORE` names, or None when everything stays on this machine.

    Raises:
        UsageError: the URL is not one that can be used.
    """
    url = os.environ.get(VARIABLE, "").strip()
    return _opened(url) if url else None


_guard = threading.Lock()
_stores: dict[Any, "RemoteStore"] = {}


def _opened(url: str) -> "RemoteStore":
    surroundings = hash(tuple(sorted(item for item in os.environ.items() if item[0].startswith(("AWS_", "FSSPEC_")))))
    key: tuple[Any, ...] = (os.getpid(), url, surroundings)
    with _guard:
        store = _stores.get(key) or _stores.get((*key, threading.get_ident()))
        if store is None:
            store = RemoteStore(url)
            # an asynchronous file system works on a thread of its own; the others are not made to be shared
            _stores[key if store.shareable else (*key, threading.get_ident())] = store
        return store


class RemoteStore:
    """Objects under one URL. Everything waits out short failures of the service, with growing random pauses.

    Raises:
        UsageError: on construction, of a URL that can't be used.
        StoreUnreachable: from every method, when the service does not answer for `EARWITNESS_STORE_PATIENCE_S` [60].
        StorageError: from every method, when it refuses: credentials, bucket, a full or read-only disk.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.scheme:
            raise UsageError(
                f"{VARIABLE} is not a URL.", "Give one such as s3://bucket/prefix or file:///mnt/shared/earwitness."
            )
        if parts.username or parts.password or parts.query:
            raise UsageError(
                f"{VARIABLE} holds more than a place.",
                "Take credentials out of the URL: for S3 set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a "
                "service of your own, AWS_ENDPOINT_URL.",
            )
        if parts.scheme == "memory":
            raise UsageError(
                f"{VARIABLE} is {url}, but memory is not shared by processes.", "Use s3://, file:// or another service."
            )
        self.url = url.rstrip("/")
        self._fs, root = self._open(parts.scheme)
        self._root = root.rstrip("/")
        self._renames = parts.scheme not in _OBJECT_STORES
        self.shareable = bool(getattr(self._fs, "async_impl", False))

    def _open(self, protocol: str) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if protocol in {"s3", "s3a"}:
            # we retry ourselves: retries below retries multiply
            options["config_kwargs"] = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 0}}
        try:
            fs, root = url_to_fs(self.url, **options)
        except ImportError as error:
            raise UsageError(
                f"{VARIABLE} is {self.url}, but the library for it is not installed ({error.name or error}).",
                "For s3:// install s3fs (pip install 'earwitness[s3]'); for others the package that fsspec names.",
            ) from error
        except ValueError as error:
            raise UsageError(
                f"{VARIABLE} is {self.url}, which no file system answers for.",
                "Use s3://bucket/prefix or file:///path.",
            ) from error
        return fs, root

    def check(self) -> None:
        """Find out whether the service answers and lets us in; cheap."""

        def look() -> None:
            try:
                self._fs.info(self._at("checkpoints"))
            except FileNotFoundError as error:
                if _service_code(error) in _NO_BUCKET:
                    raise

        self._patiently("be reached", look)

    def size_of(self, name: str) -> int | None:
        """Bytes of an object; None if there is none."""

        def look() -> int | None:
            try:
                return int(self._fs.info(self._at(name))["size"])
            except FileNotFoundError as error:
                if _service_code(error) in _NO_BUCKET:
                    raise
                return None

        return self._patiently("be read", look)

    def read(self, name: str) -> bytes | None:
        """A small object; None if there is none."""

        def get() -> bytes | None:
            try:
                return bytes(self._fs.cat_file(self._at(name)))
            except FileNotFoundError as error:
                if _service_code(error) in _NO_BUCKET:
                    raise
                return None

        return self._patiently("be read", get)

    def fetch(self, name: str, to: Path) -> bool:
        """Copy an object into a local file, unchecked; False if there is none."""

        def get() -> bool:
            try:
                self._fs.get_file(self._at(name), str(to))
            except FileNotFoundError as error:
                if _service_code(error) in _NO_BUCKET:
                    raise
                return False
            return True

        return self._patiently("be read", get)

    def write(self, name: str, content: bytes) -> None:
        """Put a small object, whole or not at all."""
        self._put(name, len(content), lambda place: self._fs.pipe_file(place, content))

    def upload(self, path: Path, name: str) -> None:
        """Put a file, whole or not at all; nothing to do where one of its size lies already."""
        size = path.stat().st_size
        if self.size_of(name) != size:
            self._put(name, size, lambda place: self._fs.put_file(str(path), place))

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""

        def go() -> None:
            try:
                self._fs.rm_file(self._at(name))
            except FileNotFoundError as error:
                if _service_code(error) in _NO_BUCKET:
                    raise

        self._patiently("be written", go)

    def files(self) -> Iterator[RemoteFile]:
        """Everything there, by name."""

        def find() -> dict[str, Any]:
            return dict(self._fs.find(self._root, detail=True))

        found = self._patiently("be listed", find)
        for place in sorted(found):
            name = place[len(self._root) :].lstrip("/")
            yield RemoteFile(name, int(found[place].get("size") or 0), _modified(found[place]))

    def _put(self, name: str, size: int, put: Callable[[str], object]) -> None:
        target = self._at(name)

        def go() -> None:
            if not self._renames:
                put(target)
            else:
                part = f"{target}.{secrets.token_hex(6)}.part"
                self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
                try:
                    put(part)
                    self._fs.mv(part, target)
                finally:
                    if self._fs.exists(part):
                        self._fs.rm_file(part)
            if (found := self._fs.info(target)["size"]) != size:
                raise ConnectionError(f"{found} of {size} bytes arrived")

        self._patiently("be written", go)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _patiently(self, doing: str, go: Callable[[], T]) -> T:
        deadline = time.monotonic() + patience_s()
        for attempt in itertools.count():
            try:
                return go()
            except Exception as error:
                told = self._explained(error, doing)
                if told is None:
                    raise
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt) * random.uniform(0.5, 1.5)
                if not isinstance(told, Transient) or time.monotonic() + pause > deadline:
                    raise told from error
                log.warning("%s; trying again in %.1f s", told.message, pause)
                _wait(pause)
        raise AssertionError("unreachable")

    def _explained(self, error: Exception, doing: str) -> EarwitnessError | None:
        """What an exception of the service means. Its text is not passed on: it may quote what is nobody's business."""
        name, code = type(error).__name__, _service_code(error)
        if isinstance(error, PermissionError) or code in _REFUSALS or name in _NO_CREDENTIALS:
            return StorageError(
                f"The store {self.url} can't {doing}: it refuses us ({code or name}).",
                "Check the credentials and their rights: for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a "
                "profile or role, with ListBucket, GetObject, PutObject and DeleteObject on it.",
            )
        if code in _NO_BUCKET:
            return StorageError(
                f"The store {self.url} can't {doing}: there is no such bucket.", f"Create it, or correct {VARIABLE}."
            )
        if isinstance(error, OSError) and error.errno in _FULL:
            return StorageError(f"The store {self.url} can't {doing} ({error.strerror}).", "Free some space there.")
        if name == "ParamValidationError":
            return UsageError(f"{VARIABLE} is {self.url}, which the service can't use.", "Give s3://bucket/prefix.")
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _SERVICE_LIBRARIES:
            return StoreUnreachable(
                f"The store {self.url} can't {doing} ({code or name}).",
                "Check the network and the service (for one of your own: AWS_ENDPOINT_URL), and run again: finished "
                f"stages are kept. Unset {VARIABLE} to work with this machine's store alone.",
            )
        return None


def _wait(seconds: float) -> None:
    """Sleep, but not on after the run was interrupted."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stop_if_interrupted()
        time.sleep(min(left, _BETWEEN_LOOKS_S))


def patience_s() -> float:
    """How long a service may fail before we give up.

    Raises:
        UsageError: the variable holds no number.
    """
    text = os.environ.get(PATIENCE_VARIABLE, "").strip()
    try:
        return max(0.0, float(text)) if text else _PATIENCE_S
    except ValueError as error:
        raise UsageError(f"{PATIENCE_VARIABLE} is {text!r}.", "Give a number of seconds, e.g. 60.") from error


def _service_code(error: BaseException) -> str:
    """`NoSuchBucket`, `403`, ...: what an S3 service says, wherever s3fs has put it."""
    at: BaseException | None = error
    while at is not None:
        response = getattr(at, "response", None)
        if isinstance(response, dict) and isinstance(response.get("Error"), dict):
            return str(response["Error"].get("Code", ""))
        at = at.__cause__
    return ""


def _modified(info: dict[str, Any]) -> datetime | None:
    """Services differ in how they call it, and in whether it is a date or seconds."""
    for key in ("LastModified", "mtime", "updated", "last_modified"):
        value = info.get(key)
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
    return None
