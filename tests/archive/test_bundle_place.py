import errno
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from earwitness.archive import place
from earwitness.archive.bundle import compose_bundle, place_bundle
from earwitness.archive.findings import Composed
from earwitness.errors import StorageError
from earwitness.storage.store import sha256_file
from tests.archive.factory import make_findings, stored


@pytest.fixture
def composed() -> Composed:
    return compose_bundle(make_findings(settings={"publish": {"report": False}}))


@pytest.fixture
def changed() -> Composed:
    return compose_bundle(make_findings(settings={"publish": {"report": False}}, warnings=["now different"]))


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def tree(folder: Path) -> dict[str, str]:
    return {entry.relative_to(folder).as_posix(): sha256_file(entry) for entry in folder.rglob("*") if entry.is_file()}


def digests(composed: Composed) -> dict[str, str]:
    return {path: ref.sha256 for path, ref in composed.files.items()}


def test_a_new_bundle_is_whole_and_nothing_else_is_left(composed: Composed, tmp_path: Path) -> None:
    shares: list[float] = []
    target, written = place_bundle(composed, tmp_path / "deep" / "out", lambda share, note="": shares.append(share))
    assert written
    assert tree(target) == digests(composed)
    assert names_in(tmp_path / "deep" / "out") == [composed.recording_id]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_same_bundle_is_not_touched(composed: Composed, tmp_path: Path) -> None:
    target, _ = place_bundle(composed, tmp_path)
    before = {entry: entry.stat().st_mtime_ns for entry in [target, *target.rglob("*")]}
    assert place_bundle(composed, tmp_path) == (target, False)
    assert before == {entry: entry.stat().st_mtime_ns for entry in [target, *target.rglob("*")]}


def test_a_different_bundle_takes_the_place_of_the_old_one(
    composed: Composed, changed: Composed, tmp_path: Path
) -> None:
    place_bundle(composed, tmp_path)
    target, written = place_bundle(changed, tmp_path)
    assert written
    assert tree(target) == digests(changed)
    assert names_in(tmp_path) == [composed.recording_id]


@pytest.mark.parametrize("lost", ["recording.json", "manifest-sha256.txt", "clips/clip-1.mp4"])
def test_a_damaged_bundle_is_made_whole_again(composed: Composed, tmp_path: Path, lost: str) -> None:
    target, _ = place_bundle(composed, tmp_path)
    (target / lost).unlink()
    (target / "audio.flac").write_bytes(b"scratched")
    _, written = place_bundle(composed, tmp_path)
    assert written
    assert tree(target) == digests(composed)


def test_what_a_user_added_moves_along(composed: Composed, changed: Composed, tmp_path: Path) -> None:
    target, _ = place_bundle(composed, tmp_path)
    (target / "my notes").mkdir()
    (target / "my notes" / "todo.txt").write_text("mine")
    assert place_bundle(composed, tmp_path) == (target, False)
    place_bundle(changed, tmp_path)
    assert tree(target) == digests(changed) | {"my notes/todo.txt": sha256_file(target / "my notes" / "todo.txt")}


def test_clips_that_are_no_longer_made_go_away(composed: Composed, tmp_path: Path) -> None:
    target, _ = place_bundle(composed, tmp_path)
    fewer = compose_bundle(make_findings(settings={"publish": {"report": False}}, clipped=None))
    place_bundle(fewer, tmp_path)
    assert tree(target) == digests(fewer)


def test_a_folder_that_is_not_a_bundle_is_never_overwritten(composed: Composed, tmp_path: Path) -> None:
    (tmp_path / composed.recording_id).mkdir()
    (tmp_path / composed.recording_id / "thesis.odt").write_text("ten years of work")
    with pytest.raises(StorageError, match="not a bundle") as caught:
        place_bundle(composed, tmp_path)
    assert "Move it away" in caught.value.remedy
    assert tree(tmp_path) == {
        f"{composed.recording_id}/thesis.odt": sha256_file(tmp_path / composed.recording_id / "thesis.odt")
    }


def test_a_symbolic_link_is_refused(composed: Composed, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / composed.recording_id).symlink_to(elsewhere)
    with pytest.raises(StorageError, match="symbolic link"):
        place_bundle(composed, tmp_path / "out")
    assert names_in(elsewhere) == []


def test_a_link_in_the_place_of_a_file_is_not_taken_for_it(composed: Composed, tmp_path: Path) -> None:
    target, _ = place_bundle(composed, tmp_path)
    (target / "audio.flac").unlink()
    (target / "audio.flac").symlink_to(composed.files["audio.flac"].path)
    _, written = place_bundle(composed, tmp_path)
    assert written
    assert not (target / "audio.flac").is_symlink()


def test_a_file_in_the_way_is_refused(composed: Composed, tmp_path: Path) -> None:
    (tmp_path / composed.recording_id).write_text("x")
    with pytest.raises(StorageError, match="is a file"):
        place_bundle(composed, tmp_path)
    (tmp_path / "plain").write_text("x")
    with pytest.raises(StorageError, match=r"is a file|part of that path"):
        place_bundle(composed, tmp_path / "plain" / "out")


