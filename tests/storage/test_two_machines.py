"""Whole stages and whole recordings on two machines that share a store on S3, with a real Prefect server."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect import flow

from earwitness.errors import StorageError, StoreUnreachable
from earwitness.home import checkpoints_path, scratch_path, store_path
from earwitness.result import Outcome, RunResult
from earwitness.schema import StageResult
from earwitness.settings import Limits
from earwitness.storage.clean import clean
from earwitness.storage.store import FileRef, keep, sha256_file, workspace
from flows import run_flow
from tasks.stage import failure_of, on_this_machine, stage
from tests.s3_server import SECRET, Bucket

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

Go = Callable[[str], None]
QUICK = Limits(retries=1, retry_delay_s=0.0)
computed: list[str] = []


class Spoken(StageResult):
    """A result with a file, as real stages have."""

    file: FileRef


class Counted(StageResult):
    """A result without one."""

    letters: int


@stage("speak", version="1")
def speak(text: str) -> Spoken:
    computed.append("speak")
    with workspace("speak") as folder:
        path = Path(folder) / "speech.txt"
        path.write_text(text)
        return Spoken(file=keep(path))


@stage("letters", version="1")
def letters(spoken: Spoken) -> Counted:
    computed.append("letters")
    return Counted(letters=len(spoken.file.path.read_text()))


@flow(name="two stages", persist_result=False)
def two_stages(text: str) -> list[str]:
    spoken = on_this_machine(speak, QUICK)(text, return_state=True)
    if not spoken.is_completed():
        raise failure_of(spoken)
    counted = on_this_machine(letters, QUICK)(spoken.result(), return_state=True)
    if not counted.is_completed():
        raise failure_of(counted)
    assert counted.result().letters == len(text)
    return [str(spoken.name), str(counted.name)]


@pytest.fixture(autouse=True)
def nothing_computed() -> None:
    computed.clear()


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    def to(name: str) -> None:
        monkeypatch.setenv("EARWITNESS_HOME", str(tmp_path / name))

    to("first")
    return to


def test_the_second_machine_computes_no_stage(bucket: Bucket, go: Go) -> None:
    assert two_stages("hello") == ["Completed", "Completed"]
    go("second")
    assert two_stages("hello") == ["Cached", "Cached"]
    assert computed == ["speak", "letters"]
    assert len([name for name in bucket.names() if name.startswith("checkpoints/")]) == 2


@pytest.mark.parametrize("damage", ["delete", "truncate", "flip"])
@pytest.mark.parametrize("what", ["store", "checkpoints/speak"])
def test_what_is_damaged_in_the_shared_store_is_computed_again_and_healed(
    bucket: Bucket,
    go: Go,
    damage: str,
    what: str,
) -> None:
    two_stages("hello" * 100)
    (name,) = [name for name in bucket.names() if name.startswith(what)]
    before = bucket.get(name)
    bucket.damage(name, damage)
    go("second")
    assert two_stages("hello" * 100) == ["Completed", "Cached"]
    if what == "store":
        assert bucket.get(name) == before
    go("third")
    assert two_stages("hello" * 100) == ["Cached", "Cached"]
    assert computed == ["speak", "letters", "speak"]


def test_a_service_that_is_down_stops_only_what_has_to_be_computed(bucket: Bucket, go: Go) -> None:
    two_stages("hello")
    bucket.server.stop()
    try:
        assert two_stages("hello") == ["Cached", "Cached"]
        with pytest.raises(StoreUnreachable, match="can't be reached"):
            two_stages("something new")
        assert computed == ["speak", "letters"]
        assert len(list(store_path().rglob("*.txt"))) == 1
        assert len(list(checkpoints_path().glob("*-*"))) == 2
        assert list(scratch_path().iterdir()) == []
    finally:
        bucket.server.start()
    assert two_stages("something new") == ["Completed", "Completed"]
    # and what Prefect notes about failures is nobody else's business
    assert len([name for name in bucket.names() if name.startswith("checkpoints/")]) == 4
    go("second")
    assert two_stages("something new") == ["Cached", "Cached"]


def test_wrong_credentials_fail_before_the_work(
    bucket: Bucket,
    go: Go,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bucket.server.demand_credentials(True)
    try:
        with pytest.raises(StorageError, match="refuses us") as caught:
            two_stages("hello")
    finally:
        bucket.server.demand_credentials(False)
    assert "AWS_ACCESS_KEY_ID" in caught.value.remedy
    assert computed == []
    assert SECRET not in caplog.text


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory, phone_call: Path) -> Path:
    folder = tmp_path_factory.mktemp("call")
    shutil.copy(phone_call, folder / "call.wav")
    shutil.copy(phone_call.with_suffix(".stm"), folder / "call.stm")
    return folder / "call.wav"


def digests(result: RunResult) -> dict[str, str]:
    assert result.bundle is not None
    return {str(path.relative_to(result.bundle)): sha256_file(path) for path in result.bundle.rglob("*.*")}


@pytest.mark.slow
def test_a_recording_is_worked_on_once_for_all_machines_and_its_bundle_outlives_the_store(
    bucket: Bucket,
    go: Go,
    call: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def run(name: str) -> RunResult:
        return run_flow(call, profile="archive", out=tmp_path / name, slice="5-20", clip={"count": 0})

    first = run("one")
    assert first.outcome is Outcome.DONE
    go("second")
    second = run("two")
    assert second.outcome is Outcome.DONE
    # the bundle had to be written there, nothing had to be computed
    assert {name for name, run in second.stages.items() if run.state == "computed"} == {"publish"}
    assert digests(second) == digests(first)
    assert SECRET not in json.dumps([first.to_json(), second.to_json()]) + "".join(capfd.readouterr())
    clean(0)
    assert digests(second) == digests(first)
    assert {stage.state for stage in run("two").stages.values()} == {"cached"}  # the bundle's own stages stayed
    clean(0, of_bundles=True)
    assert list(checkpoints_path().iterdir()) == []
    assert digests(second) == digests(first)


@pytest.mark.slow
def test_too_little_room_is_said_before_the_work(go: Go, call: Path, tmp_path: Path) -> None:
    result = run_flow(call, out=tmp_path / "out", limits={"min_free_gb": 1e9})
    assert result.outcome is Outcome.FAILED
    assert result.exit_code == 6
    assert result.error is not None
    assert "Too little room" in result.error.message
    assert result.stages == {}
