"""A stage is a Prefect task whose cached result is its checkpoint."""

import time
from pathlib import Path

import pytest
from prefect import flow

from earwitness.engines.engine import EngineUse
from earwitness.errors import EngineCrashed, EngineFailed, ServiceUnavailable
from earwitness.home import checkpoints_path, store_path
from earwitness.schema import Provenance, StageResult
from earwitness.settings import ClipSettings, Limits, TranscribeSettings
from earwitness.storage.store import FileRef, keep
from tasks.checkpoints import content_of
from tasks.stage import attempt, failure_of, on_this_machine, stage

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]

QUICK = Limits(retries=2, retry_delay_s=0.0)


class Counted(StageResult):
    """A result with a file, as real stages have."""

    text: str
    file: FileRef


@stage("count", version="1", unkeyed=("path",))
def count(path: Path, content: str, settings: ClipSettings, engine: EngineUse) -> Counted:
    (path.parent / "calls").open("a").write("x")
    made = path.parent / "made.txt"
    made.write_text(content)
    return Counted(text=content, file=keep(made))


SETTINGS = ClipSettings(count=1, min_s=12, max_s=60, video=False)
ENGINE = EngineUse(name="e", version="1")


def run_count(path: Path, content: str = "hello", settings: ClipSettings = SETTINGS, engine: EngineUse = ENGINE) -> str:
    @flow(name="counting")
    def counting() -> str:
        state = on_this_machine(count, QUICK)(path, content, settings, engine, return_state=True)
        return f"{state.name} {state.result().text}"

    return counting()


def calls(path: Path) -> int:
    return len((path.parent / "calls").read_text())


def test_second_run_is_served_from_the_checkpoint_even_under_another_path(tmp_path: Path) -> None:
    assert run_count(tmp_path / "a.wav") == "Completed hello"
    assert run_count(tmp_path / "b.wav") == "Cached hello"
    assert calls(tmp_path / "a.wav") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"content": "other"},
        {"settings": SETTINGS.model_copy(update={"count": 2})},
        {"engine": EngineUse(name="e", version="2")},
        {"engine": EngineUse(name="e", version="1", model="m")},
    ],
    ids=["input", "setting", "engine-version", "model"],
)
def test_what_decides_the_answer_decides_the_key(tmp_path: Path, change: dict[str, object]) -> None:
    run_count(tmp_path / "a.wav")
    assert run_count(tmp_path / "a.wav", **change).startswith("Completed")  # type: ignore[arg-type]


def test_the_reason_for_an_engine_does_not_decide_the_key(tmp_path: Path) -> None:
    run_count(tmp_path / "a.wav")
    assert run_count(tmp_path / "a.wav", engine=ENGINE.model_copy(update={"reason": "why"})).startswith("Cached")


@pytest.mark.parametrize("damage", ["delete", "alter", "truncate-record", "bit-flip-record"])
def test_damaged_checkpoint_is_a_miss_and_never_an_error(tmp_path: Path, damage: str) -> None:
    run_count(tmp_path / "a.wav")
    (file,) = list(store_path().rglob("*.txt"))
    (record,) = list(checkpoints_path().iterdir())
    if damage == "delete":
        file.unlink()
    elif damage == "alter":
        file.write_text("jello")
    elif damage == "truncate-record":
        record.write_bytes(record.read_bytes()[:60])
    else:
        content = record.read_text()
        assert content.count("hello") == 1
        record.write_text(content.replace("hello", "hellx"))
    assert run_count(tmp_path / "a.wav").endswith(" hello")
    assert file.read_text() == "hello"


def test_transient_failures_are_retried_and_terminal_ones_are_not(tmp_path: Path) -> None:
    tries: dict[str, int] = {}

    @stage("shaky", version="1")
    def shaky(kind: str) -> StageResult:
        tries[kind] = tries.get(kind, 0) + 1
        if kind == "transient" and attempt() < 3:
            raise EngineCrashed("the engine died", "Give it more memory.")
        if kind == "terminal":
            raise EngineFailed("the engine refuses", "Use another.")
        return StageResult()

    @flow(name="shaking")
    def shaking() -> tuple[str | None, BaseException]:
        good = on_this_machine(shaky, QUICK)("transient", return_state=True)
        bad = on_this_machine(shaky, QUICK)("terminal", return_state=True)
        return good.name, failure_of(bad)

    name, failure = shaking()
    assert name == "Completed"
    assert isinstance(failure, EngineFailed)
    assert failure.remedy == "Use another."
    assert tries == {"transient": 3, "terminal": 1}


