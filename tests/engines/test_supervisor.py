"""Engines stay warm, can be stopped, and take nobody with them when they die. Real processes, real signals."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from earwitness.engines.supervisor import run_supervised, shutdown_engines
from earwitness.errors import EngineCrashed, EngineFailed, EngineTimeout, Transient, UsageError
from tests.plugins import engine_faults as faults

ROOT = Path(__file__).parents[2]
LONG = 120.0
"""Seconds; for calls whose limit is not what is tested."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    shutdown_engines()


def run(function: Callable[..., Any], *args: Any, timeout_s: float = LONG, family: str = "test", **kwargs: Any) -> Any:
    return run_supervised(family, function, *args, timeout_s=timeout_s, **kwargs)


def until(condition: Callable[[], object], within_s: float) -> float:
    """Seconds until the condition held."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > within_s:
            raise AssertionError(f"not within {within_s} s")
        time.sleep(0.02)
    return time.monotonic() - started


def gone(pid: int) -> bool:
    """Ended: no such process, or only its entry in the table is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def pids_in(file: Path) -> list[int]:
    until(lambda: file.exists() and file.read_text(), 60)
    return [int(pid) for pid in file.read_text().split()]


# ---------------------------------------------------------------- warm


def test_calls_run_in_one_process_that_is_not_this_one() -> None:
    first = run(faults.pid)
    assert first != os.getpid()
    assert [run(faults.pid) for _ in range(3)] == [first] * 3


def test_models_stay_loaded_from_call_to_call() -> None:
    before = run(faults.count_model_loads)
    assert run(faults.count_model_loads) == before + 1


def test_families_have_a_process_each() -> None:
    assert run(faults.pid, family="diarize") != run(faults.pid, family="words")


def test_large_arguments_and_results_arrive() -> None:
    sound = os.urandom(30_000_000)
    assert run(faults.echo, sound) == sound


def test_families_work_side_by_side(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(run, faults.wait_for_company, str(tmp_path), name, family=name) for name in ("diarize", "words")
        ]
        one, other = (call.result(timeout=120) for call in calls)
    assert one != other


def test_one_family_takes_calls_from_threads_in_turn(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(run, faults.overlapping, str(tmp_path)) for _ in range(8)]
        assert [call.result(timeout=60) for call in calls] == [False] * 8


def test_an_engine_that_calls_an_engine_does_so_in_its_own_process() -> None:
    assert run(faults.supervised_inside) is True


def test_switched_off_it_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_SUPERVISE", "0")
    seen: list[float] = []
    assert run(faults.pid) == os.getpid()
    run(faults.report_progress, [0.25, 1.0], progress=lambda share, note="": seen.append(share))
    assert seen == [0.25, 1.0]


# ---------------------------------------------------------------- what the child sees


def test_the_home_of_this_call_reaches_a_warm_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = run(faults.pid)
    for name in ("one", "two"):
        monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / name))
        seen = run(faults.surroundings)
        assert (seen["home"], seen["pid"]) == (str(tmp_path / name), pid)
        assert seen["store"] == str(tmp_path / name / "store")


def test_own_variables_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_EXTRA", "yes")
    assert run(faults.surroundings)["extra"] == "yes"
    monkeypatch.delenv("EARWITNESS_EXTRA")
    assert run(faults.surroundings)["extra"] is None


