"""Options that come with a recording: `<file>.toml`, with the names that `--set` knows."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from earwitness.errors import UsageError
from earwitness.options import read_options
from earwitness.words.cast import load_cast

MAX_BYTES = 1 << 20
_OURS = ("out", "transcript", "corrections", "dry_run")
_ANYWHERE = ("base_url", "model")
"""Whoever may drop files decides neither where results and keys go nor which code is loaded as a model."""


def drop_options(path: Path | None, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a dropped recording as plain values: those of the folder, and above them those of its own file.

    Args:
        path: the recording's `<file>.toml`, if it has one. `cast` names a file, from the folder in which this one
            lies, or is a table with what a cast file holds.
        defaults: what holds for the whole folder.

    Raises:
        UsageError: it can't be read, or asks for what is unknown or not for it to say.
    """
    if path is None:
        return dict(defaults)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path.name} is larger than {MAX_BYTES:,} bytes.", "Options need a few lines.")
        given = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path.name} can't be read as TOML: {error}.", "See docs/operations.md for the form."
        ) from error
    _refuse(given, path.name)
    cast = given.get("cast")
    if isinstance(cast, str):
        given["cast"] = str((path.parent / Path(cast).expanduser()).absolute())
        load_cast(Path(given["cast"]))
        read_options(given)
    else:
        given.pop("cast", None)
        read_options(given)
        if cast is not None:
            given["cast"] = cast
    return _merged(defaults, given)


def _refuse(given: Mapping[str, Any], name: str) -> None:
    wrong = [key for key in _OURS if key in given]
    for stage, settings in given.items():
        if isinstance(settings, dict) and stage != "cast":
            wrong += [f"{stage}.{key}" for key in _ANYWHERE if key in settings]
    if wrong:
        raise UsageError(
            f"{name} can't decide {', '.join(wrong)}.",
            "Take that out; for the whole folder it can be set where the folder is watched (earwitness watch --set).",
        )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(below)
    for key, value in above.items():
        under = made.get(key)
        made[key] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return made
