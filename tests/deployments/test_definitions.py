"""prefect.yaml as Prefect reads it, held still: a change of a schedule, a queue or a trigger is meant."""

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "definitions.json"


def parsed() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    del read["definitions"]  # only anchors
    return read


def test_the_definitions_are_as_they_were_meant() -> None:
    """After a change that is meant, write the new ones: python -m tests.deployments.test_definitions."""
    assert parsed() == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("deployment", parsed()["deployments"], ids=lambda one: str(one["name"]))
def test_every_deployment_is_described_and_its_parameters_exist(deployment: dict[str, Any]) -> None:
    assert len(deployment["description"]) > 20
    assert "earwitness" in deployment["tags"]
    path, _, name = deployment["entrypoint"].partition(":")
    flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    known = set(inspect.signature(flow.fn).parameters)
    assert set(deployment.get("parameters", {})) <= known
    for trigger in deployment.get("triggers", []):
        assert set(trigger["parameters"]) <= known


def test_the_trigger_waits_for_the_event_that_is_emitted() -> None:
    from tasks.drops import EVENT

    (trigger,) = next(one for one in parsed()["deployments"] if one["name"] == "drop")["triggers"]
    assert trigger["expect"] == [EVENT]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(parsed(), indent=1, ensure_ascii=False) + "\n")
