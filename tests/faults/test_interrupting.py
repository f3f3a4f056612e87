"""Ctrl-C and SIGTERM end a run at once, with nothing half-written and nobody left behind; the next run goes on."""

import signal
from pathlib import Path

import pytest

from earwitness.audio.ffmpeg import ffmpeg_info
from tests.faults.conftest import QUICK_ARGUMENTS, MakeMachine
from tests.plugins.ffmpeg_faults import STALLS, put_on_path
from tests.plugins.stage_faults import main_with, main_with_a_dropped_interruption
from tests.runs import ChildRun, Place, bundle_digests, leftovers, wait_until

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]


def interrupt(child: ChildRun, number: int) -> int:
    # a terminal sends Ctrl-C to everybody in the foreground, a service manager SIGTERM to the main process
    child.kill(number, group=number == signal.SIGINT)
    return child.wait(30)


def left_nothing(child: ChildRun, place: Place) -> None:
    wait_until(lambda: not child.relatives(), 10, lambda: f"still alive: {child.relatives()}")
    assert leftovers(place.out) == []
    assert "Traceback" not in child.stderr, child.stderr
    assert "finished stages are kept" in child.stderr


def test_while_an_engine_works(machine: MakeMachine, expected: dict[str, str], tmp_path: Path) -> None:
    here = machine("diarize")
    place, recording = here.place, here.recording
    mark = tmp_path / "stalled"
    child = place.start(recording, *QUICK_ARGUMENTS, main=main_with("diarize", "stall", str(mark)))
    child.until(mark.exists)
    assert interrupt(child, signal.SIGTERM) == 130
    left_nothing(child, place)

    again = place.run(recording, *QUICK_ARGUMENTS)
    assert again.states()["diarize"] == "computed"
    assert {state for stage, state in again.states().items() if stage not in {"diarize", "publish"}} == {"cached"}
    assert bundle_digests(Path(again.result["bundle"])) == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_ffmpeg_works(machine: MakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    here = machine("listen")
    place, recording = here.place, here.recording
    mark = tmp_path / "stalled"
    put_on_path(f"touch {mark}; {STALLS}", tmp_path, monkeypatch, ffmpeg_info().version)
    child = place.start(recording, *QUICK_ARGUMENTS)
    child.until(mark.exists)
    assert interrupt(child, number) == 130
    left_nothing(child, place)


def test_where_python_drops_it(machine: MakeMachine, tmp_path: Path) -> None:
    here = machine("listen")
    main = main_with_a_dropped_interruption("transcribe", "listen", str(tmp_path / "stalled"))
    child = here.place.start(here.recording, *QUICK_ARGUMENTS, main=main)
    child.until(lambda: "KeyboardInterrupt" in child.stderr)
    assert child.wait(30) == 130
    wait_until(lambda: not child.relatives(), 10, lambda: f"still alive: {child.relatives()}")
    assert leftovers(here.place.out) == []


def test_while_python_code_of_a_stage_works(machine: MakeMachine, tmp_path: Path) -> None:
    here = machine("summarize")
    place, recording = here.place, here.recording
    mark = tmp_path / "stalled"
    child = place.start(recording, *QUICK_ARGUMENTS, main=main_with("summarize", "stall", str(mark)))
    child.until(mark.exists)
    assert interrupt(child, signal.SIGINT) == 130
    left_nothing(child, place)


def test_while_the_in_process_server_starts(recording: Path, tmp_path: Path) -> None:
    place = Place(tmp_path)
    child = place.start(recording, *QUICK_ARGUMENTS)
    child.until(lambda: any("uvicorn" in command for command in child.relatives().values()))
    assert interrupt(child, signal.SIGTERM) == 130
    left_nothing(child, place)
