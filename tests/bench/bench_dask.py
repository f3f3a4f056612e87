"""A batch on one Dask worker and on two, in one run: throughput, their ratio, and how often each worker loads a model.

Both workers are there all the time, and both have processed a recording before anything is measured. One of them alone
offers ALONE, both offer ANY; batches ask for the one or the other in turn. Recordings are the telephone call, repeated
until it is as long as wanted, each a little quieter than the one before, so that no two have the same content; all
engines are real ones. What Prefect's server does for a recording, a second or two, is done beside the workers: the
shorter the recordings, the more of the second processor it takes.

Each worker has one processor, as if it were a machine of its own: without that, one worker uses more than one already,
since stages of a recording run side by side (`--share`). The ratio wants two free processors: how busy they were with
other things is printed, too.

    python -m tests.bench.bench_dask [--recordings 8] [--seconds 60] [--turns 1] [--share]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.prefect_server import prefect_home
from tests.runs import ROOT, wait_until

OPTIONS: dict[str, Any] = {"profile": "archive", "clip": {"count": 1, "video": False}, "transcribe": {"language": "en"}}


def calls(folder: Path, seconds: int) -> Callable[[int], list[Path]]:
    """Makes so many more recordings whenever it is called."""
    import numpy as np
    import soundfile

    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    call, rate = soundfile.read(Path(spec.origin).parent / "sample" / "sample.wav")
    sound = np.resize(call, seconds * rate)
    made = 0

    def more(count: int) -> list[Path]:
        nonlocal made
        paths = [folder / f"{made + number:03d}.wav" for number in range(count)]
        for number, path in enumerate(paths, made):
            soundfile.write(path, sound * (1 - number / 1000), rate)
        made += count
        return paths

    return more


@contextmanager
def cluster(folder: Path, *, share: bool) -> Iterator[Any]:
    """A client of a scheduler and two workers, started as people start them."""
    from distributed import Client
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as prefect:
        server = str(prefect.api_url)
    environment = {
        **os.environ,
        "PREFECT_API_URL": server,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "DASK_LOGGING__DISTRIBUTED": "error",
    }
    file = folder / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    dask = [sys.executable, "-m", "dask"]
    processors = cycle(sorted(os.sched_getaffinity(0)))
    processes = [subprocess.Popen([*dask, "scheduler", "--port", "0", *common], env=environment)]
    try:
        wait_until(file.exists, 60)
        for offer in ("ANY=1,ALONE=1", "ANY=1"):
            worker = ["worker", "--nworkers", "1", "--nthreads", "1", "--resources", offer, *common]
            own = {**environment, "EARWITNESS_HOME": str(folder / f"home-{len(processes)}")}
            alone = [] if share else ["taskset", "--cpu-list", str(next(processors))]
            processes.append(subprocess.Popen([*alone, *dask, *worker], env=own, cwd=folder))
        with Client(scheduler_file=str(file), set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(2, timeout=60)
            yield client
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


def processor_seconds() -> float:
    """Of this process and all that descend from it and live."""
    import psutil  # type: ignore[import-untyped]

    used = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            used += sum(process.cpu_times())  # children that ended count with their parents
        except psutil.NoSuchProcess:
            continue
    return used


def machine_seconds() -> float:
    """Processor time that anybody used."""
    import psutil

    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=8, help="of each batch")
    parser.add_argument("--seconds", type=int, default=60, help="length of each recording")
    parser.add_argument("--turns", type=int, default=1, help="batches of each kind, one and two workers in turn")
    parser.add_argument("--share", action="store_true", help="both workers may use all processors")
    want = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ |= {
            "EARWITNESS_HOME": str(folder / "home"),
            "PREFECT_HOME": prefect_home(folder / "prefect"),
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        }
        os.environ.pop("PREFECT_API_URL", None)
        measure(want.recordings, want.seconds, want.turns, folder, share=want.share)


def measure(count: int, seconds: int, turns: int, folder: Path, *, share: bool) -> None:
    from earwitness.result import Outcome
    from flows import run_flow
    from tests.plugins.dask_calls import loads_by_engine

    more, walls = calls(folder, seconds), {"ALONE": 0.0, "ANY": 0.0}
    with cluster(folder, share=share) as client:
        address = client.scheduler.address

        def batch(resource: str, recordings: int) -> float:
            paths, began = more(recordings), time.perf_counter()
            choice = {"workers": address, "resources": {resource: 1}}
            results = run_flow(paths, batch=choice, out=folder / "out", **OPTIONS)
            assert [result.outcome for result in results] == [Outcome.DONE] * recordings, results
            return time.perf_counter() - began

        batch("ANY", 2)
        for _ in range(turns):
            for resource in walls:
                own, all_of_it = processor_seconds(), machine_seconds()
                wall = batch(resource, count)
                walls[resource] += wall
                own, all_of_it = processor_seconds() - own, machine_seconds() - all_of_it
                print(
                    f"{1 + (resource == 'ANY')} worker(s): {count} x {seconds} s in {wall:.1f} s, "
                    f"{count * seconds / wall:.2f} x real time; {own:.0f} s of processor time, "
                    f"{(all_of_it - own) / wall:.2f} processors busy with other things",
                    flush=True,
                )
        for worker, engines in client.run(loads_by_engine).items():
            loads = {name: times for engine in engines.values() for name, times in engine.items()}
            print(f"loads by {worker}: {', '.join(f'{name} {times}' for name, times in loads.items())}")
    print(f"two workers against one: {walls['ALONE'] / walls['ANY']:.2f} (wanted: 1.7)")


if __name__ == "__main__":
    main()
