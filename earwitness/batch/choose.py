"""Which recordings a batch consists of: files, folders, a manifest, a range of dates."""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from earwitness.audio.find import expand
from earwitness.errors import EarwitnessError, UsageError
from earwitness.options import RunOptions, read_options

HERE = "here"
"""Recordings are processed in threads of the process that the batch runs in."""
_WORKERS = re.compile(r"here|dask(:[1-9]\d?)?|[a-z][a-z0-9+.-]*://[^\s/]+:\d+")


class BatchOptions(BaseModel):
    """What a batch can be told beyond the options of its recordings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: Path | None = Field(
        default=None,
        description="recordings with options of their own: CSV with a column path, or TOML with [[recording]] tables; "
        "other columns are options as --set names them, and priority",
    )
    since: date | None = Field(default=None, description="only files that were changed on this day or later")
    until: date | None = Field(default=None, description="only files that were changed on this day or earlier")
    at_once: int = Field(default=1, ge=1, le=32, description="recordings that are processed at the same time")
    skip_finished: bool = Field(
        default=False,
        description="pass over recordings that ended as done with these options, if the bundle is there",
    )
    workers: str = Field(
        default=HERE,
        description="who processes them: here (this process), dask:2 (two worker processes on this machine, which end "
        "with the batch; dask alone: at_once of them, two at least), or the workers of a Dask scheduler "
        "(tcp://host:8786), each as many as it has threads",
    )
    resources: dict[str, float] = Field(
        default_factory=dict,
        description="what a recording takes of its Dask worker, e.g. {GPU: 1} where workers were started with "
        "--resources GPU=1",
    )

    @field_validator("workers")
    @classmethod
    def _known(cls, value: str) -> str:
        if not _WORKERS.fullmatch(value):
            raise ValueError(f"use {HERE}, dask, dask:N or the address of a Dask scheduler such as tcp://host:8786")
        return value

    @field_validator("resources")
    @classmethod
    def _some(cls, value: dict[str, float]) -> dict[str, float]:
        if any(not amount > 0 for amount in value.values()):
            raise ValueError("amounts must be above 0")
        return value


def read_batch(values: Mapping[str, Any]) -> BatchOptions:
    """The options of a batch from plain values.

    Raises:
        UsageError: unknown or unacceptable ones, each with what is allowed.
    """
    try:
        return BatchOptions.model_validate(values)
    except ValidationError as error:
        findings = [_explain(item) for item in error.errors()]
        raise UsageError("; ".join(findings) + ".", "See docs/operations.md.") from error


def _explain(item: ErrorDetails) -> str:
    where = ".".join(["batch", *map(str, item["loc"])])
    if item["type"] == "extra_forbidden":
        return f"unknown option {where}; known there: {', '.join(sorted(BatchOptions.model_fields))}"
    return f"{where} = {item['input']!r}: {item['msg'].removeprefix('Value error, ')}"


@dataclass(frozen=True)
class Item:
    """One recording of a batch."""

    path: Path
    options: RunOptions
    priority: int = 0
    """Higher comes first; equal ones keep their order."""
    refused: EarwitnessError | None = None
    """Why its line of the manifest can't be used; the others go on."""


def choose(paths: Sequence[Path], options: RunOptions, want: BatchOptions) -> list[Item]:
    """The recordings of a batch in the order in which they are to be processed, each path once.

    Raises:
        UsageError: the manifest can't be used at all.
    """
    whole_folders = options.tracks == "speakers"
    items = [Item(path, options) for path in expand(paths, whole_folders=whole_folders)]
    if want.manifest is not None:
        for item in read_manifest(want.manifest, options):
            found = expand([item.path], whole_folders=item.options.tracks == "speakers")
            items += [Item(path, item.options, item.priority, item.refused) for path in found]
    # the manifest knows more about a recording than its folder does
    once = {item.path.absolute(): item for item in items}
    chosen = [item for item in once.values() if _in_range(item.path, want.since, want.until)]
    return sorted(chosen, key=lambda item: -item.priority)


def read_manifest(path: Path, options: RunOptions) -> list[Item]:
    """The lines of a manifest. Paths in it start from its own folder.

    Raises:
        UsageError: it can't be read, or a line names no recording.
    """
    rows = list(_rows(path))
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get("path"), str) or not str(row["path"]).strip():
            raise UsageError(
                f"Recording {number} of the manifest {path} has no path.",
                "A CSV manifest needs a column path, a TOML one a path in each [[recording]] table.",
            )
    return [_item(path.parent, row, options) for row in rows]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if path.suffix.lower() == ".toml":
            found = tomllib.loads(path.read_text("utf-8-sig")).get("recording", [])
            if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
                raise UsageError(f"recording in {path} is not a list of tables.", "Begin each with [[recording]].")
            yield from found
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    yield {str(key).strip(): value.strip() for key, value in row.items() if isinstance(value, str)}
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            f"The manifest {path} can't be read ({error}).", "Give a CSV or TOML file in UTF-8 (docs/operations.md)."
        ) from error


def _item(folder: Path, row: Mapping[str, Any], options: RunOptions) -> Item:
    path = folder / Path(row["path"]).expanduser()
    given = options.model_dump(mode="python", exclude_unset=True, by_alias=True)
    priority = 0
    try:
        for name, value in row.items():
            if name == "priority":
                priority = int(value or 0)
            elif name != "path" and value not in ("", None):
                _set(given, name, _plain(value), folder)
        return Item(path, read_options(given), priority)
    except UsageError as error:
        return Item(path, options, priority, error)
    except (ValueError, TypeError, yaml.YAMLError) as error:
        return Item(path, options, priority, UsageError(f"A value of {path.name} can't be read ({error}).", "Mend it."))


def _plain(value: Any) -> Any:
    """Cells of a CSV are YAML, as the values of --set are."""
    return yaml.safe_load(value) if isinstance(value, str) else value


def _set(given: dict[str, Any], name: str, value: Any, folder: Path) -> None:
    if name in ("cast", "transcript", "out") and isinstance(value, str):
        value = folder / Path(value).expanduser()
    stage, dot, key = name.partition(".")
    if dot:
        given[stage] = {**given.get(stage, {}), key: value}
    elif isinstance(value, dict):
        given[stage] = {**given.get(stage, {}), **value}
    else:
        given[stage] = value


def _in_range(path: Path, since: date | None, until: date | None) -> bool:
    if since is None and until is None:
        return True
    try:
        changed = datetime.fromtimestamp(path.stat().st_mtime).astimezone().date()
    except OSError:
        return True  # processing it reports what is wrong
    return (since is None or since <= changed) and (until is None or changed <= until)
