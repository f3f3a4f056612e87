"""Files for their owner only: written whole, erased with what killed writers left of them."""

import stat
from pathlib import Path

import pytest

from earwitness.errors import StorageError
from earwitness.storage.private import erase_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "voices" / "a.json"
    path.parent.mkdir(mode=0o755)
    for content in (b"first", b"second"):
        write_private(path, content, "The voice print")
        assert path.read_bytes() == content
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]


def test_erasing_leaves_nothing_of_it_and_all_of_the_others(tmp_path: Path) -> None:
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    left = [tmp_path / f".{name}.json.{number:08x}.part" for name in "ab" for number in (1, 2)]
    for file in (path, other, *left):
        file.write_bytes(b"embedding")
    assert erase_private(path, "The voice print")
    assert sorted(tmp_path.iterdir()) == sorted([other, *left[2:]])
    left[0].write_bytes(b"embedding")
    assert not erase_private(path, "The voice print"), "it was not there"
    assert not left[0].exists()


def test_what_cant_be_written_or_erased_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    path = tmp_path / "home" / "a.json"
    with pytest.raises(StorageError, match=r"The memory .*/a\.json can't be written \(\S"):
        write_private(path, b"", "The memory")
    folder = tmp_path / "b.json"
    folder.mkdir()
    with pytest.raises(StorageError, match=r"The memory .*/b\.json can't be erased \(\S"):
        erase_private(folder, "The memory")
