"""Engines and tools that die or stall in the middle of a run."""

from functools import partial
from pathlib import Path

import pytest

from earwitness.audio.ffmpeg import ffmpeg_info
from earwitness.result import Outcome, RunResult
from earwitness.speech.diarize import diarize
from earwitness.speech.transcribe import transcribe
from tests.faults.conftest import Machine, MakeMachine, computed
from tests.plugins import ffmpeg_faults, stage_faults
from tests.runs import bundle_digests, leftovers

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]


def test_engine_segfault_is_tried_again_with_smaller_batches(
    machine: MakeMachine, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("transcribe")
    tries = tmp_path / "tries"
    tries.mkdir()
    monkeypatch.setattr("tasks.transcribe.find_words", partial(stage_faults.segfault_twice, transcribe, str(tries)))
    result = here.run()
    assert [(tries / name).read_text() for name in ("1", "2", "3")] == ["8", "4", "2"]
    assert computed(result) == {"transcribe", "publish"}
    assert result.bundle is not None
    assert bundle_digests(result.bundle) == expected


def test_engine_out_of_memory_is_tried_again_in_a_new_process(
    machine: MakeMachine, expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("diarize")
    mark = tmp_path / "refused"
    fault = partial(stage_faults.no_address_space_once, diarize, str(mark))
    monkeypatch.setattr("tasks.diarize.find_speakers", fault)
    result = here.run()
    assert mark.exists()
    assert computed(result) == {"diarize", "publish"}
    assert result.bundle is not None
    assert bundle_digests(result.bundle) == expected


def test_engine_that_stalls_passes_its_limit_and_costs_only_its_part(
    machine: MakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("diarize")
    monkeypatch.setattr("tasks.diarize.find_speakers", partial(stage_faults.stall, diarize, str(tmp_path / "stalled")))
    result = here.run(limits={"min_timeout_s": 3, "timeout_per_hour_s": 1, "retries": 1})
    assert result.outcome is Outcome.PARTIAL
    assert result.error is not None
    assert result.error.code == "engine-timeout"
    assert result.stages["transcribe"].state == "cached"
    assert result.bundle is not None
    assert (result.bundle / "transcript.srt").is_file()


def run_with(ffmpeg: str, here: Machine, folder: Path) -> RunResult:
    """A run that finds a script in the place of ffmpeg."""
    with pytest.MonkeyPatch.context() as faulty:
        ffmpeg_faults.put_on_path(ffmpeg, folder, faulty, ffmpeg_info().version)
        return here.run()


def run_well(here: Machine, expected: dict[str, str]) -> None:
    """The next run, with the real ffmpeg, computes nothing again and gives the bundle of an undisturbed one."""
    result = here.run()
    assert computed(result) <= {"publish"}, "the bundle says where ffmpeg was found"
    assert result.bundle is not None
    assert bundle_digests(result.bundle) == expected


def test_ffmpeg_crash_midway_is_tried_again(machine: MakeMachine, expected: dict[str, str], tmp_path: Path) -> None:
    here = machine("validate", "listen")
    real = ffmpeg_info()
    mark = tmp_path / "crashed"
    midway = f'[ -e {mark} ] && exec {real.path} "$@"; touch {mark}; {real.path} "$@" | head -c 50000; kill -SEGV $$'
    result = run_with(midway, here, tmp_path)
    assert mark.exists()
    assert computed(result) == {"validate", "listen", "publish"}
    run_well(here, expected)


def test_ffmpeg_that_always_crashes_is_an_error_with_a_remedy(
    machine: MakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("validate")
    ffmpeg_faults.put_on_path(ffmpeg_faults.SEGFAULTS, tmp_path, monkeypatch, ffmpeg_info().version)
    result = here.run()
    assert result.outcome is Outcome.FAILED
    assert result.exit_code == 4
    assert result.error is not None
    assert "SIGSEGV" in result.error.message
    assert result.error.remedy
    assert leftovers(here.place.out) == []


def test_ffmpeg_that_is_stopped_by_a_signal_leaves_no_short_copy(
    machine: MakeMachine, expected: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C and a stopped service reach ffmpeg too, which then ends as if its input were over."""
    here = machine("validate")
    real = ffmpeg_info()
    mark = tmp_path / "stopped"
    stopped = (
        f'[ -e {mark} ] && exec {real.path} "$@"; touch {mark}; '
        f'{real.path} -readrate 1 "$@" & child=$!; sleep 2; kill -TERM $child; wait $child'
    )
    result = run_with(stopped, here, tmp_path)
    assert mark.exists()
    assert result.bundle is not None, result.error
    run_well(here, expected)


def test_ffmpeg_that_stalls_is_stopped_at_its_limit(
    machine: MakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("listen")
    monkeypatch.setattr("earwitness.audio.decode._GRACE_S", 0.5)
    monkeypatch.setattr("earwitness.audio.decode._SLOWEST", 0.0)
    monkeypatch.setattr("earwitness.audio.ffmpeg.STALL_S", 1.0)
    ffmpeg_faults.put_on_path(ffmpeg_faults.STALLS, tmp_path, monkeypatch, ffmpeg_info().version)
    result = here.run()
    assert result.outcome is Outcome.PARTIAL
    assert result.error is not None
    assert result.error.code == "tool-failed"
    assert "was stopped" in result.error.message
    assert result.bundle is not None
    assert (result.bundle / "transcript.srt").is_file()
