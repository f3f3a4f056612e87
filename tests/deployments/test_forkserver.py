"""A copy of the warm process is, to whoever started it, a process like any other."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployments.warm import ADDRESS, short_name
from tests.runs import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the fork server is for Linux"),
    pytest.mark.slow,
]

TELL = """
import json, os, sys
print(json.dumps({"warm": "great_expectations" in sys.modules, "pid": os.getpid(), "arguments": sys.argv[1:],
    "folder": os.getcwd(), "said": os.environ.get("EARWITNESS_SAID"), "read": sys.stdin.read()}))
print("to stderr", file=sys.stderr)
sys.exit(7)
"""
WAITS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
LISTENS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("ready", "great_expectations" in sys.modules, flush=True)
time.sleep(600)
"""


@contextmanager
def fork_server(folder: Path, root: Path = ROOT) -> Iterator["subprocess.Popen[bytes]"]:
    """One with its socket and its log in this folder."""
    log = (folder / "log").open("wb")
    command = [sys.executable, "-m", "deployments.forkserver", str(folder / "socket")]
    process = subprocess.Popen(command, cwd=root, env=environment(), stderr=log)
    try:
        wait_until((folder / "socket").exists, 120)
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # deeper than the path of a socket may be
    folder = tmp_path_factory.mktemp("a-folder-with-a-long-name" * 6)
    with fork_server(folder):
        yield folder / "socket"


def environment(**variables: str) -> dict[str, str]:
    # pytest says in a variable which test it is at
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "EARWITNESS_", "PYTEST_"))
    }
    return {**own, **variables}


def start(address: Path, code: str, *arguments: str, folder: Path = ROOT, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(ROOT / "deployments" / "warm.py"), "-c", code, *arguments],
        cwd=folder,
        env=environment(**{ADDRESS: str(address)}, **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def told(process: "subprocess.Popen[str]") -> list[int]:
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert process.pid not in pids, "it is no copy"
    return pids


def test_it_has_the_arguments_environment_folder_streams_and_exit_code(address: Path, tmp_path: Path) -> None:
    process = start(address, TELL, "one", "two words", folder=tmp_path, EARWITNESS_SAID="so")
    out, err = process.communicate("read this", timeout=60)
    answer = json.loads(out)
    pid = answer.pop("pid")
    assert answer == {
        "warm": True, "arguments": ["one", "two words"], "folder": str(tmp_path), "said": "so", "read": "read this",
    }  # fmt: skip
    assert err == "to stderr\n"
    assert process.returncode == 7
    assert pid != process.pid
    assert not lives(pid)


def test_what_one_copy_is_told_the_next_does_not_know(address: Path) -> None:
    start(address, TELL, EARWITNESS_SAID="so").communicate("", timeout=60)
    out, _ = start(address, TELL).communicate("", timeout=60)
    assert json.loads(out)["said"] is None


def test_prefect_reads_its_settings_anew(address: Path) -> None:
    code = (
        "import sys; from prefect.settings import get_current_settings as now; "
        "print(now().api.url, now().logging.level, 'great_expectations' in sys.modules)"
    )
    process = start(address, code, PREFECT_API_URL="http://127.0.0.1:9/api", PREFECT_LOGGING_LEVEL="ERROR")
    out, err = process.communicate(timeout=60)
    assert out.split() == ["http://127.0.0.1:9/api", "ERROR", "True"], err


def test_modules_run_too(address: Path, tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("import sys; print(__name__, sys.argv[1:], 'great_expectations' in sys.modules)")
    command = [sys.executable, str(ROOT / "deployments" / "warm.py"), "-m", "tool", "it"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(**{ADDRESS: str(address)}), capture_output=True, text=True, check=True
    )
    assert done.stdout == "__main__ ['it'] True\n"


def test_a_signal_reaches_it(address: Path) -> None:
    process = start(address, LISTENS)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready True\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_its_death_is_told_as_it_was(address: Path, number: signal.Signals) -> None:
    process = start(address, WAITS)
    pid, child = told(process)
    os.kill(pid, number)
    assert process.wait(60) == -number
    os.kill(child, signal.SIGKILL)


def test_whoever_is_killed_takes_it_along_with_what_it_has_started(address: Path) -> None:
    process = start(address, WAITS)
    pids = told(process)
    process.kill()
    wait_until(lambda: not any(map(lives, pids)))


def test_nonsense_does_no_harm(address: Path) -> None:
    for nonsense in (b"", b"+", b"+\0\0\0\4null", b"+\0\0\0\5[1,2]", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as line:
            with short_name(address) as name:
                line.connect(name)
            line.sendall(nonsense)
    out, _ = start(address, TELL).communicate("", timeout=60)
    assert json.loads(out)["warm"] is True


def test_without_a_server_it_is_python_itself(tmp_path: Path) -> None:
    for address in (tmp_path / "socket", tmp_path / "nowhere" / "socket"):
        process = start(address, TELL)
        out, _ = process.communicate("", timeout=60)
        answer = json.loads(out)
        assert (answer["warm"], answer["pid"], process.returncode) == (False, process.pid, 7)


def test_another_variable_that_libraries_read_needs_a_process_of_its_own(address: Path) -> None:
    out, _ = start(address, TELL, HF_ENDPOINT="https://hub.example").communicate("", timeout=60)
    assert json.loads(out)["warm"] is False
    assert "declined: other variables: HF_ENDPOINT" in (address.parent / "log").read_text()


def test_a_server_that_is_killed_takes_all_copies_along(tmp_path: Path) -> None:
    with fork_server(tmp_path) as server:
        process = start(tmp_path / "socket", WAITS)
        pids = told(process)
        server.kill()
        assert process.wait(60) == -signal.SIGKILL
        wait_until(lambda: not any(map(lives, pids)))


def test_changed_code_is_never_run_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for name in ("deployments", "earwitness", "expectations", "flows", "tasks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    said = root / "flows" / "health.py"

    def answer() -> tuple[bool, str]:
        code = "import sys; warm = 'flows.health' in sys.modules; import flows.health as it; print(warm, it.__doc__)"
        out, err = start(tmp_path / "socket", code, folder=root).communicate(timeout=60)
        assert out, err
        warm, _, doc = out.partition(" ")
        return warm == "True", doc.strip()

    with fork_server(tmp_path, root):
        before = said.read_text()
        assert answer()[0]
        said.write_text(before.replace('"""', '"""Changed. ', 1))
        warm, doc = answer()
        assert not warm
        assert doc.startswith("Changed.")
        began = time.monotonic()
        while not answer()[0]:
            assert time.monotonic() - began < 120, (tmp_path / "log").read_text()
        assert answer()[1].startswith("Changed.")