def test_too_little_space_is_seen_before_anything_is_written(
    composed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("earwitness.archive.place.shutil.disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(StorageError, match=r"needs [\d.]+ MB .* 1 MB are free"):
        place_bundle(composed, tmp_path / "out")
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_failing_disk_leaves_the_old_bundle_as_it_was(
    composed: Composed, changed: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    target, _ = place_bundle(composed, tmp_path)
    calls = iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(calls) == 5:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr("earwitness.archive.place.os.fsync", fsync)
    with pytest.raises(StorageError) as caught:
        place_bundle(changed, tmp_path)
    assert caught.value.remedy
    assert caught.value.exit_code == 6
    assert tree(target) == digests(composed)
    assert names_in(tmp_path) == [composed.recording_id]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "tiny"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_disk_that_really_fills_up_is_left_clean(
    composed: Composed, tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tiny_disk)
    monkeypatch.setattr("earwitness.archive.place.shutil.disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(StorageError, match="disk is full"):
        place_bundle(composed, tiny_disk)
    assert names_in(tiny_disk) == []


def test_leftovers_of_dead_runs_are_swept_and_others_left_alone(composed: Composed, tmp_path: Path) -> None:
    for name in (f".{composed.recording_id}.0a1b2c3d.part", ".other-000000000000.0a1b2c3d.old", ".mine.part", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    place_bundle(composed, tmp_path)
    assert sorted(names_in(tmp_path)) == sorted([".git", ".mine.part", "other-000000000000", composed.recording_id]), (
        "a bundle that was set aside and lost its place comes back"
    )


def test_a_run_that_is_still_writing_is_not_swept(composed: Composed, changed: Composed, tmp_path: Path) -> None:
    """The kernel's lock tells living from dead, whatever the name."""
    seen: list[list[str]] = []

    def meanwhile(share: float, note: str = "") -> None:
        if not seen and note == "audio.flac":
            seen.append([])
            place_bundle(changed, tmp_path)
            seen.append(names_in(tmp_path))

    target, _ = place_bundle(composed, tmp_path, meanwhile)
    assert sum(name.endswith(".part") for name in seen[1]) == 1
    assert tree(target) == digests(composed)
    assert names_in(tmp_path) == [composed.recording_id]


KILLED = """
import os, sys
from pathlib import Path
from earwitness.archive.findings import Composed
from earwitness.archive.place import place_bundle
composed = Composed.model_validate_json(sys.stdin.read())
def die(share, note=""):
    if share > 0.9:
        os.kill(os.getpid(), 9)
place_bundle(composed, Path(sys.argv[1]), die)
"""


def test_a_killed_run_leaves_the_old_bundle_and_the_next_run_cleans_up(
    composed: Composed, changed: Composed, tmp_path: Path
) -> None:
    target, _ = place_bundle(composed, tmp_path)
    dead = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        input=changed.model_dump_json().encode(),
        env={**os.environ, "PYTHONPATH": str(Path(place.__file__).parents[2])},
        check=False,
    )
    assert dead.returncode == -9
    assert len(names_in(tmp_path)) == 2
    assert tree(target) == digests(composed)
    place_bundle(changed, tmp_path)
    assert names_in(tmp_path) == [composed.recording_id]
    assert tree(target) == digests(changed)


def _place(composed: Composed, out: Path) -> None:
    place_bundle(composed, out)


def test_many_at_once_end_with_one_whole_bundle(composed: Composed, changed: Composed, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")  # forking a process with threads (Prefect's) can hang the child
    workers = [context.Process(target=_place, args=(which, tmp_path)) for which in (composed, changed) * 3]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert names_in(tmp_path) == [composed.recording_id]
    assert tree(tmp_path / composed.recording_id) in (digests(composed), digests(changed))


def test_a_store_file_that_rotted_is_not_published(composed: Composed, tmp_path: Path) -> None:
    ref = composed.files["transcript.txt"]
    content = bytearray(ref.path.read_bytes())
    content[0] ^= 1
    ref.path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        place_bundle(composed, tmp_path)
    assert names_in(tmp_path) == []


def test_odd_file_names_in_the_manifest_follow_bagit() -> None:
    ref = stored(b"x", "x.txt")
    text = place.manifest_text({"clips/100%\n.srt": ref, "a.txt": ref, "manifest-sha256.txt": ref})
    assert text == f"{ref.sha256}  a.txt\n{ref.sha256}  clips/100%25%0A.srt\n"


def test_the_place_is_not_part_of_the_content(composed: Composed, tmp_path: Path) -> None:
    one, _ = place_bundle(composed, tmp_path / "one")
    two, _ = place_bundle(composed, tmp_path / "two")
    assert tree(one) == tree(two)
    assert str(tmp_path) not in json.dumps(json.loads((one / "recording.json").read_text()))
