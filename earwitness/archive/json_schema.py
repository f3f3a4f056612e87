"""JSON Schemas of the published JSON files, generated from the models that write them.

`python -m earwitness.archive.json_schema docs/schemas` writes them; a test fails when they are out of date.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from earwitness.archive.record import RecordingJson
from earwitness.clips.clip import ClipList
from earwitness.corrections.corrections import Corrections
from earwitness.evaluation.scores import Evaluation
from earwitness.notes.notes import Notes
from earwitness.schema import SCHEMA_VERSION
from earwitness.words.formats import TranscriptJson

PUBLISHED: dict[str, type[BaseModel]] = {
    "recording.json": RecordingJson,
    "transcript.json": TranscriptJson,
    "notes.json": Notes,
    "notes.players.json": Notes,
    "clips.json": ClipList,
    "corrections.json": Corrections,
}
PRINTED: dict[str, type[BaseModel]] = {"evaluation.json": Evaluation}
"""What commands print with --json, as if it were a file."""


def published_schemas(models: Mapping[str, type[BaseModel]] = PUBLISHED) -> dict[str, dict[str, Any]]:
    """File of the bundle → its schema (JSON Schema 2020-12), versioned like the files themselves."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:earwitness:schema:{SCHEMA_VERSION}:{name}",
            **model.model_json_schema(mode="serialization"),
        }
        for name, model in models.items()
    }


def schema_files() -> dict[str, str]:
    """Name of the schema file → its text, e.g. `recording.schema.json`."""
    return {
        f"{Path(name).stem}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in published_schemas({**PUBLISHED, **PRINTED}).items()
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write every schema into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in schema_files().items():
        (folder / name).write_text(text, "utf-8")
        written.append(folder / name)
    return written


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/schemas"))
