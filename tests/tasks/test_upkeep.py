"""The steps of maintenance that look after the store."""

import tempfile
from pathlib import Path

import pytest

from earwitness.home import checkpoints_path, scratch_path
from earwitness.maintenance.options import MaintainOptions
from earwitness.schema import digest_of
from earwitness.storage.checkpoints import write_checkpoint
from earwitness.storage.sharing import keep_checkpoint, waiting
from tasks.upkeep import clean_up, share
from tests.s3_server import Bucket

KEY = f"speak-{digest_of('speak')}"


def test_leftovers_always_go_and_old_stages_where_it_is_wanted(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # else what engines of other tests left counts too
    write_checkpoint(KEY, b"{}")
    (scratch_path() / "listen-x").mkdir(parents=True)
    (scratch_path() / "listen-x" / "half.m4a").write_bytes(b"x" * 2_000_000)
    assert clean_up(MaintainOptions()).done == ["removed 1 leftovers of dead processes, 2 MB"]
    assert clean_up(MaintainOptions(clean_after_days=30)).done == []
    assert (checkpoints_path() / KEY).exists()
    assert clean_up(MaintainOptions(clean_after_days=0)).done == ["removed 1 things that nothing needs, 0 MB"]
    assert not (checkpoints_path() / KEY).exists()


def test_what_could_not_be_shared_is_shared_when_the_service_is_back(bucket: Bucket) -> None:
    bucket.server.stop()
    try:
        keep_checkpoint(KEY, b'{"result": "{\\"data\\": {}}"}')
        (told,) = share(MaintainOptions()).mind
    finally:
        bucket.server.start()
    assert told.startswith("1 finished stages lie on this machine only")
    assert bucket.url in told
    assert share(MaintainOptions()).done == ["shared speak"]
    assert waiting() == []
    assert bucket.names() == [f"checkpoints/{KEY}"]
