"""The store on a real S3 service: several machines share what one of them computed."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from earwitness.errors import ExitCode, StorageError, StoreUnreachable, Terminal, Transient, UsageError
from earwitness.home import checkpoints_path, scratch_path
from earwitness.schema import digest_of
from earwitness.storage.checkpoints import read_checkpoint
from earwitness.storage.damage import on_damage
from earwitness.storage.remote import remote_store
from earwitness.storage.sharing import keep_checkpoint, share_waiting, waiting
from earwitness.storage.store import FileRef, keep
from tests.s3_server import SECRET, Bucket

Move = Callable[[str], Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Move:
    """Go to another machine: a home of its own."""

    def go(name: str) -> Path:
        monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / name))
        return tmp_path / name

    go("first")
    return go


@pytest.fixture
def damages() -> Iterator[list[str]]:
    """Where damage was found."""
    found: list[str] = []
    stop = on_damage(lambda _what, where: found.append(where))
    yield found
    stop()


def kept(tmp_path: Path, content: bytes = b"content" * 1000) -> FileRef:
    """A stored file."""
    path = tmp_path / "made.flac"
    path.write_bytes(content)
    return keep(path)


def key(name: str) -> str:
    """Of a checkpoint, as stages have them."""
    return f"{name}-{digest_of(name)}"


def sealed(*files: FileRef) -> bytes:
    """What Prefect writes for a finished stage with some files."""
    data: dict[str, object] = {"files": [json.loads(ref.model_dump_json()) for ref in files]}
    result = {"data": {**data, "seal": digest_of(data)}}
    return json.dumps({"metadata": {}, "result": json.dumps(result)}).encode()


def shared(tmp_path: Path, content: bytes = b"content" * 1000, name: str = "speak") -> FileRef:
    """A stored file that a finished stage names, brought to the shared store."""
    ref = kept(tmp_path, content)
    keep_checkpoint(key(name), sealed(ref))
    return ref


def object_of(ref: FileRef) -> str:
    return f"store/{ref.sha256[:2]}/{ref.sha256}{ref.suffix}"


def loaded(ref: FileRef) -> FileRef:
    return FileRef.model_validate_json(ref.model_dump_json())


def test_what_one_machine_finishes_another_can_load(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    ref = shared(tmp_path)
    assert bucket.names() == [f"checkpoints/{key('speak')}", object_of(ref)]
    assert waiting() == []
    home = machine("second")
    assert read_checkpoint(key("speak")) == sealed(ref)
    assert loaded(ref).path.read_bytes() == b"content" * 1000
    assert ref.path.is_relative_to(home)
    assert list(scratch_path().iterdir()) == []


def test_equal_content_is_uploaded_once(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    ref = shared(tmp_path)
    bucket.put(object_of(ref), b"CONTENT" * 1000)  # would be overwritten by a second upload
    machine("second")
    shared(tmp_path)
    assert bucket.get(object_of(ref)) == b"CONTENT" * 1000


def test_a_damaged_local_copy_is_replaced_from_the_shared_store_and_reported(
    bucket: Bucket, machine: Move, tmp_path: Path, damages: list[str]
) -> None:
    ref = shared(tmp_path)
    ref.path.write_bytes(b"kontent" * 1000)
    assert loaded(ref).path.read_bytes() == b"content" * 1000
    checkpoint = checkpoints_path() / key("speak")
    checkpoint.write_bytes(sealed(ref).replace(b"made", b"mode")[:-9])
    assert read_checkpoint(key("speak")) == sealed(ref)
    assert checkpoint.read_bytes() == sealed(ref)
    assert damages == [str(ref.path), str(checkpoint)]


@pytest.mark.parametrize("damage", ["delete", "truncate", "flip"])
def test_a_damaged_object_is_a_miss_and_the_next_one_heals_it(
    bucket: Bucket, machine: Move, tmp_path: Path, damage: str, damages: list[str]
) -> None:
    ref = shared(tmp_path)
    bucket.damage(object_of(ref), damage)
    machine("second")
    with pytest.raises(ValidationError, match="stored file missing"):
        loaded(ref)
    assert not ref.path.exists()
    assert list(scratch_path().iterdir()) == []
    assert damages == ([] if damage == "delete" else [f"{bucket.url}/{object_of(ref)}"])
    shared(tmp_path)
    machine("third")
    assert loaded(ref).path.read_bytes() == b"content" * 1000


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_a_damaged_checkpoint_there_is_a_miss(
    bucket: Bucket, machine: Move, tmp_path: Path, damage: str, damages: list[str]
) -> None:
    shared(tmp_path)
    bucket.damage(f"checkpoints/{key('speak')}", damage)
    machine("second")
    with pytest.raises(FileNotFoundError):
        read_checkpoint(key("speak"))
    assert damages == [f"{bucket.url}/checkpoints/{key('speak')}"]


def test_what_is_made_while_the_service_is_gone_lies_here_and_is_shared_later(
    bucket: Bucket, machine: Move, tmp_path: Path
) -> None:
    home = machine("first")
    bucket.server.stop()
    try:
        here = shared(tmp_path)
        assert loaded(here) == here
        assert read_checkpoint(key("speak")) == sealed(here)
        assert waiting() == [key("speak")]
        with pytest.raises(StoreUnreachable) as caught:
            share_waiting()
        machine("second")
        with pytest.raises(StoreUnreachable):
            loaded(here)
        with pytest.raises(StoreUnreachable):
            read_checkpoint(key("speak"))
        assert list(scratch_path().iterdir()) == []
    finally:
        bucket.server.start()
    assert isinstance(caught.value, Transient)
    assert caught.value.exit_code == ExitCode.STORAGE
    assert bucket.url in caught.value.message
    assert "AWS_ENDPOINT_URL" in caught.value.remedy
    machine(home.name)
    assert share_waiting() == [key("speak")]
    assert share_waiting() == waiting() == []
    machine("second")
    assert read_checkpoint(key("speak")) == sealed(here)
    assert loaded(here) == here


def test_what_was_cleaned_away_before_it_could_be_shared_is_forgotten(
    bucket: Bucket, machine: Move, tmp_path: Path
) -> None:
    bucket.server.stop()
    try:
        shared(tmp_path)
    finally:
        bucket.server.start()
    (checkpoints_path() / key("speak")).unlink()
    note = machine("first") / "unshared" / key("speak")
    assert share_waiting() == []
    assert note.exists()  # young: it might be about to be written
    os.utime(note, (0, 0))
    assert share_waiting() == waiting() == bucket.names() == []


def test_a_service_that_comes_back_in_time_costs_nothing(
    bucket: Bucket, machine: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_STORE_PATIENCE_S", "60")
    bucket.server.stop()
    with ThreadPoolExecutor(1) as pool:
        try:
            keeping = pool.submit(shared, tmp_path)
            with pytest.raises(TimeoutError):
                keeping.result(timeout=1)
        finally:
            bucket.server.start()
        assert object_of(keeping.result(timeout=60)) in bucket.names()


def test_wrong_credentials_are_said_at_once_and_never_shown(
    bucket: Bucket, machine: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.server.demand_credentials(True)
    monkeypatch.setenv("EARWITNESS_STORE_PATIENCE_S", "600")
    try:
        shared(tmp_path)
        with pytest.raises(StorageError) as caught:
            share_waiting()
    finally:
        bucket.server.demand_credentials(False)
    assert isinstance(caught.value, Terminal)
    assert "AWS_ACCESS_KEY_ID" in caught.value.remedy
    told = f"{caught.value} {json.dumps(caught.value.attrs())} {caplog.text}"
    assert "stays on this machine" in told
    assert SECRET not in told
    assert "AKIDEXAMPLE" not in told


def test_a_missing_bucket_is_said_at_once(
    bucket: Bucket, machine: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_STORE", "s3://no-such-bucket-here/prefix")
    monkeypatch.setenv("EARWITNESS_STORE_PATIENCE_S", "600")
    remote = remote_store()
    assert remote is not None
    for ask in (
        remote.check,
        lambda: remote.write("checkpoints/key", b""),
        lambda: remote.read("checkpoints/key"),
        lambda: remote.fetch("x", tmp_path / "x"),
    ):
        with pytest.raises(StorageError, match="no such bucket"):
            ask()


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("bucket/prefix", "s3://bucket/prefix"),
        ("s3://user:hidden@bucket/prefix", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/prefix?key=hidden", "AWS_ACCESS_KEY_ID"),
        ("memory://x", "s3://"),
        ("nosuch://x", "s3://"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained_without_its_secrets(
    url: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_STORE", url)
    with pytest.raises(UsageError) as caught:
        remote_store()
    assert remedy in caught.value.remedy
    assert "hidden" not in str(caught.value)


def test_a_folder_can_be_the_shared_store(machine: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shared"
    monkeypatch.setenv("EARWITNESS_STORE", folder.as_uri())
    ref = shared(tmp_path)
    machine("second")
    assert loaded(ref) == ref
    assert read_checkpoint(key("speak")) == sealed(ref)
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == [f"checkpoints/{key('speak')}", object_of(ref)]


def test_many_writers_of_the_same_and_of_different_things(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    def work(number: int) -> FileRef:
        folder = tmp_path / f"worker-{number}"
        folder.mkdir()
        return shared(folder, bytes([number % 3]) * 100_000, f"stage-{number % 3}")

    with ThreadPoolExecutor(8) as pool:
        refs = set(pool.map(work, range(24)))
    share_waiting()
    assert waiting() == []
    assert len(refs) == 3
    keys = [f"checkpoints/{key(f'stage-{number}')}" for number in range(3)]
    assert bucket.names() == sorted([*keys, *map(object_of, refs)])
    machine("second")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(loaded, [ref for ref in refs for _ in range(4)])) == refs


def test_checkpoints_travel_and_stay(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    ref = shared(tmp_path)
    machine("second")
    assert read_checkpoint(key("speak")) == sealed(ref)
    bucket.delete(f"checkpoints/{key('speak')}")
    assert read_checkpoint(key("speak")) == sealed(ref)
    machine("third")
    with pytest.raises(FileNotFoundError):
        read_checkpoint(key("speak"))


def test_what_prefect_notes_about_failures_is_nobody_elses_business(bucket: Bucket, machine: Move) -> None:
    keep_checkpoint("4f1c0d4e5a4b4c0f8f3b2a1908070605", b"an exception")
    assert bucket.names() == waiting() == []
    assert read_checkpoint("4f1c0d4e5a4b4c0f8f3b2a1908070605") == b"an exception"