def test_a_new_hub_token_reaches_a_new_child(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run(faults.surroundings)
    monkeypatch.setenv("HF_TOKEN", "hf_new")
    after = run(faults.surroundings)
    assert after["token"] == "hf_new"
    assert after["pid"] != before["pid"]


def test_relative_paths_mean_the_same_in_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(faults.pid)
    monkeypatch.chdir(tmp_path)
    assert run(faults.surroundings)["folder"] == str(tmp_path)


def test_the_child_ignores_ctrl_c_and_reads_nothing() -> None:
    seen = run(faults.surroundings)
    assert seen["sigint"] is True
    assert seen["stdin"] == ""


def test_an_engine_beside_another_takes_a_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    from loky import cpu_count

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    alone, beside = (int(run(faults.surroundings, share=share)["threads"]) for share in (1.0, 0.5))
    assert alone == cpu_count()
    assert beside == max(1, cpu_count() // 2)


def test_a_user_limit_on_threads_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert run(faults.surroundings)["threads"] == "1"


# ---------------------------------------------------------------- progress and logs


def test_progress_arrives_while_the_engine_works_and_in_this_thread(tmp_path: Path) -> None:
    threads = set()

    def listen(share: float, note: str = "") -> None:
        threads.add(threading.get_ident())
        (tmp_path / "heard").touch()

    run(faults.report_then_wait_for, str(tmp_path / "heard"), progress=listen)
    assert threads == {threading.get_ident()}


def test_progress_never_goes_back_and_ends_at_one() -> None:
    seen: list[float] = []
    run(faults.report_progress, [0.6, 0.2, 1.7], progress=lambda share, note="": seen.append(share))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_progress_is_throttled() -> None:
    seen: list[float] = []
    started = time.monotonic()
    run(faults.report_progress_a_lot, 200_000, progress=lambda share, note="": seen.append(share))
    assert 2 <= len(seen) <= 3 + (time.monotonic() - started) / 0.1


def test_a_listener_that_fails_stops_the_engine_and_is_heard(tmp_path: Path) -> None:
    before = run(faults.pid)

    def listen(share: float, note: str = "") -> None:
        raise ZeroDivisionError("the listener is broken")

    with pytest.raises(ZeroDivisionError):
        run(faults.report_then_wait_for, str(tmp_path / "never"), progress=listen)
    assert gone(before)
    assert run(faults.pid) != before


def test_log_records_reach_the_parents_loggers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="earwitness"):
        run(faults.log_something)
    records = [record for record in caplog.records if record.name == "earwitness.diarize"]
    assert [record.levelname for record in records] == ["WARNING", "ERROR"]
    assert records[0].getMessage() == "found 3 voices"
    assert "EngineFailed" in records[1].getMessage()


# ---------------------------------------------------------------- errors


def test_a_typed_error_arrives_as_itself_and_the_child_lives_on() -> None:
    before = run(faults.pid)
    with pytest.raises(EngineFailed) as caught:
        run(faults.refuse)
    assert (caught.value.remedy, caught.value.details) == ("Choose another one.", {"language": "xx"})
    assert run(faults.pid) == before


def test_a_bug_arrives_with_the_childs_traceback() -> None:
    with pytest.raises(KeyError) as caught:
        run(faults.fail_with_a_bug)
    assert 'in fail_with_a_bug\n    return _loaded["missing"]' in str(caught.value.__cause__)


def test_an_exception_that_can_not_travel_arrives_by_name() -> None:
    with pytest.raises(RuntimeError, match="Unpicklable: 1 is not 2"):
        run(faults.fail_with_what_can_not_travel)


def test_a_result_that_can_not_travel_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(TypeError, match="pickle"):
        run(faults.return_what_can_not_travel)


# ---------------------------------------------------------------- crashes


@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        (faults.segfault, (), r"was killed by SIGSEGV in string_at \(__init__\.py:\d+\)"),
        (faults.be_killed, (signal.SIGABRT,), "was killed by SIGABRT"),
        (faults.be_killed, (signal.SIGTERM,), "was killed by SIGTERM"),
        (
            faults.be_killed,
            (signal.SIGKILL,),
            "was killed by SIGKILL, most likely because the system ran out of memory",
        ),
        (faults.exit_at_once, (3,), "ended by itself with exit code 3"),
        (faults.exit_at_once, (0,), "ended by itself with exit code 0"),
        (faults.exit_politely, (4,), "exit code 4"),
        (faults.raise_memory_error, (), "ran out of memory"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_dead_child_is_a_transient_error_and_the_next_call_gets_another(
    function: Callable[..., Any], args: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(EngineCrashed, match=said) as caught:
        run(function, *args)
    assert isinstance(caught.value, Transient)
    assert caught.value.remedy
    assert run(faults.echo, "alive") == "alive"


def test_half_an_answer_is_no_answer() -> None:
    def listen(share: float, note: str = "") -> None:
        until(lambda: gone(int(note)), 30)

    with pytest.raises(EngineCrashed, match="was killed by SIGKILL"):
        run(faults.die_in_the_middle_of_an_answer, progress=listen)


def test_crashes_leave_no_files_open_and_none_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(faults.pid)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def crash() -> int:
        with pytest.raises(EngineCrashed):
            run(faults.segfault)
        files = 0
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # that of this loop
                # sockets are of clients that other tests have left, and come and go
                files += not entry.readlink().name.startswith("socket:")
        return files

    before = crash()
    assert min(crash() for _ in range(3)) <= before  # other threads open files for a moment; a leak would stay and grow
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_dies_while_idle_is_replaced() -> None:
    idle = run(faults.pid)
    os.kill(idle, signal.SIGKILL)
    until(lambda: gone(idle), 10)
    assert run(faults.pid) != idle


def test_a_child_that_takes_too_much_memory_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run(faults.pid)
    monkeypatch.setenv("EARWITNESS_ENGINE_MEMORY_GB", "0.25")
    with pytest.raises(EngineCrashed, match=r"ran out of memory: it took 0\.\d+ GB of the 0\.25 GB") as caught:
        run(faults.eat_memory, 1_500_000_000)
    assert caught.value.details["out_of_memory"] is True
    assert gone(before)


@pytest.mark.parametrize("text", ["a lot", "0", "-1", "nan"])
def test_a_memory_limit_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_ENGINE_MEMORY_GB", text)
    with pytest.raises(UsageError, match="EARWITNESS_ENGINE_MEMORY_GB"):
        run(faults.pid)


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "stall", [faults.mark_and_stall, faults.mark_and_stall_in_native_code, faults.mark_and_stall_with_a_helper]
)
def test_a_call_past_its_limit_is_stopped_wherever_it_sits(stall: Callable[..., Any], tmp_path: Path) -> None:
    run(faults.pid)  # warm: the start of a process is not what is measured
    started = time.monotonic()
    with pytest.raises(EngineTimeout, match=r"The test engine passed its time limit of 1\.5 s") as caught:
        run(stall, str(tmp_path / "pids"), timeout_s=1.5)
    assert 1.5 <= time.monotonic() - started < 1.5 + 2
    assert isinstance(caught.value, Transient)
    for pid in pids_in(tmp_path / "pids"):
        until(lambda pid=pid: gone(pid), 2)  # type: ignore[misc]
    assert run(faults.echo, "alive") == "alive"


def test_a_slow_listener_does_not_delay_the_limit(tmp_path: Path) -> None:
    pid = run(faults.pid)
    released = threading.Event()
    stopped_after: list[float] = []

    def listen(share: float, note: str = "") -> None:
        stopped_after.append(until(lambda: gone(pid), 30))
        released.set()

    with pytest.raises(EngineTimeout):
        run(faults.report_then_wait_for, str(tmp_path / "never"), timeout_s=1.0, progress=listen)
    assert released.is_set()
    assert stopped_after[0] < 3


def test_time_spent_waiting_for_ones_turn_does_not_count(tmp_path: Path) -> None:
    run(faults.pid)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run, faults.mark_and_stall, str(tmp_path / "pids"), timeout_s=3)
        pids_in(tmp_path / "pids")
        second = pool.submit(run, faults.echo, "mine", timeout_s=2.9)
        assert second.result(timeout=60) == "mine"
        with pytest.raises(EngineTimeout):
            first.result()


def test_an_exception_set_in_the_waiting_thread_gets_through(tmp_path: Path) -> None:
    """How Prefect ends a task that passes its time-out in a thread."""
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            run(faults.mark_and_stall, str(tmp_path / "pids"))
        except TimeoutError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    (pid,) = pids_in(tmp_path / "pids")
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutError))
    thread.join(timeout=10)
    assert len(ended) == 1
    assert gone(pid)


