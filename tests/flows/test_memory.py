"""What is remembered of earlier recordings, in a run of the whole pipeline."""

import json
from pathlib import Path
from typing import Any

import pytest

from earwitness.cli.display import describe
from earwitness.home import memory_path
from earwitness.memory.kept import Source, forget, kept_of, recall, remember
from earwitness.memory.memory import Facts, Opened, Told
from earwitness.result import Outcome
from flows import run_flow
from tests.flows.conftest import QUICK, digests, stages

pytestmark = [pytest.mark.server, pytest.mark.slow]


def test_a_changed_memory_changes_the_notes_and_nothing_else(short_call: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {**QUICK, "out": tmp_path / "out", "memory": {"scope": "Calls"}}
    first = run_flow(short_call, **options)
    assert first.outcome is Outcome.DONE, first
    assert stages(first) == {"summarize", "publish"}
    assert first.bundle is not None
    before = digests(first.bundle)
    (kept,) = kept_of("calls").recordings
    assert kept.facts is not None
    assert kept.source.recording_id == first.recording_id

    again = run_flow(short_call, **options)
    assert stages(again) == set()
    assert digests(first.bundle) == before

    claims = json.loads((first.bundle / "notes.json").read_text())["claims"]
    words = max((claim["text"].split(": ")[-1] for claim in claims), key=len)
    earlier = Source(digest="0" * 64, recording_id="pilot-000000000000", name="pilot")
    told = Told(kind="name", name="Ukotoa", evidence=["u0001"], first_ms=1_000, last="u0001", times=1)
    opened = Opened(id="t00000001", kind="thread", text=words, evidence=["u0002"], start_ms=2_000)
    recall("Calls", earlier, number=0)
    remember("Calls", earlier, Facts(title="Pilot", told=[told], opened=[opened]))

    changed = run_flow(short_call, **options)
    assert stages(changed) == {"summarize", "publish"}, "only the notes and the bundle rest on it"
    assert changed.changed is not None
    assert changed.changed["taken_up"] + changed.changed["closed"] == 1
    assert "since the recordings before it:" in describe(changed)
    assert first.changed is None
    assert "changed" not in first.to_json()
    notes = json.loads((first.bundle / "notes.json").read_text())
    assert [item["name"] for item in notes["changes"]["earlier"]] == ["pilot"]
    followed = notes["changes"]["taken_up"] + notes["changes"]["closed"]
    assert len(followed) == 1
    taken_up = followed[0]
    assert taken_up["text"] == words
    assert taken_up["evidence"]
    page = (first.bundle / "report.html").read_text("utf-8")
    assert "What changed" in page
    assert "pilot at 0:00:02" in page
    assert "Ukotoa" not in page, "nobody names it here"

    made_anew = run_flow(first.bundle)
    assert stages(made_anew) == set(), "the bundle knows where it belongs"

    forget("Calls", "pilot")
    back = run_flow(short_call, **options)
    assert stages(back) <= {"publish"}
    assert digests(first.bundle) == before

    (path,) = memory_path().glob("*.json")
    path.write_text("not JSON")
    without = run_flow(short_call, **options)
    assert without.outcome is Outcome.PARTIAL
    assert any(warning.startswith("memory is missing") for warning in without.warnings)
    assert path.read_text() == "not JSON"
