"""What lies where, whether it is still what it was, and whether there is room for more."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prefect import flow

from earwitness.cli import cli
from earwitness.errors import StorageError
from earwitness.home import checkpoints_path, scratch_path, store_path
from earwitness.schema import StageResult
from earwitness.settings import Limits
from earwitness.storage.leases import using_store
from earwitness.storage.overview import overview
from earwitness.storage.remote import remote_store
from earwitness.storage.room import need_room, storage_state
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.storage.verify import verify
from tasks.stage import on_this_machine, stage
from tests.s3_server import Bucket


class Heard(StageResult):
    """A result with every kind of value that JSON could spell in two ways."""

    file: FileRef
    score: float = 0.1 + 0.2
    whole: float = 1.0
    tiny: float = 1e-7
    name: str = "Zoë \U0001f3b2 \u2028"
    nothing: None = None
    pairs: tuple[tuple[int, str], ...] = ((1, "a"),)


def kept(content: bytes) -> FileRef:
    with workspace("test") as folder:
        path = Path(folder) / "made.flac"
        path.write_bytes(content)
        return keep(path)


@stage("hear", version="1")
def hear(content: str) -> Heard:
    return Heard(file=kept(content.encode()))


@pytest.fixture
def finished(prefect_server: None) -> tuple[Path, Path]:
    """A finished stage: its checkpoint and its file."""

    @flow(name="hearing", persist_result=False)
    def hearing() -> Path:
        return on_this_machine(hear, Limits(retries=0))("sound " * 100).file.path

    file = hearing()
    (checkpoint,) = checkpoints_path().iterdir()
    return checkpoint, file


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["storage", *arguments], standalone_mode=False)


@pytest.mark.server
def test_what_is_whole_is_found_whole(finished: tuple[Path, Path]) -> None:
    found = verify()
    assert found.damaged == []
    assert found.files == 2
    assert found.bytes == sum(path.stat().st_size for path in finished)


@pytest.mark.server
@pytest.mark.parametrize("which", ["checkpoint", "file"])
@pytest.mark.parametrize("how", ["flip", "truncate"])
def test_damage_is_listed_and_repaired_by_removal(finished: tuple[Path, Path], which: str, how: str) -> None:
    path = finished[0] if which == "checkpoint" else finished[1]
    content = path.read_bytes()
    if how == "truncate":
        path.write_bytes(content[:40])
    elif which == "file":
        path.write_bytes(b"S" + content[1:])
    else:
        assert content.count(b"0.30000000000000004") == 1
        path.write_bytes(content.replace(b"0.30000000000000004", b"0.30000000000000010"))
    result = invoke("--verify", "--json")
    assert result.return_value == 6
    (damage,) = json.loads(result.output)["damaged"]
    assert path.as_posix().endswith(damage["name"])
    assert damage["where"] == ("checkpoints" if which == "checkpoint" else "store")
    assert path.exists()
    assert invoke("--verify", "--repair").return_value == 6
    assert not path.exists()
    assert invoke("--verify").return_value == 0


def shared(content: bytes) -> FileRef:
    """In the shared store too, whoever brought it there."""
    ref, remote = kept(content), remote_store()
    assert remote is not None
    remote.upload(ref.path, f"store/{ref.sha256[:2]}/{ref.sha256}.flac")
    return ref


def test_damage_in_the_shared_store_is_found_on_request(bucket: Bucket) -> None:
    ref = shared(b"sound")
    name = f"store/{ref.sha256[:2]}/{ref.sha256}.flac"
    assert verify(remote=True).damaged == []
    bucket.damage(name, "flip")
    assert verify().damaged == []
    found = verify(remote=True, repair=True)
    assert [(item.where, item.name, item.repaired) for item in found.damaged] == [("remote", name, True)]
    assert bucket.names() == []
    assert ref.path.exists()


def test_repair_needs_verify() -> None:
    result = CliRunner().invoke(cli, ["storage", "--repair"])
    assert "--verify" in str(result.exception)


def test_the_overview_counts_everything_once(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    kept(b"x" * 100)
    kept(b"y" * 50)
    checkpoints_path().mkdir()
    (checkpoints_path() / "a-key").write_text("{}")
    (scratch_path() / "left").mkdir()
    (scratch_path() / "left" / "half").write_bytes(b"z" * 7)
    with using_store("test"):
        found = overview(30 * 86_400)
    assert {place.name: (place.files, place.bytes) for place in found.places} == {
        "store": (2, 150),
        "checkpoints": (1, 2),
        "calls": (0, 0),
        "memory": (0, 0),
        "scratch": (1, 7),
        "models": (0, 0),
    }
    assert found.places[0].where == str(store_path())
    assert found.places[0].oldest is not None
    assert (found.runs, found.unshared, found.clean_items, found.clean_bytes) == (1, 0, 1, 7)
    assert found.disk.free_bytes > 0


def test_the_command_shows_it_in_json_and_in_words(own_home: Path, tmp_path: Path) -> None:
    kept(b"x" * 2_000_000)
    told = invoke("--out", str(tmp_path))
    assert told.return_value == 0
    assert "2.0 MB" in told.output
    assert str(store_path()) in told.output
    shown = json.loads(invoke("--json").output)
    assert shown["places"][0]["bytes"] == 2_000_000


def test_the_shared_store_is_counted_or_its_trouble_shown(bucket: Bucket) -> None:
    shared(b"x" * 100)
    place = overview(0).places[-1]
    assert (place.name, place.where, place.files, place.bytes) == ("shared", bucket.url, 1, 100)
    assert place.oldest is not None
    bucket.server.stop()
    try:
        result = invoke()
    finally:
        bucket.server.start()
    assert result.return_value == 6
    assert "can't be listed" in result.output


def test_room_is_judged_by_what_the_disk_has_free(tmp_path: Path) -> None:
    state = storage_state(tmp_path / "not" / "there" / "yet")
    assert state.path == tmp_path
    assert state.total_bytes > state.free_bytes > 0
    assert storage_state(tmp_path, low_bytes=0, full_bytes=0).level == "ok"
    assert storage_state(tmp_path, low_bytes=state.total_bytes * 2, full_bytes=0).level == "low"
    assert storage_state(tmp_path, full_bytes=state.total_bytes * 2).level == "full"


def test_what_will_not_fit_is_refused_with_figures_and_a_remedy(tmp_path: Path) -> None:
    need_room(0, tmp_path, 0)
    free = storage_state(tmp_path).free_bytes
    with pytest.raises(StorageError, match="recording takes about") as caught:
        need_room(free * 2, tmp_path / "out", 0)
    assert "earwitness clean" in caught.value.remedy
    assert caught.value.exit_code == 6
    with pytest.raises(StorageError, match="are to stay free"):
        need_room(0, tmp_path, free / 1e9 * 2)