# ---------------------------------------------------------------- endings


def test_shutdown_ends_idle_and_busy_children(tmp_path: Path) -> None:
    idle = run(faults.pid, family="idle")
    with ThreadPoolExecutor(1) as pool:
        busy_call = pool.submit(run, faults.mark_and_stall, str(tmp_path / "pids"), family="busy")
        (busy,) = pids_in(tmp_path / "pids")
        started = time.monotonic()
        shutdown_engines()
        with pytest.raises(EngineCrashed, match="was shut down while it worked"):
            busy_call.result(timeout=10)
    assert time.monotonic() - started < 8
    assert gone(idle)
    assert gone(busy)
    assert run(faults.pid, family="idle") != idle


SCRIPT = """
# no guard: loky does not run this again in the child
import sys
from earwitness.engines.supervisor import run_supervised
from tests.plugins import engine_faults as faults

def mine(*, progress):
    return "of the script"

print(run_supervised("test", mine, timeout_s=100), flush=True)
run_supervised("test", faults.print_to_stdout, timeout_s=100)
if len(sys.argv) > 1:
    run_supervised("test", getattr(faults, sys.argv[1]), sys.argv[2], timeout_s=100)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def started(script: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(script), *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell that runs the tests in the background hands down an ignored SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_a_script_without_a_guard_works_and_ends_and_keeps_its_stdout_clean(script: Path) -> None:
    process = started(script)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (0, "of the script\n"), err
    assert "library chatter" in err


@pytest.mark.parametrize("stall", ["mark_and_stall", "mark_and_stall_in_native_code", "mark_and_stall_with_a_helper"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_children_die_soon_after_their_parent_is_killed(
    stall: str, end: signal.Signals, script: Path, tmp_path: Path
) -> None:
    process = started(script, stall, str(tmp_path / "pids"))
    pids = pids_in(tmp_path / "pids")
    assert not any(gone(pid) for pid in pids)
    process.send_signal(end)
    process.communicate(timeout=30)
    until(lambda: all(gone(pid) for pid in pids), 3)


def test_ctrl_c_stops_the_child_and_is_passed_on(script: Path, tmp_path: Path) -> None:
    process = started(script, "mark_and_stall_in_native_code", str(tmp_path / "pids"))
    (pid,) = pids_in(tmp_path / "pids")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert process.returncode == -signal.SIGINT
    until(lambda: gone(pid), 2)


def test_the_thread_that_started_a_child_may_end() -> None:
    with ThreadPoolExecutor(1) as pool:
        pid = pool.submit(run, faults.pid, family="from-a-thread").result(timeout=60)
    assert run(faults.pid, family="from-a-thread") == pid


def test_importing_the_supervisor_is_fast_and_light() -> None:
    program = (
        "import sys, earwitness.engines.supervisor; print([m for m in ('loky', 'torch', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
