"""What the rooms of failures share: a running Prefect server, a short recording, and what comes of it undisturbed."""

from pathlib import Path

import pytest

from tests.runs import Place, bundle_digests, cut_calls

SPAN = (8.3, 21.6)
"""Of the call: long enough for a clip, and it ends with a sentence."""

QUICK = ("--profile", "podcast", "--set", "clip.video=false")


@pytest.fixture(scope="session")
def api_url(prefect_server: None) -> str:
    """Of the session's Prefect server, for runs in processes of their own."""
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen seconds of two people on the telephone, with their transcript."""
    (path,) = cut_calls(tmp_path_factory.mktemp("recording"), yankee=SPAN)
    return path


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, recording: Path, api_url: str
) -> tuple[Place, dict[str, str]]:
    """The machine on which everything went well, and its bundle."""
    place = Place(tmp_path_factory.mktemp("undisturbed"), api_url)
    child = place.run(recording, *QUICK)
    assert child.process.returncode == 0, child.stderr
    return place, bundle_digests(Path(child.result["bundle"]))
