"""Earwitness as its users start it: a process of its own, which tests can kill, watch and start again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from earwitness.archive.place import MANIFEST
from earwitness.storage.store import sha256_file
from tests.prefect_server import prefect_home
from tests.warm import AS_THE_COMMAND, a_strangers, warm_python

ROOT = Path(__file__).resolve().parents[1]

MARK = "EARWITNESS_TEST_RUN"
"""Every process that descends from a run carries this variable, and so can be found."""

STAGES = [
    "validate", "preprocess", "listen", "diarize", "transcribe", "align", "speakers", "summarize", "clip", "publish",
]  # fmt: skip

MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background has it ignored
from earwitness.cli import main
main()
"""


@dataclass
class Place:
    """A user's machine: the store, Prefect's folder, and where bundles go."""

    folder: Path
    api_url: str | None = None
    """Of a running Prefect server; None starts one inside each run."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def copy(self, folder: Path, *, forget: Iterable[str] = ()) -> "Place":
        """The same machine once more, without the checkpoints of some stages; its bundles stay behind."""
        made = replace(self, folder=folder)
        shutil.copytree(self.home, made.home)
        for stage in forget:
            for checkpoint in (made.home / "checkpoints").glob(f"{stage}-*"):
                checkpoint.unlink()
        return made

    def environment(self) -> dict[str, str]:
        password = {name: os.environ[name] for name in ("PREFECT_API_AUTH_STRING",) if name in os.environ}
        return {
            **a_strangers(),
            "EARWITNESS_HOME": str(self.home),
            "PREFECT_HOME": prefect_home(self.folder / "prefect"),
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
            **({"PREFECT_API_URL": self.api_url, **password} if self.api_url else {}),
            **self.variables,
        }

    def start(self, *arguments: str | Path, main: str = MAIN, **variables: str) -> "ChildRun":
        """`earwitness run ARGUMENTS --out ... --json` in a process group of its own."""
        return self._start([sys.executable], arguments, main, variables)

    def run(self, *arguments: str | Path, deadline_s: float = 600, main: str = MAIN, **variables: str) -> "ChildRun":
        """Start and wait."""
        child = self._start(warm_python(), arguments, main, {**AS_THE_COMMAND, **variables})
        child.wait(deadline_s)
        return child

    def _start(
        self, python: list[str], arguments: Iterable[str | Path], main: str, variables: Mapping[str, str]
    ) -> "ChildRun":
        command = [*python, "-c", main, "run", *map(str, arguments), "--out", str(self.out), "--json"]
        return ChildRun(self, command, variables)


class ChildRun:
    """One call of `earwitness run`."""

    def __init__(self, place: Place, command: list[str], variables: Mapping[str, str]) -> None:
        self.token = uuid.uuid4().hex
        logs = place.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._out, self._err = logs / f"{self.token}.out", logs / f"{self.token}.err"
        self.started = time.monotonic()
        self.took_s = 0.0
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**place.environment(), **variables, MARK: self.token},
                start_new_session=True,
            )

    @property
    def stderr(self) -> str:
        return self._err.read_text(errors="replace")

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._out.read_text().splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        (only,) = self.results
        return dict(only)

    def told(self) -> dict[tuple[str, str], str]:
        """(recording, stage) → how it ended, as told on stderr once its checkpoint was written."""
        told = {}
        for line in self.stderr.splitlines():
            recording, colon, rest = line.rpartition(": ")
            stage, _, state = rest.partition(" ")
            if colon and stage in STAGES and state in {"computed", "cached", "failed", "skipped"}:
                told[recording, stage] = state
        return told

    def states(self) -> dict[str, str]:
        return {stage: run["state"] for stage, run in self.result["stages"].items()}

    def wait(self, deadline_s: float) -> int:
        """The exit code; a run that does not end is killed and fails the test."""
        try:
            code = self.process.wait(deadline_s)
            self.took_s = time.monotonic() - self.started
            return code
        except subprocess.TimeoutExpired:
            told = self.stderr
            self.kill()
            raise AssertionError(f"the run did not end within {deadline_s:g} s; it said:\n{told}") from None

    def kill(self, number: int = signal.SIGKILL, *, group: bool = True) -> None:
        """Send a signal; a killed run is waited for."""
        try:
            if group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except ProcessLookupError:
            pass
        if number == signal.SIGKILL:
            self.process.wait(30)

    def relatives(self) -> dict[int, str]:
        """Processes that this run started and that live, itself included: pid → command."""
        return dict(_carrying(f"{MARK}={self.token}".encode()))

    def until(self, what: Callable[[], bool], deadline_s: float = 120) -> None:
        """Look until it holds; fails if the run ends first."""
        wait_until(lambda: what() or self.process.poll() is not None, deadline_s)
        assert what(), f"the run ended with {self.process.returncode} before it happened; it said:\n{self.stderr}"


def wait_until(
    what: Callable[[], bool], deadline_s: float = 30, found: Callable[[], str] = lambda: "it did not happen"
) -> None:
    """Look until it holds: fifty times a second, less often where looking itself is work."""
    deadline = time.monotonic() + deadline_s
    while True:
        began = time.monotonic()
        if what():
            return
        assert time.monotonic() < deadline, f"after {deadline_s:g} s: {found()}"
        time.sleep(max(0.02, 9 * (time.monotonic() - began)))


def _carrying(mark: bytes) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                state = (entry / "stat").read_text().rpartition(") ")[2][:1]
                if state != "Z":  # dead, and only waits to be counted by whoever adopted it
                    yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
        except OSError:  # it ended while we looked, or is not ours
            continue


def bundle_digests(bundle: Path) -> dict[str, str]:
    """Digest of every file of a bundle, the times of its provenance apart."""
    digests = {
        path.relative_to(bundle).as_posix(): sha256_file(path) for path in sorted(bundle.rglob("*")) if path.is_file()
    }
    recording = json.loads((bundle / "recording.json").read_text())
    assert recording.pop("timings")
    digests["recording.json"] = json.dumps(recording, sort_keys=True)
    manifest = (bundle / MANIFEST).read_text().splitlines()
    digests[MANIFEST] = "\n".join(line for line in manifest if not line.endswith("  recording.json"))
    return digests


def leftovers(out: Path) -> list[str]:
    """What half-done work would leave beside the bundles."""
    return [path.name for path in out.iterdir() if path.name.startswith(".")] if out.is_dir() else []


def cut_calls(folder: Path, **spans: tuple[float, float]) -> list[Path]:
    """Parts of the telephone call (`name=(start_s, end_s)`), each with its transcript beside it."""
    import soundfile

    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    sample = Path(spec.origin).parent / "sample" / "sample.wav"
    sound, rate = soundfile.read(sample, dtype="int16")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (start_s, end_s) in spans.items():
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], sound[round(start_s * rate) : round(end_s * rate)], rate)
        lines = []
        for line in sample.with_suffix(".stm").read_text().splitlines():
            _, channel, speaker, begins, ends, text = line.split(maxsplit=5)
            if start_s <= float(begins) and float(ends) <= end_s:
                times = f"{float(begins) - start_s:.3f} {float(ends) - start_s:.3f}"
                lines.append(f"{name} {channel} {speaker} {times} {text}")
        paths[-1].with_suffix(".stm").write_text("\n".join(lines) + "\n")
    return paths
