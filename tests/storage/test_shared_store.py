"""The store on a real S3 service: several machines share what one of them computed."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from earwitness.errors import EarwitnessError, ExitCode, StorageError, StoreUnreachable, Terminal, Transient, UsageError
from earwitness.home import checkpoints_path, scratch_path
from earwitness.storage.checkpoints import read_checkpoint, write_checkpoint
from earwitness.storage.remote import remote_store
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


def kept(tmp_path: Path, content: bytes = b"content" * 1000) -> FileRef:
    path = tmp_path / "made.flac"
    path.write_bytes(content)
    return keep(path)


def object_of(ref: FileRef) -> str:
    return f"store/{ref.sha256[:2]}/{ref.sha256}{ref.suffix}"


def loaded(ref: FileRef) -> FileRef:
    return FileRef.model_validate_json(ref.model_dump_json())


def test_what_one_machine_keeps_another_can_load(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    ref = kept(tmp_path)
    assert bucket.names() == [object_of(ref)]
    home = machine("second")
    assert loaded(ref).path.read_bytes() == b"content" * 1000
    assert ref.path.is_relative_to(home)
    assert list(scratch_path().iterdir()) == []


def test_equal_content_is_uploaded_once(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    ref = kept(tmp_path)
    bucket.put(object_of(ref), b"CONTENT" * 1000)  # would be overwritten by a second upload
    machine("second")
    kept(tmp_path)
    assert bucket.get(object_of(ref)) == b"CONTENT" * 1000


def test_a_damaged_local_copy_is_replaced_from_the_shared_store(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    ref = kept(tmp_path)
    ref.path.write_bytes(b"kontent" * 1000)
    assert loaded(ref).path.read_bytes() == b"content" * 1000


@pytest.mark.parametrize("damage", ["delete", "truncate", "flip"])
def test_a_damaged_object_is_a_miss_and_the_next_keep_heals_it(
    bucket: Bucket, machine: Move, tmp_path: Path, damage: str
) -> None:
    ref = kept(tmp_path)
    bucket.damage(object_of(ref), damage)
    machine("second")
    with pytest.raises(ValidationError, match="stored file missing"):
        loaded(ref)
    assert not ref.path.exists()
    assert list(scratch_path().iterdir()) == []
    kept(tmp_path)
    machine("third")
    assert loaded(ref).path.read_bytes() == b"content" * 1000


def test_without_the_service_local_files_load_and_nothing_else_is_believed(
    bucket: Bucket, machine: Move, tmp_path: Path
) -> None:
    here = kept(tmp_path)
    bucket.server.stop()
    try:
        assert loaded(here) == here
        with pytest.raises(StoreUnreachable) as caught:
            kept(tmp_path, b"new")
        machine("second")
        with pytest.raises(StoreUnreachable):
            loaded(here)
        assert list(scratch_path().iterdir()) == []
    finally:
        bucket.server.start()
    assert isinstance(caught.value, Transient)
    assert caught.value.exit_code == ExitCode.STORAGE
    assert bucket.url in caught.value.message
    assert "AWS_ENDPOINT_URL" in caught.value.remedy
    assert loaded(here) == here
    assert object_of(kept(tmp_path, b"new")) in bucket.names()


def test_a_service_that_comes_back_in_time_costs_nothing(
    bucket: Bucket, machine: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_STORE_PATIENCE_S", "60")
    bucket.server.stop()
    with ThreadPoolExecutor(1) as pool:
        try:
            keeping = pool.submit(kept, tmp_path)
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
        with pytest.raises(StorageError) as caught:
            kept(tmp_path)
    finally:
        bucket.server.demand_credentials(False)
    assert isinstance(caught.value, Terminal)
    assert "AWS_ACCESS_KEY_ID" in caught.value.remedy
    told = f"{caught.value} {json.dumps(caught.value.attrs())} {caplog.text}"
    assert SECRET not in told
    assert "AKIDEXAMPLE" not in told


def test_a_missing_bucket_is_said_at_once(
    bucket: Bucket, machine: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_STORE", "s3://no-such-bucket-here/prefix")
    monkeypatch.setenv("EARWITNESS_STORE_PATIENCE_S", "600")
    with pytest.raises(StorageError, match="no such bucket"):
        kept(tmp_path)
    remote = remote_store()
    assert remote is not None
    for ask in (remote.check, lambda: remote.read("checkpoints/key"), lambda: remote.fetch("x", tmp_path / "x")):
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
    shared = tmp_path / "shared"
    monkeypatch.setenv("EARWITNESS_STORE", shared.as_uri())
    ref = kept(tmp_path)
    write_checkpoint("key", b"{}")
    machine("second")
    assert loaded(ref) == ref
    assert read_checkpoint("key") == b"{}"
    found = sorted(str(path.relative_to(shared)) for path in shared.rglob("*") if path.is_file())
    assert found == ["checkpoints/key", object_of(ref)]


def test_many_writers_of_the_same_and_of_different_things(bucket: Bucket, machine: Move, tmp_path: Path) -> None:
    def work(number: int) -> FileRef:
        folder = tmp_path / f"worker-{number}"
        folder.mkdir()
        ref = kept(folder, bytes([number % 3]) * 100_000)
        write_checkpoint(f"key-{number % 3}", ref.model_dump_json().encode())
        return ref

    with ThreadPoolExecutor(8) as pool:
        refs = set(pool.map(work, range(24)))
    assert len(refs) == 3
    assert bucket.names() == sorted([*(f"checkpoints/key-{n}" for n in range(3)), *map(object_of, refs)])
    machine("second")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(loaded, [ref for ref in refs for _ in range(4)])) == refs


def test_checkpoints_travel_and_stay(bucket: Bucket, machine: Move) -> None:
    write_checkpoint("align-1", b"answer")
    machine("second")
    assert read_checkpoint("align-1") == b"answer"
    bucket.delete("checkpoints/align-1")
    assert read_checkpoint("align-1") == b"answer"
    machine("third")
    with pytest.raises(FileNotFoundError):
        read_checkpoint("align-1")


def test_a_checkpoint_is_kept_here_when_the_service_is_gone(bucket: Bucket, machine: Move) -> None:
    bucket.server.stop()
    try:
        write_checkpoint("align-1", b"answer")
        assert read_checkpoint("align-1") == b"answer"
        with pytest.raises(EarwitnessError):
            read_checkpoint("align-2")
    finally:
        bucket.server.start()
    assert [path.name for path in checkpoints_path().iterdir()] == ["align-1"]
