"""`earwitness watch`, `up` and `status` as their users call them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from earwitness.drops.folder import DropFolder
from earwitness.drops.watch import is_watched
from tests.runs import wait_until
from tests.warm import environment, warm_python

MAIN = "from earwitness.cli import main; main()"
ROOT = Path(__file__).resolve().parents[2]


def earwitness(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*warm_python(), "-c", MAIN, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env=environment(),
    )


def watch_until_told_and_kill(folder: DropFolder, name: str, log: Path) -> None:
    command = [sys.executable, "-c", MAIN, "watch", str(folder.root), "--settle", "0.1", "--every", "0.1"]
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment(PREFECT_API_URL="http://127.0.0.1:9/api"), stderr=file)
    try:
        wait_until(lambda: is_watched(folder) or process.poll() is not None, 60, log.read_text)
        (folder.incoming / name).write_text(name)
        wait_until(lambda: "waiting: " in log.read_text() or process.poll() is not None, 60, log.read_text)
        assert "127.0.0.1:9" in log.read_text()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_killed_watcher_whose_server_was_down_has_lost_nothing(tmp_path: Path) -> None:
    folder = DropFolder(tmp_path / "drops")
    for name in ("a.wav", "b.wav"):
        watch_until_told_and_kill(folder, name, tmp_path / "log")
        assert not is_watched(folder)
    assert sorted(path.name for path in folder.root.rglob("*.wav")) == ["a.wav", "b.wav"]
    assert folder.journal.entries() == []


def test_options_that_cannot_be_used_end_the_watcher_before_it_begins(tmp_path: Path) -> None:
    done = earwitness("watch", str(tmp_path / "drops"), "--set", "clip.colour=red", folder=tmp_path)
    assert done.returncode == 2
    assert "known there: artwork, " in done.stderr
    assert not (tmp_path / "drops").exists()


def test_status_says_that_nothing_runs(tmp_path: Path) -> None:
    done = earwitness("status", "--json", folder=tmp_path)
    assert done.returncode == 4
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    assert {part["name"]: part["state"] for part in answer["parts"]} == dict.fromkeys(
        ("server", "starter", "worker", "upkeep", "watcher"), "stopped"
    )
    assert answer["drop_folder"] is None


@pytest.mark.parametrize("command", ["up", "down", "status", "watch"])
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    assert "Usage: earwitness" in earwitness(command, "--help", folder=tmp_path).stdout
