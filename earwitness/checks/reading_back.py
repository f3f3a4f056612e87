"""What a bundle on a disk was meant to hold, as its own files tell it."""

import json
from pathlib import Path
from typing import Any

from earwitness.checks.bundle import Plan
from earwitness.checks.subtitles import Spoken
from earwitness.clips.clip import ClipList


def plan_of_folder(folder: Path) -> Plan:
    """Read the plan of a bundle back from `recording.json`, `transcript.json` and `clips.json`.

    Args:
        folder: a bundle whose `recording.json` keeps to its schema.
    """
    recording = json.loads((folder / "recording.json").read_text("utf-8"))
    source = recording["source"]
    segments = _segments(folder / "transcript.json")
    clips = folder / "clips.json"
    return Plan(
        duration_ms=round(recording["duration_s"] * 1000),
        damaged=bool(source["decode_errors"]) or _shorter_than_said(recording),
        words=sum(len(segment["text"].split()) for segment in segments),
        rows=sum(len(segment.get("words", [])) for segment in segments) or None,
        spoken=[spoken for segment in segments for spoken in _spoken(segment)],
        clips=ClipList.model_validate_json(clips.read_text("utf-8")).clips if clips.is_file() else [],
    )


def _segments(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    segments: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["segments"]
    return segments


def _spoken(segment: dict[str, Any]) -> list[Spoken]:
    timed = [part for part in segment.get("words") or [segment] if part.get("start") is not None]
    return [
        Spoken(round(part["start"] * 1000), round((part.get("end") or part["start"]) * 1000), segment.get("speaker"))
        for part in timed
    ]


def _shorter_than_said(recording: dict[str, Any]) -> bool:
    declared = recording["source"].get("declared_duration_s")
    return recording.get("slice") is None and declared is not None and abs(declared - recording["duration_s"]) > 0.5
