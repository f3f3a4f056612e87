"""The store that machines share goes away in the middle of a run (S3 down)."""

from pathlib import Path

import pytest

from earwitness.result import Outcome
from earwitness.storage.sharing import share_waiting, waiting
from tasks.progress import StageEvent, listening
from tests.faults.conftest import MakeMachine, computed
from tests.runs import bundle_digests, leftovers
from tests.s3_server import Bucket

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(600)]

NEW = ["summarize", "clip", "publish"]


class GoesAway:
    """Stops the service when a stage says the first thing of this kind."""

    def __init__(self, bucket: Bucket, stage: str, kind: str) -> None:
        self.bucket, self.at, self.gone = bucket, (stage, kind), False

    def __call__(self, event: StageEvent) -> None:
        if (event.stage, event.kind) == self.at and not self.gone:
            self.gone = True
            self.bucket.server.stop()

    def comes_back(self) -> None:
        assert self.gone, "the moment never came"
        self.bucket.server.start()


def shared_stages(bucket: Bucket) -> set[str]:
    names = [Path(name).name for name in bucket.names() if name.startswith("checkpoints/")]
    return {name.partition("-")[0] for name in names}


@pytest.mark.parametrize(("stage", "kind", "finished"), [("clip", "started", "summarize"), ("clip", "moved", "clip")])
def test_s3_down_in_the_middle_of_a_run(
    machine: MakeMachine,
    expected: dict[str, str],
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    kind: str,
    finished: str,
) -> None:
    here = machine(*NEW)
    monkeypatch.setenv("EARWITNESS_HOME", str(here.place.home))
    fault = GoesAway(bucket, stage, kind)
    with listening(fault):
        result = here.run(limits={"retries": 1})
    fault.comes_back()

    assert result.outcome is Outcome.FAILED
    assert result.exit_code == 6
    assert result.error is not None
    assert bucket.url in result.error.message
    assert "run again: finished stages are kept" in result.error.remedy
    assert leftovers(here.place.out) == []

    again = here.run()
    assert again.outcome is Outcome.DONE, again.error
    assert computed(again) == set(NEW[NEW.index(finished) + 1 :])  # what was under way was not lost either
    assert again.bundle is not None
    assert bundle_digests(again.bundle) == expected
    assert waiting() == []
    assert shared_stages(bucket) == set(NEW)


def test_s3_down_at_the_very_end_costs_nothing(
    machine: MakeMachine, expected: dict[str, str], bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("publish")
    monkeypatch.setenv("EARWITNESS_HOME", str(here.place.home))
    fault = GoesAway(bucket, "publish", "moved")
    with listening(fault):
        result = here.run()
    fault.comes_back()
    assert result.outcome is Outcome.DONE, result.error
    assert result.bundle is not None
    assert bundle_digests(result.bundle) == expected
    assert any("lie on this machine only" in warning for warning in result.warnings)
    assert [key.partition("-")[0] for key in share_waiting()] == ["publish"]
    assert waiting() == []
    assert shared_stages(bucket) == {"publish"}
