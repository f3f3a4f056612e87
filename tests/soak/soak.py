"""Kill a run at random moments, start it again until it finishes, and see that nothing was lost or done twice.

A cycle is a fresh store, some kill -9 at moments drawn uniformly over what is left of the run, and a last start that
is left alone. Printed: the seed, every kill, and what was found. The first broken promise ends the soak.

    make soak ARGS="--kills 100 --minutes 60"
    python -m tests.soak.soak --kills 30 --server in-process --seed 7
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.openai_server import Service, openai_server
from tests.prefect_server import sqlite_server
from tests.runs import ChildRun, Place, bundle_digests, cut_calls, leftovers, wait_until

PROFILE = ("--profile", "podcast")

SPANS = {"hello": (6.5, 14.3), "north": (14.3, 24.0), "yankee": (8.3, 21.6)}
"""Parts of the call that end with sentences, one of them long enough for a clip."""

_ORPHANS_S = 15.0
"""The children of a killed run have a second to notice it; a busy machine stretches that."""


@dataclass
class Reference:
    """The run that nobody disturbs."""

    bundles: dict[str, dict[str, str]]
    seconds: dict[tuple[str, str], float]
    """(recording, stage) → its work."""
    overhead_s: float
    """Starting, planning, placing."""

    def left_s(self, finished: set[tuple[str, str]]) -> float:
        """How long a run takes that finds these stages done; whoever comes first pays for loading the models."""
        left = [key for key in self.seconds if key not in finished]
        first = {stage: max(s for (_, of), s in self.seconds.items() if of == stage) for _, stage in left}
        rest = sum(self.seconds[key] for key in left) - sum(
            max(self.seconds[key] for key in left if key[1] == stage) for stage in first
        )
        return self.overhead_s + sum(first.values()) + rest


@dataclass
class Soak:
    """Kills and resumes runs of some recordings.

    Args:
        folder: everything is written below it.
        recordings: short ones.
        api_url: of a running Prefect server; None: each run starts one inside itself.
        random: where moments come from.
        number: the signal. SIGKILL loses the run where it stands; SIGINT and SIGTERM must end it with 130.
        group: kill the process group, as a closed session does; else only the main process, as the system does when
            memory runs out.
        service: the paid recogniser of all of them; it counts what it answers.
        say: told what happens.
    """

    folder: Path
    recordings: list[Path]
    api_url: str | None
    service: Service
    random: random.Random
    number: int = signal.SIGKILL
    group: bool = True
    say: Callable[[str], None] = print
    options: tuple[str, ...] = PROFILE
    kills: int = 0
    cycles: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    """What had ended last when a run was killed → how often."""

    def __post_init__(self) -> None:
        place = Place(self.folder / "reference", self.api_url)
        child = self._finish(place, 900)
        seconds = {
            (Path(result["source"]).name, stage): float(run["seconds"])
            for result in child.results
            for stage, run in result["stages"].items()
        }
        bundles = {result["recording_id"]: bundle_digests(Path(result["bundle"])) for result in child.results}
        self.reference = Reference(bundles, seconds, max(1.0, child.took_s - sum(seconds.values())))
        self.say(f"reference: {child.took_s:.1f} s, of which the stages {sum(seconds.values()):.1f} s")

    def cycle(self, kills: int) -> None:
        """One recording batch from an empty store to its bundles.

        Raises:
            AssertionError: a promise was broken; the message says which.
        """
        self.cycles += 1
        self.service.answered.clear()
        place = Place(self.folder / f"cycle-{self.cycles}", self.api_url)
        finished: set[tuple[str, str]] = set()
        for _ in range(kills):
            if not self._disturb(place, finished):
                break
        child = self._finish(place, 120 + 5 * self.reference.left_s(finished))
        self._nothing_twice(child, finished)
        self._learn(child)
        for result in child.results:
            found = bundle_digests(Path(result["bundle"]))
            expected = self.reference.bundles[result["recording_id"]]
            differing = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
            assert not differing, f"{result['recording_id']} differs from an uninterrupted run in {differing}"
        assert not leftovers(place.out), f"left beside the bundles: {leftovers(place.out)}"
        paid = self.service.answered
        assert len(paid) >= len(self.recordings), "the paid service was not used"
        paid_twice = {request: times for request, times in paid.items() if times > 1}
        assert not paid_twice, f"paid more than once: {paid_twice}"
        tmp = place.home / "store" / "tmp"
        scratch = len(list(tmp.iterdir())) if tmp.is_dir() else 0
        self.say(f"cycle {self.cycles}: whole and identical; {scratch} scratch folders of the killed lie in the store")
        shutil.rmtree(place.folder)

    def _disturb(self, place: Place, finished: set[tuple[str, str]]) -> bool:
        """One start and one kill; False when it was done before."""
        about = self.reference.left_s(finished)
        moment = self.random.uniform(0, about)
        child = self._start(place)
        end = child.started + moment
        while child.process.poll() is None and time.monotonic() < end:
            time.sleep(min(0.05, max(0.0, end - time.monotonic())))
        was_over = child.process.poll() is not None
        child.kill(self.number, group=self.group)
        code = child.wait(60)
        self._nothing_twice(child, finished)
        told = child.told()
        finished |= {key for key, state in told.items() if state in {"computed", "cached"}}
        if was_over:
            assert code == 0, f"ended with {code}:\n{child.stderr}"
            return False
        self.kills += 1
        if self.number != signal.SIGKILL and told:  # before that Python may not have come to our code
            over = code == 0 and len(child.results) == len(self.recordings)
            assert code == 130 or over, f"ended with {code}:\n{child.stderr}"
            assert "Traceback" not in child.stderr, child.stderr
        last = list(told)[-1][1] if told else "nothing"
        self.struck[last] += 1
        self.say(
            f"kill {self.kills} at {moment:.2f} s of about {about:.0f} s; last ended: {last}, {len(finished)} in all"
        )
        wait_until(lambda: not child.relatives(), _ORPHANS_S, lambda: f"still alive: {child.relatives()}")
        return True

    def _start(self, place: Place) -> ChildRun:
        paid = ("--set", "transcribe.engine=openai", "--set", f"transcribe.base_url={self.service.address}")
        return place.start(*self.recordings, *self.options, *paid)

    def _finish(self, place: Place, deadline_s: float) -> ChildRun:
        child = self._start(place)
        code = child.wait(deadline_s)
        assert code == 0, f"ended with {code}:\n{child.stderr}"
        assert [result["outcome"] for result in child.results] == ["done"] * len(self.recordings), child.results
        wait_until(lambda: not child.relatives(), _ORPHANS_S, lambda: f"still alive: {child.relatives()}")
        return child

    def _learn(self, child: ChildRun) -> None:
        """The reference may have run on a busy machine: moments should fall into what a run takes now."""
        work_s = 0.0
        for result in child.results:
            for stage, run in result["stages"].items():
                key = (Path(result["source"]).name, stage)
                if run["state"] == "computed":
                    self.reference.seconds[key] = min(self.reference.seconds[key], float(run["seconds"]))
                    work_s += float(run["seconds"])
        self.reference.overhead_s = max(1.0, min(self.reference.overhead_s, child.took_s - work_s))

    def _nothing_twice(self, child: ChildRun, finished: set[tuple[str, str]]) -> None:
        again = sorted(key for key, state in child.told().items() if state != "cached" and key in finished)
        assert not again, f"computed again although it had ended before: {again}"


def _soak(soak: Soak, kills: int, until: float) -> None:
    while soak.kills < kills and time.monotonic() < until:
        soak.cycle(min(soak.random.randint(1, 8), kills - soak.kills))


def main() -> int:
    """Soak until the number of kills or the time is reached."""
    parser = argparse.ArgumentParser(description="Kill runs at random moments and see that nothing is lost.")
    parser.add_argument("--kills", type=int, default=100, help="stop after so many (default 100)")
    parser.add_argument("--minutes", type=float, default=60, help="begin no cycle after so long (default 60)")
    parser.add_argument("--seed", type=int, help="of the moments; printed, so that a soak can be repeated")
    parser.add_argument("--server", choices=["running", "in-process"], default="running", help="which Prefect server")
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT"], default="KILL", help="what to send")
    parser.add_argument("--main-only", action="store_true", help="kill the main process, not its group")
    chosen = parser.parse_args()
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**6)
    number = signal.Signals[f"SIG{chosen.signal}"]
    started = time.monotonic()
    print(f"seed {seed}, {chosen.server} server")
    with tempfile.TemporaryDirectory(prefix="earwitness-soak-") as scratch:
        folder = Path(scratch)
        recordings = cut_calls(folder / "recordings", **SPANS)

        def soak_with(api_url: str | None) -> Soak:
            with openai_server() as service:
                soak = Soak(folder, recordings, api_url, service, random.Random(seed), number, not chosen.main_only)
                _soak(soak, chosen.kills, started + chosen.minutes * 60)
            return soak

        try:
            if chosen.server == "running":
                with sqlite_server(folder / "server") as (api_url, _):
                    done = soak_with(api_url)
            else:
                done = soak_with(None)
        except AssertionError as broken:
            print(f"BROKEN after {time.monotonic() - started:.0f} s (seed {seed}): {broken}")
            return 1
    print(f"killed after: {', '.join(f'{stage} {times}' for stage, times in done.struck.most_common())}")
    took = time.monotonic() - started
    print(f"{done.kills} kills in {done.cycles} cycles, {took:.0f} s: nothing lost, nothing done or paid twice")
    return 0


if __name__ == "__main__":
    sys.exit(main())
