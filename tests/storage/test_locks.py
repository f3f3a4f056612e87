"""Locks hold between processes and threads, and a kill -9 frees them."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earwitness.errors import StorageError
from earwitness.storage.locks import FileLocks, locked

HOLDER = """
import sys
from pathlib import Path
from earwitness.storage.locks import FileLocks
locks = FileLocks(Path(sys.argv[1]))
print(locks.try_acquire("key", "child"), flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_by_one_and_given_back(tmp_path: Path) -> None:
    mine, theirs = FileLocks(tmp_path), FileLocks(tmp_path)
    assert mine.try_acquire("a.b/c", "me")
    assert mine.try_acquire("a.b/c", "me")
    assert not mine.try_acquire("a.b/c", "somebody else")
    assert not theirs.try_acquire("a.b/c", "them")
    assert not theirs.is_free("a.b/c")
    mine.release("a.b/c", "me")
    assert theirs.try_acquire("a.b/c", "them")


def test_keys_that_differ_after_a_dot_do_not_share_a_lock(tmp_path: Path) -> None:
    assert FileLocks(tmp_path).try_acquire("asr-v1.2-aaa", "one")
    assert FileLocks(tmp_path).try_acquire("asr-v1.2-bbb", "two")


def test_only_the_holder_can_release(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path)
    locks.try_acquire("key", "me")
    with pytest.raises(ValueError, match="does not hold"):
        locks.release("key", "somebody else")


def test_kill_9_frees_the_lock(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "True"
    locks = FileLocks(tmp_path)
    assert not locks.try_acquire("key", "me")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + 5
    while not locks.try_acquire("key", "me"):
        assert time.monotonic() < deadline, "the lock outlived its holder"


def test_locks_travel_between_processes_without_what_is_held(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path)
    locks.try_acquire("key", "me")
    copy = pickle.loads(pickle.dumps(locks))
    assert not copy.holds("key", "me")
    assert not copy.try_acquire("key", "me")


def test_an_unwritable_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="lock"):
        FileLocks(tmp_path / "file").try_acquire("key", "me")


def test_locked_lets_one_in_at_a_time(own_home: Path) -> None:
    with locked("bundle"):
        assert not FileLocks(own_home / "locks").is_free("bundle")
    assert FileLocks(own_home / "locks").is_free("bundle")
