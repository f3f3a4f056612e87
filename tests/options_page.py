"""`docs/options.md`, made from the options model so that it can't drift. Run `make docs` to write it."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from earwitness.options import RunOptions

PAGE = Path(__file__).resolve().parents[1] / "docs" / "options.md"

_HEAD = """# Options

One model holds them all. Python: `run_flow("talk.wav", profile="podcast", clip={"count": 2})`. Command line:
`earwitness run talk.wav --profile podcast --set clip.count=2`. In Prefect's UI they are the form of the deployment.
A setting marked *profile* is decided by `earwitness/profiles/<profile>.toml` unless you set it.

This page is written by `make docs` and checked by the tests.
"""


def render() -> str:
    """The whole page."""
    schema = RunOptions.model_json_schema()
    parts = [_HEAD, "## Of the run\n", _table(RunOptions, schema, nested=False)]
    for name, field in RunOptions.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            stage = name.strip("_")
            parts.append(f"## `{stage}`: {field.description}\n")
            parts.append(
                _table(field.annotation, field.annotation.model_json_schema(), nested=True, prefix=f"{stage}.")
            )
    return "\n".join(parts)


def _table(model: type[BaseModel], schema: dict[str, Any], *, nested: bool, prefix: str = "") -> str:
    rows = ["| option | allowed | default | what it does |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if not nested and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        entry = schema["properties"][name]
        rows.append(f"| `{prefix}{name}` | {_allowed(entry, schema)} | {_default(model, name)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _allowed(entry: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in entry:
        return _allowed(schema["$defs"][entry["$ref"].rsplit("/", 1)[-1]], schema)
    if "anyOf" in entry:
        return ", ".join(_allowed(option, schema) for option in entry["anyOf"] if option.get("type") != "null")
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    low = entry.get("minimum", entry.get("exclusiveMinimum"))
    high = entry.get("maximum")
    bounds = {(True, True): f" {low} to {high}", (True, False): f" from {low}", (False, True): f" up to {high}"}
    kind = str(entry.get("format", entry.get("type", "any")))
    return kind + bounds.get((low is not None, high is not None), "")


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.description and "(empty: as the profile says)" in field.description:
        return "*profile*"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if value is None else f"`{getattr(value, 'value', value)}`"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
