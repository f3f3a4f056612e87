"""The store keeps files by content, and notices when they are gone or altered."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from earwitness.errors import StorageError
from earwitness.home import store_path
from earwitness.storage.store import FileRef, keep, workspace


def write(tmp_path: Path, text: str, name: str = "a.txt") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_equal_content_is_stored_once_and_the_source_is_gone(tmp_path: Path) -> None:
    one = keep(write(tmp_path, "same"))
    two = keep(write(tmp_path, "same", "b.txt"))
    assert one == two
    assert one.path.read_text() == "same"
    assert list(tmp_path.iterdir()) == []
    assert len([path for path in store_path().rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("damage", ["gone", "altered", "cut", "altered-same-size"])
def test_loading_a_reference_to_damaged_bytes_fails(tmp_path: Path, damage: str) -> None:
    reference = keep(write(tmp_path, "content"))
    stored = reference.model_dump_json()
    if damage == "gone":
        reference.path.unlink()
    else:
        reference.path.write_text({"altered": "other text", "cut": "con", "altered-same-size": "kontent"}[damage])
    with pytest.raises(ValidationError, match=r"missing|altered"):
        FileRef.model_validate_json(stored)


def test_a_damaged_file_is_replaced_by_the_next_keep(tmp_path: Path) -> None:
    reference = keep(write(tmp_path, "content"))
    reference.path.write_text("kontent")
    assert keep(write(tmp_path, "content")).path.read_text() == "content"


def test_a_store_that_cannot_be_written_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="can't be written"):
        keep(write(tmp_path, "content"))
    with pytest.raises(StorageError, match="scratch"):
        workspace("test")


def test_scratch_lies_on_the_store_and_disappears() -> None:
    with workspace("test") as folder:
        assert Path(folder).is_relative_to(store_path())
    assert not Path(folder).exists()
