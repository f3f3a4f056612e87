"""What the rooms of failures share: a machine on which all went well with a recording, and copies of it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from earwitness.result import RunResult
from tests.runs import Place, bundle_digests, cut_calls

SPAN = (8.3, 21.6)
"""Of the call: long enough for a clip, and it ends with a sentence."""

QUICK = {"profile": "podcast", "clip": {"video": False}, "show": {"make": False}}
QUICK_ARGUMENTS = (
    "--profile",
    "podcast",
    "--set",
    "clip.video=false",
    "--set",
    "show.make=false",
    "--set",
    "limits.min_free_gb=0",
)


@pytest.fixture(autouse=True)
def without_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same engines for every run of this room, whatever the network does."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@dataclass
class Machine:
    """A store, an output folder, and a recording; runs happen in this process, with engines that stay warm."""

    place: Place
    recording: Path

    def run(self, **options: Any) -> RunResult:
        """Through the Python API. Retries do not wait, so that a fault that stays costs no time."""
        from flows import run_flow

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EARWITNESS_HOME", str(self.place.home))
            limits = {"retry_delay_s": 0, "min_free_gb": 0, **options.pop("limits", {})}
            return run_flow(self.recording, out=options.pop("out", self.place.out), limits=limits, **QUICK | options)

    def checkpoints(self, stage: str = "*") -> list[Path]:
        return sorted((self.place.home / "checkpoints").glob(f"{stage}-*"))

    def files(self) -> list[Path]:
        """Everything in the store."""
        return [path for path in sorted((self.place.home / "store").glob("??/*")) if path.is_file()]


@pytest.fixture(scope="session")
def api_url(prefect_server: None) -> str:
    """Of the session's Prefect server, for runs in processes of their own."""
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen seconds of two people on the telephone, with their transcript."""
    (path,) = cut_calls(tmp_path_factory.mktemp("recording"), yankee=SPAN)
    return path


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, recording: Path, api_url: str
) -> tuple[Machine, dict[str, str]]:
    """The machine on which everything went well, and its bundle; made once for all of xdist's workers."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "undisturbed"
    machine, digests = Machine(Place(folder / "machine", api_url), recording), folder / "digests.json"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        if not digests.exists():
            result = machine.run()
            assert result.bundle is not None, result.error
            digests.write_text(json.dumps(bundle_digests(result.bundle)))
    return machine, json.loads(digests.read_text())


@pytest.fixture
def expected(undisturbed: tuple[Machine, dict[str, str]]) -> dict[str, str]:
    """The bundle, as it comes out when nothing goes wrong."""
    return undisturbed[1]


MakeMachine = Callable[..., Machine]


@pytest.fixture
def machine(undisturbed: tuple[Machine, dict[str, str]], tmp_path: Path) -> MakeMachine:
    """`machine("diarize", ...)`: a copy on which these stages have not been computed yet."""

    def make(*forget: str, folder: Path = tmp_path) -> Machine:
        return Machine(undisturbed[0].place.copy(folder, forget=forget), undisturbed[0].recording)

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB; skips where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _mount(*arguments: str) -> None:
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("a real disk can be mounted by root only")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


def make_read_only(disk: Path) -> None:
    """From now on nobody can write to a mounted disk."""
    _mount("-o", "remount,ro", str(disk))


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Take all the space of a disk but some bytes; gives the file that has to go to free it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * (1 << 20)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - leave))
    return filler


def computed(result: RunResult) -> set[str]:
    """Stages that this run computed."""
    return {stage for stage, run in result.stages.items() if run.state == "computed"}


def names(paths: Iterable[Path]) -> list[str]:
    """For comparing folders."""
    return sorted(path.name for path in paths)