def test_provenance_is_kept_but_not_part_of_the_digest() -> None:
    plain = StageResult()
    stamped = plain.model_copy(update={"provenance": Provenance(started_at="2026-01-01T00:00:00+00:00", seconds=1.5)})
    assert plain.digest() == stamped.digest()


def test_a_path_never_decides_a_key() -> None:
    with pytest.raises(TypeError, match="must not decide"):
        content_of({"source": Path("/somewhere")})


def attempts_of(
    failures: list[Exception], limits: Limits, retries: int | None = None
) -> tuple[list[float], str | None]:
    """Run a stage that fails with each of these in turn; when each try began, and how it ended."""
    began: list[float] = []

    @stage("unlucky", version="1")
    def unlucky(number: int) -> StageResult:
        began.append(time.monotonic())
        if len(began) <= len(failures):
            raise failures[len(began) - 1]
        return StageResult()

    @flow(name="trying")
    def trying() -> str | None:
        return on_this_machine(unlucky, limits, retries)(1, return_state=True).name

    return began, trying()


DIED = EngineCrashed("the engine died", "Give it more memory.")


@pytest.mark.parametrize(
    ("retries", "of_this_stage", "tries"), [(0, None, 1), (3, None, 4), (3, 1, 2), (0, 2, 3), (2, 0, 1)]
)
def test_a_stage_may_have_retries_of_its_own(retries: int, of_this_stage: int | None, tries: int) -> None:
    began, ended = attempts_of([DIED] * 9, Limits(retries=retries, retry_delay_s=0), of_this_stage)
    assert len(began) == tries
    assert ended == "Failed"


def test_a_terminal_failure_after_a_transient_one_ends_the_tries() -> None:
    began, ended = attempts_of([DIED, EngineFailed("the engine refuses", "Use another.")], QUICK)
    assert len(began) == 2
    assert ended == "Failed"


def test_pauses_double_and_vary_by_a_half() -> None:
    began, ended = attempts_of([DIED] * 2, Limits(retries=2, retry_delay_s=0.2))
    first, second = began[1] - began[0], began[2] - began[1]
    assert ended == "Completed"
    assert first >= 0.1
    assert second >= 0.2


def test_a_service_that_says_when_to_come_back_is_not_asked_before() -> None:
    busy = ServiceUnavailable("overrun", "Wait.", retry_after_s=0.7)
    began, ended = attempts_of([busy], QUICK)
    assert ended == "Completed"
    assert began[1] - began[0] >= 0.7


def test_no_try_that_would_have_to_wait_beyond_the_cap() -> None:
    far_off = ServiceUnavailable("overrun", "Wait.", retry_after_s=3600)
    began, ended = attempts_of([far_off], Limits(retries=5, retry_delay_s=0, retry_total_s=60))
    assert len(began) == 1
    assert ended == "Failed"


def test_settings_that_came_later_leave_earlier_answers_valid_until_they_are_used() -> None:
    before = {"model", "hosted_model", "base_url", "language", "device", "compute_type", "batch_size", "find_sidecar"}
    assert set(content_of(TranscribeSettings())) == before
    assert set(content_of(TranscribeSettings(delete_hosted=True))) == before
    assert content_of(TranscribeSettings(hear_again="never"))["hear_again"] == "never"
    assert content_of(TranscribeSettings(assemblyai_models=("universal-2",)))["assemblyai_models"] == ["universal-2"]


def test_retries_decide_no_key(tmp_path: Path) -> None:
    run_count(tmp_path / "a.wav")
    assert run_count(tmp_path / "a.wav", settings=SETTINGS.model_copy(update={"retries": 5})).startswith("Cached")
