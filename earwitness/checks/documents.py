"""Whether a published JSON file keeps to its published schema."""

import json
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from earwitness.checks.finding import Finding, error
from earwitness.checks.text import read_utf8

_LISTED = 3


def check_document(path: Path, name: str) -> list[Finding]:
    """Check a finished JSON file.

    The models that the published schemas are generated from do the work: 30 times faster than a schema validator on the
    words of a long recording.

    Args:
        path: where it lies.
        name: its path in the bundle; says which schema holds.
    """
    from earwitness.archive.json_schema import PUBLISHED

    text = read_utf8(path)
    if text is None:
        return [error(name, "It is not UTF-8 text.")]
    try:
        json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as problem:
        return [error(name, f"It is not valid JSON: {problem}.")]
    try:
        PUBLISHED[name].model_validate_json(text, strict=True)
    except ValidationError as problem:
        problems = problem.errors(include_url=False, include_input=False)
        shown = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in problems[:_LISTED])
        rest = f" (and {len(problems) - _LISTED} more)" if len(problems) > _LISTED else ""
        return [error(name, f"It breaks its schema: {shown}{rest}.")]
    return []


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return made
