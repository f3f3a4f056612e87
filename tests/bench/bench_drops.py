"""Many small files dropped at once: is each processed once, and does the time stay near linear?

    .venv/bin/python -m tests.bench.bench_drops [--files 10 100 1000] [--at-once 2] [--folder DIR]

Starts `earwitness up` in a folder of its own and drops files of 3 s of speech, each different, with a transcript beside
it: first 10, then 100, then 1,000. Prints for each step how long after it is whole the run of the first file starts,
the time from the first file to the last end, processor seconds a file (server, workers and runs), the largest memory of
server, worker and watcher, and whether each file was processed exactly once: its place, its bundle, and the runs that
the server counts. 1,000 take about an hour on two cores.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from earwitness.drops.folder import DropFolder
from tests.runs import wait_until
from tests.service_machine import Machine

SPEECH_S = 3.0
FROM_S, UNTIL_S = 8.3, 26.0
"""The part of the call that they are cut from."""
SETTLE_S = 1.0
"""A file that has not changed for so long is whole."""
TICKS = os.sysconf("SC_CLK_TCK")
PARTS = ("server", "worker", "upkeep", "watcher")


def make_files(folder: Path, count: int, before: int) -> list[Path]:
    """So many short recordings, none of which was made `before`."""
    import soundfile

    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    sound, rate = soundfile.read(Path(spec.origin).parent / "sample" / "sample.wav", dtype="int16")
    folder.mkdir(parents=True)
    span = int((UNTIL_S - SPEECH_S - FROM_S) * rate)
    paths = []
    for number in range(before, before + count):
        start = int(FROM_S * rate) + number * 257 % span
        path = folder / f"memo-{number:05}.wav"
        soundfile.write(path, sound[start : start + int(SPEECH_S * rate)], rate)
        path.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:03,000\nThis is a memo.\n")
        paths.append(path)
    return paths


def cpu_s(pids: dict[str, int | None]) -> float:
    """Processor seconds of the parts and of all runs that have ended."""
    total = 0
    for pid in pids.values():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def peak_mb(pid: int | None) -> int:
    """The most memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    raise AssertionError(f"no memory in /proc/{pid}/status")


def runs(machine: Machine, flow: str) -> list[dict[str, Any]]:
    """The runs of a flow that the server has."""
    import httpx

    found: list[dict[str, Any]] = []
    offset = 0
    while True:
        query: dict[str, Any] = {"flows": {"name": {"any_": [flow]}}, "limit": 200, "offset": offset}
        url = f"http://127.0.0.1:{machine.port}/api/flow_runs/filter"
        page = httpx.post(url, json=query, timeout=60).json()
        found += page
        if len(page) < 200:
            return found
        offset += 200


@contextmanager
def service(folder: Path, at_once: int) -> Iterator[Machine]:
    """`earwitness up` until the block ends."""
    machine = Machine(folder)
    options = ["--profile", "archive", "--settle", str(SETTLE_S)]
    options += ["--set", "clip.count=0", "--set", "limits.min_free_gb=0"]
    up = machine("up", folder / "drops", "--port", str(machine.port), "--at-once", str(at_once), *options)
    assert up.returncode == 0, up.stderr
    try:
        yield machine
    finally:
        machine("down")


def step(machine: Machine, folder: Path, count: int, before: int) -> None:
    """Drop so many, wait for the last, print a line."""
    drops = DropFolder(folder / "drops")
    files = make_files(folder / f"made-{before}", count, before)
    pids = machine.pids()
    cpu, began, at = cpu_s(pids), time.monotonic(), time.time()
    before_runs = {run["id"] for run in runs(machine, "drop")}
    for path in files:
        shutil.move(path.with_suffix(".srt"), drops.incoming)
        shutil.move(path, drops.incoming)
    wait_until(lambda: len(drops.journal.entries()) >= before + count, 60 + 60 * count, lambda: str(machine.status()))
    took_s = time.monotonic() - began
    # the processor time of a process counts as its parent's once it has ended
    wait_until(lambda: not Path(f"/proc/{pids['worker']}/task/{pids['worker']}/children").read_text(), 60)
    worked_s = cpu_s(pids) - cpu
    assert machine.pids() == pids, "a part was started anew"
    ends = Counter((entry.name, entry.outcome.value) for entry in drops.journal.entries()[before:])
    once = ends == Counter((path.name, "done") for path in files)
    bundles = len(list((drops.root / "bundles").iterdir()))
    done = len(list((drops.root / "done").glob("*.wav")))
    recorded = Counter(run["state_name"] for run in runs(machine, "recording"))
    new = [run for run in runs(machine, "drop") if run["id"] not in before_runs]
    first_s = min(datetime.fromisoformat(run["start_time"]).timestamp() for run in new) - at - SETTLE_S
    right = once and bundles == done == before + count and recorded == Counter(Done=before + count)
    memory = " ".join(f"{peak_mb(pids[part]):>8}" for part in ("server", "worker", "watcher"))
    print(
        f"{count:>6} {first_s:>10.1f} {took_s:>9.0f} {took_s / count:>9.2f} {worked_s / count:>9.2f} {memory} "
        f"{len(new):>7} {'yes' if right else f'NO: {ends} {bundles} {done} {recorded}'}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name, service(Path(name), given.at_once) as machine:
        print(
            " files  starts in         s    s/file  cpu/file  server MB  worker MB  watcher MB  drop runs  once each",
            flush=True,
        )
        before = 0
        for count in given.files:
            step(machine, Path(name), count, before)
            before += count


if __name__ == "__main__":
    main()
