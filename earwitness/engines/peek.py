"""Reading constants of libraries from their source: importing these libraries would load torch."""

import ast
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def source_of(package: str, file: str) -> str:
    """Source of a module of an installed package; empty when it is not there."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    path = Path(spec.origin).parent / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@lru_cache(maxsize=8)
def literal(package: str, file: str, name: str) -> Any:
    """Value of a module-level constant, e.g. a table of models; None when there is none of that name."""
    for node in ast.parse(source_of(package, file)).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    return None
