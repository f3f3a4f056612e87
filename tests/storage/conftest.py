"""What the room of storage shares."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_temporary_files(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cleaning looks among the machine's temporary files, where rooms at work beside this one leave some."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder
