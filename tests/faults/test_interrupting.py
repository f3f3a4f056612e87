"""Ctrl-C and SIGTERM end a run at once, with nothing half-written and nobody left behind; the next run goes on."""

import signal
from pathlib import Path

import pytest

from tests.faults.conftest import QUICK
from tests.plugins.ffmpeg_faults import STALLS, put_on_path
from tests.plugins.stage_faults import main_with
from tests.runs import MAIN, ChildRun, Place, bundle_digests, leftovers, wait_until

pytestmark = [pytest.mark.server, pytest.mark.slow]

Undisturbed = tuple[Place, dict[str, str]]


def interrupt(child: ChildRun, number: int) -> int:
    # a terminal sends Ctrl-C to everybody in the foreground, a service manager SIGTERM to the main process
    child.kill(number, group=number == signal.SIGINT)
    return child.wait(30)


def left_nothing(child: ChildRun, place: Place) -> None:
    wait_until(lambda: not child.relatives(), 10, lambda: f"still alive: {child.relatives()}")
    assert leftovers(place.out) == []
    assert "Traceback" not in child.stderr
    assert "finished stages are kept" in child.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_an_engine_works(undisturbed: Undisturbed, recording: Path, tmp_path: Path, number: int) -> None:
    place = undisturbed[0].copy(tmp_path, forget=["diarize"])
    mark = tmp_path / "stalled"
    child = place.start(recording, *QUICK, main=main_with("diarize", "stall", str(mark)))
    child.until(mark.exists)
    assert interrupt(child, number) == 130
    left_nothing(child, place)

    again = place.run(recording, *QUICK)
    assert again.states()["diarize"] == "computed"
    assert {state for stage, state in again.states().items() if stage not in {"diarize", "publish"}} == {"cached"}
    assert bundle_digests(Path(again.result["bundle"])) == undisturbed[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_ffmpeg_works(
    undisturbed: Undisturbed, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    place = undisturbed[0].copy(tmp_path, forget=["listen"])
    mark = tmp_path / "stalled"
    version = undisturbed_ffmpeg_version()
    put_on_path(f"touch {mark}; {STALLS}", tmp_path, monkeypatch, version)
    child = place.start(recording, *QUICK)
    child.until(mark.exists)
    assert interrupt(child, number) == 130
    left_nothing(child, place)


def test_while_python_code_of_a_stage_works(undisturbed: Undisturbed, recording: Path, tmp_path: Path) -> None:
    place = undisturbed[0].copy(tmp_path, forget=["summarize"])
    mark = tmp_path / "stalled"
    child = place.start(recording, *QUICK, main=main_with("summarize", "stall", str(mark)))
    child.until(mark.exists)
    assert interrupt(child, signal.SIGINT) == 130
    left_nothing(child, place)


def test_while_the_in_process_server_starts(recording: Path, tmp_path: Path) -> None:
    place = Place(tmp_path)
    child = place.start(recording, *QUICK, main=MAIN)
    child.until(lambda: any("uvicorn" in command for command in child.relatives().values()))
    assert interrupt(child, signal.SIGTERM) == 130
    left_nothing(child, place)


def undisturbed_ffmpeg_version() -> str:
    """A checkpoint's key holds ffmpeg's version."""
    from earwitness.audio.ffmpeg import ffmpeg_info

    return ffmpeg_info().version
