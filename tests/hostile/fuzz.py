"""Damaged files by the thousand through the doors that files come through. Each must be read or refused, and quickly.

    python -m tests.hostile.fuzz --cases 2000 --seed 1

The same seed gives the same cases. Inputs that find a fault are kept under `--keep`, with the answer beside them.
"""

import argparse
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.hostile.child import ROOT, Child
from tests.hostile.doors import Answer
from tests.hostile.seeds import CHANGES, TEXTS, broken_files, spliced, whole_files

SHARED = ROOT.parent / "shared" / "data"
TEXT_SHARE = 0.2
SPLICE_SHARE = 0.12
LARGEST_SEED = 200_000
SLOW_S = 20.0
HEAVY_MB = 500


@dataclass(frozen=True)
class Case:
    """One damaged file."""

    number: int
    door: str
    recipe: str
    """Seed files and what was done to them."""
    name: str
    content: bytes


@dataclass(frozen=True)
class Result:
    """A case and what came of it."""

    case: Case
    answer: Answer

    @property
    def fault(self) -> str:
        """What is wrong; empty if nothing is."""
        if self.answer.fault:
            return self.answer.fault
        if self.answer.seconds > SLOW_S:
            return "slow"
        return "heavy" if self.answer.peak_mb > HEAVY_MB else ""


def seeds_in(folder: Path, *, shared: bool) -> list[Path]:
    """The recordings that cases are made from: our own, and the collection beside the repository where it is."""
    whole = whole_files(folder / "whole")
    found = [*whole.values(), *(path for path, _ in broken_files(folder / "broken", whole).values())]
    if shared:
        for room in ("broken", "formats"):
            files = sorted((SHARED / room).glob("*")) if (SHARED / room).is_dir() else []
            found += [
                path for path in files if path.suffix not in {".csv", ".md"} and path.stat().st_size < LARGEST_SEED
            ]
    return found


def make_case(seed: int, number: int, recordings: Sequence[Path]) -> Case:
    """Case `number` of a seed."""
    random = np.random.default_rng([seed, number])
    if random.random() < TEXT_SHARE:
        names = sorted(TEXTS)
        name = names[int(random.integers(len(names)))]
        door, content = TEXTS[name]
        other = TEXTS[names[int(random.integers(len(names)))]][1]
    else:
        path = recordings[int(random.integers(len(recordings)))]
        door, name, content = "recording", path.name, path.read_bytes()
        other = b""
    recipe = name
    if random.random() < SPLICE_SHARE:
        if not other:
            second = recordings[int(random.integers(len(recordings)))]
            other = second.read_bytes()
            recipe += f" + {second.name}"
        content = spliced(content, other, random)
    else:
        for _ in range(int(random.integers(1, 4))):
            change = sorted(CHANGES)[int(random.integers(len(CHANGES)))]
            content = CHANGES[change](content, random)
            recipe += f" {change}"
    return Case(number, door, recipe, f"{number}-{Path(name).stem[:20]}{Path(name).suffix}", content)


def run_cases(numbers: Sequence[int], seed: int, recordings: Sequence[Path], folder: Path, jobs: int) -> list[Result]:
    """Open the doors with every case, in `jobs` processes."""
    local = threading.local()
    children: list[Child] = []
    told = threading.Lock()
    done = 0

    def one(number: int) -> Result:
        nonlocal done
        if not hasattr(local, "child"):
            local.child = Child(folder / f"home-{threading.get_ident()}")
            children.append(local.child)
        case = make_case(seed, number, recordings)
        path = folder / case.name
        path.write_bytes(case.content)
        answer = local.child.ask(case.door, path)
        path.unlink()
        with told:
            done += 1
            if done % 100 == 0:
                sys.stderr.write(f"{done} of {len(numbers)}\n")
        return Result(case, answer)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, numbers))
    finally:
        for child in children:
            child.stop()


def table(results: Sequence[Result], seed: int) -> str:
    """What came of all cases, for people; the last line sums it up."""
    counts = Counter((result.case.door, result.answer.outcome) for result in results)
    lines = ["door        outcome                     cases"]
    lines += [f"{door:<11} {outcome:<26} {count:>6}" for (door, outcome), count in sorted(counts.items())]
    slowest = max(results, key=lambda result: result.answer.seconds)
    peak = max(result.answer.peak_mb for result in results)
    faults = [result for result in results if result.fault]
    for result in faults:
        last = result.answer.message.strip().splitlines()[-1:] or [""]
        lines.append(f"FAULT {result.fault}: case {result.case.number} ({result.case.recipe}): {last[0][:200]}")
    verdicts = Counter(result.answer.outcome.partition(":")[0] for result in results)
    lines += [
        "",
        f"slowest: case {slowest.case.number} ({slowest.case.recipe})",
        f"seed {seed}: {len(results)} cases, {', '.join(f'{n} {name}' for name, n in sorted(verdicts.items()))}, "
        f"slowest {slowest.answer.seconds:.1f} s, most memory {peak} MB, {len(faults)} faults",
    ]
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to run one again")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--own", action="store_true", help="only files made here, not ../shared")
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="where inputs that find a fault go")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        recordings = seeds_in(Path(scratch) / "seeds", shared=not chosen.own)
        numbers = range(chosen.first, chosen.first + chosen.cases)
        results = run_cases(numbers, chosen.seed, recordings, Path(scratch), chosen.jobs)
    for result in results:
        if result.fault:
            chosen.keep.mkdir(parents=True, exist_ok=True)
            (chosen.keep / result.case.name).write_bytes(result.case.content)
            (chosen.keep / f"{result.case.name}.answer.txt").write_text(
                f"{result.case.recipe}\n{result.answer.message}\n"
            )
    sys.stdout.write(table(results, chosen.seed) + "\n")
    return int(any(result.fault for result in results))


if __name__ == "__main__":
    sys.exit(main())
