"""Fixtures that every room shares."""

from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.chat_server import chat_service, paid_chat_service
from tests.prefect_server import prefect_server
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "chat_service", "paid_chat_service", "prefect_server", "s3_server"]

hypothesis.settings.register_profile(
    "shared machine", deadline=None, max_examples=50
)  # how fast it is at the moment says nothing
hypothesis.settings.load_profile("shared machine")

_TESTS = Path(__file__).resolve().parent
_SHARED = _TESTS.parents[1] / "shared" / "data"


_ALONE = {
    "faults/test_at_once.py",
    "faults/test_surroundings.py",
    "flows/test_dask_workers.py",
    "flows/test_maintain.py",
    "flows/test_recording.py",
}
"""Minutes that share little with the rest of their rooms, better spent beside it than after it."""


class ByRoom(LoadScopeScheduling):  # type: ignore[misc] # untyped
    """Tests of a room share servers and finished runs, so they stay in one process when rooms run side by side.

    xdist's own groups would do, but with pytest 9.2 their marks are not seen (xdist 3.8).
    """

    def _split_scope(self, nodeid: str) -> str:
        return _room(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRoom:
    """The scheduler for `--numprocesses`."""
    config.option.loadscopereorder = False
    return ByRoom(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms with many slow tests come first: begun last, one of them would keep everybody waiting."""
    slow = Counter(_room(item.nodeid) for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[_room(item.nodeid)])


def _room(nodeid: str) -> str:
    path = nodeid.split("::")[0].removeprefix("tests/")
    return path if path in _ALONE else path.split("/")[0]


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test keeps its store, checkpoints and locks to itself."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("EARWITNESS_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def nobody_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line, once called in this process, would end it some seconds after a test's run is interrupted."""
    monkeypatch.setattr("earwitness.interrupt._told", [])


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


@pytest.fixture(scope="session")
def diane(tmp_path_factory: pytest.TempPathFactory, phone_call: Path) -> Path:
    """One person alone: Diane, from the second half of the telephone call (4 s)."""
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(phone_call, dtype="int16")
    parts = [samples[round(start * rate) : round(end * rate)] for start, end in ((18.65, 21.45), (28.5, 30.0))]
    path = tmp_path_factory.mktemp("voices") / "diane.wav"
    soundfile.write(path, np.concatenate(parts), rate)
    return path
