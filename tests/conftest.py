"""Fixtures that every room shares."""

from pathlib import Path

import pytest

from tests.prefect_server import prefect_server
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "prefect_server", "s3_server"]

_TESTS = Path(__file__).resolve().parent
_SHARED = _TESTS.parents[1] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a room share servers and finished runs, so they stay together when rooms run side by side."""
    for item in items:
        room = item.path.relative_to(_TESTS).parts[0]
        item.add_marker(pytest.mark.xdist_group(room))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test keeps its store, checkpoints and locks to itself."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("EARWITNESS_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The evaluation recordings; tests that need them skip where they are not."""
    if not _SHARED.is_dir():
        pytest.skip(f"evaluation data not present at {_SHARED}")
    return _SHARED


@pytest.fixture(scope="session")
def phone_call() -> Path:
    """The two-speaker telephone call that the pyannote.audio wheel carries (30 s, 16 kHz mono WAV)."""
    from importlib.util import find_spec

    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "sample" / "sample.wav"
