"""Several runs of one recording at the same time: each stage is computed once, and all of them are done."""

from pathlib import Path

import pytest

from tests.faults.conftest import QUICK_ARGUMENTS, MakeMachine
from tests.runs import STAGES, bundle_digests, leftovers

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("count", [3])
def test_several_at_once_compute_each_stage_once(machine: MakeMachine, expected: dict[str, str], count: int) -> None:
    here = machine(*STAGES)
    # of many that begin in one second, Prefect's server on SQLite refuses some for a while (docs/deployment.md)
    patient = {"PREFECT_CLIENT_MAX_RETRIES": "8"}
    children = [here.place.start(here.recording, *QUICK_ARGUMENTS, **patient) for _ in range(count)]
    for child in children:
        assert child.wait(800) == 0, child.stderr
    told = [child.told() for child in children]
    for stage in STAGES:
        states = sorted(each[here.recording.name, stage] for each in told)
        assert states == ["cached"] * (count - 1) + ["computed"], f"{stage}: {states}"
    assert {child.result["outcome"] for child in children} == {"done"}
    assert {child.result["bundle"] for child in children} == {children[0].result["bundle"]}
    assert bundle_digests(Path(children[0].result["bundle"])) == expected
    assert leftovers(here.place.out) == []
