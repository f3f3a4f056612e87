"""What we expect of tables that Great Expectations has no rule for, and how we write a rule down.

Imported only while a suite is built: importing it imports Great Expectations.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from expectations.quiet import great_expectations
from expectations.wording import span

gx = great_expectations()

from great_expectations import ExpectationSuite  # noqa: E402 - after the quiet import
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine  # noqa: E402
from great_expectations.expectations.expectation import BatchExpectation, Expectation  # noqa: E402
from great_expectations.expectations.metadata_types import FailureSeverity  # noqa: E402
from great_expectations.expectations.metrics.metric_provider import metric_value  # noqa: E402
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider  # noqa: E402
from great_expectations.expectations.row_conditions import Column  # noqa: E402

__all__ = [
    "Column",
    "ExpectCitationsToExist",
    "ExpectColumnTypes",
    "ExpectFilesToExist",
    "ExpectIdsInOrder",
    "ExpectNoHoles",
    "ExpectNoOverlap",
    "ExpectOneValueWithin",
    "filled",
    "gx",
    "named",
    "rule",
    "schema",
    "written",
]

MAX_FINDINGS = 1000
"""Overlaps that are listed a group; a table that is broken everywhere needs no longer list."""


def rule(
    kind: type[Expectation],
    check: str,
    message: str,
    *,
    severity: Literal["critical", "warning"] = "critical",
    **settings: Any,
) -> Expectation:
    """One line of a contract.

    Args:
        kind: a class of Great Expectations, or one of this module.
        check: what must hold, in plain words; also the rule's name.
        message: what to say where it doesn't; may use {rows} (the first offending rows, described), {values} (what
            they hold), {count}, {total}, {percent}, and {observed} for rules about the whole table.
        severity: critical stops the recording, warning goes into the bundle.
        settings: what the class needs.
    """
    return kind(severity=FailureSeverity(severity), meta={"check": check, "message": message}, **settings)


def named(name: str, rules: list[Expectation]) -> ExpectationSuite:
    """A contract."""
    return ExpectationSuite(name=name, expectations=rules)


def schema(columns: dict[str, str]) -> list[Expectation]:
    """The table has exactly these columns, in this order, of these pandas types (or of this Python type: `list`)."""
    names = list(columns)
    return [
        rule(
            gx.expectations.ExpectTableColumnsToMatchOrderedList,
            "the table has the agreed columns",
            f"the table has the columns {{observed}} instead of {', '.join(names)}",
            column_list=names,
        ),
        rule(
            ExpectColumnTypes,
            "every column is of the agreed type",
            "{rows}",
            types=[f"{name}: {type_}" for name, type_ in columns.items()],
        ),
    ]


def filled(noun: str, *columns: str) -> Expectation:
    """None of these columns has a hole."""
    return rule(
        ExpectNoHoles,
        f"every {noun} has {', '.join(columns)}",
        f"{noun}s {{rows}}",
        columns=list(columns),
    )


def written(noun: str, *columns: str) -> list[Expectation]:
    """These columns hold text with something to read in it."""
    return [
        rule(
            gx.expectations.ExpectColumnValuesToMatchRegex,
            f"no {noun} has a blank {column}",
            f"{noun}s with a blank {column}: {{rows}}",
            column=column,
            regex=r"\S",
        )
        for column in columns
    ]


Finding = dict[str, Any]
"""rows: positions in the table; text: a sentence that names them, or '' where the row's own description will do; lead:
what to say before that description."""


def _metric(name: str, *keys: str) -> Callable[[Callable[..., list[Finding]]], str]:
    """Register a function of a table and `keys` as a metric of Great Expectations; returns the metric's name."""

    def register(find: Callable[..., list[Finding]]) -> str:
        class _Metric(TableMetricProvider):
            metric_name = f"table.earwitness.{name}"
            value_keys = keys

            @metric_value(engine=PandasExecutionEngine)
            def _pandas(
                cls,  # noqa: N805 - Great Expectations makes it a class method
                execution_engine: PandasExecutionEngine,
                metric_domain_kwargs: dict[str, Any],
                metric_value_kwargs: dict[str, Any],
                metrics: dict[str, Any],
                runtime_configuration: dict[str, Any],
            ) -> list[Finding]:
                table, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type="table")
                return find(table, **{key: metric_value_kwargs[key] for key in keys})

        return _Metric.metric_name

    return register


class _FindingsExpectation(BatchExpectation):
    """Base of the rules below: they hold where their metric finds nothing."""

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        (name,) = self.metric_dependencies
        findings = metrics[name]
        return {
            "success": not findings,
            "result": {"observed_value": len(findings), "details": {"findings": findings}},
        }


@_metric("wrong_types", "types")
def _wrong_types(table: pd.DataFrame, types: Sequence[str]) -> list[Finding]:
    found = []
    for wanted in types:
        column, _, type_ = wanted.partition(": ")
        values = table[column]
        if type_ == "list":
            others = sorted({type(value).__name__ for value in values if not isinstance(value, list)})
        else:
            others = [] if str(values.dtype) == type_ else [str(values.dtype)]
        if others:
            found.append({"rows": [], "text": f"column {column} is not of type {type_} but of {', '.join(others)}"})
    return found


class ExpectColumnTypes(_FindingsExpectation):
    """Columns are of these types: one rule for all of them.

    A rule of Great Expectations costs 7 ms whatever it looks at, and one a column made half of what checking a run
    takes.

    Args:
        types: "column: type", with the name of a pandas type, or `list` for Python's.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = (_wrong_types,)
    success_keys: ClassVar[tuple[str, ...]] = ("types",)
    types: list[str]


@_metric("holes", "columns")
def _holes(table: pd.DataFrame, columns: Sequence[str]) -> list[Finding]:
    return [
        {"rows": [int(row)], "text": "", "lead": f"without {column}: "}
        for column in columns
        for row in np.flatnonzero(table[column].isna().to_numpy())
    ]


class ExpectNoHoles(_FindingsExpectation):
    """No row lacks a value in these columns: one rule for all of them, see `ExpectColumnTypes`."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (_holes,)
    success_keys: ClassVar[tuple[str, ...]] = ("columns",)
    columns: list[str]


@_metric("overlaps", "noun", "by", "label", "only")
def _overlaps(
    table: pd.DataFrame, noun: str, by: str | None, label: str | None, only: Sequence[str] | None
) -> list[Finding]:
    rows = pd.DataFrame(
        {
            "row": np.arange(len(table)),
            # whole milliseconds, so that 0.1 + 0.2 does not overlap 0.3
            "start": np.rint(table["start_s"].to_numpy() * 1000),
            "end": np.rint(table["end_s"].to_numpy() * 1000),
            "name": table[label].to_numpy() if label else np.arange(1, len(table) + 1),
            "group": table[by].to_numpy() if by else "",
        }
    )
    if only:
        column, value = only
        rows = rows[(table[column] == value).to_numpy()]
    rows = rows[np.isfinite(rows["start"]) & np.isfinite(rows["end"])]  # missing times are another rule's finding
    found = []
    for group, members in rows.groupby("group", sort=True):
        ordered = members.sort_values(["start", "row"], kind="stable")
        start, end = ordered["start"].to_numpy(), ordered["end"].to_numpy()
        latest = np.maximum.accumulate(end)
        holder = np.maximum.accumulate(np.where(end >= latest, np.arange(len(end)), 0))  # the row with the latest end
        of = f" of {group}" if by else ""
        for at in (np.flatnonzero(start[1:] < latest[:-1]) + 1)[:MAX_FINDINGS]:
            first, second = ordered.iloc[holder[at - 1]], ordered.iloc[at]
            text = (
                f"{noun}s {first['name']} and {second['name']}{of} overlap: "
                f"{span(first['start'], first['end'])} and {span(second['start'], second['end'])}"
            )
            found.append({"rows": [int(first["row"]), int(second["row"])], "text": text})
    return sorted(found, key=lambda finding: finding["rows"])


class ExpectNoOverlap(_FindingsExpectation):
    """No two rows share time (`start_s`, `end_s`).

    Args:
        noun: what a row is, for the message.
        by: rows with different values here may overlap; rows without one are not looked at.
        label: column that names a row; else its position, from 1.
        only: (column, value): look only at rows that have this value.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = (_overlaps,)
    success_keys: ClassVar[tuple[str, ...]] = ("noun", "by", "label", "only")
    noun: str
    by: str | None = None
    label: str | None = None
    only: tuple[str, str] | None = None


@_metric("late_ids", "column")
def _late_ids(table: pd.DataFrame, column: str) -> list[Finding]:
    ids = table[column]
    starts = np.flatnonzero(~ids.duplicated().to_numpy())
    numbers = pd.to_numeric(ids.iloc[starts].str.extract(r"(\d+)$")[0], errors="coerce").to_numpy(dtype=float)
    # an id without a number (NaN) is the well-formedness rule's finding, not this one's
    return [{"rows": [int(starts[at])], "text": ""} for at in np.flatnonzero(np.diff(numbers) <= 0) + 1]


class ExpectIdsInOrder(_FindingsExpectation):
    """Ids appear for the first time in the order of their numbers; rows of several ids may be mixed."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (_late_ids,)
    success_keys: ClassVar[tuple[str, ...]] = ("column",)
    column: str


@_metric("mixed_groups", "column", "by")
def _mixed_groups(table: pd.DataFrame, column: str, by: str) -> list[Finding]:
    pairs = table[[column, by]].dropna().drop_duplicates()
    mixed = pairs[pairs.duplicated(by, keep=False)]
    return [
        {
            "rows": [int(row) for row in members.index],
            "text": f"{by} {key} has more than one {column}: {', '.join(sorted(members[column]))}",
        }
        for key, members in mixed.groupby(by, sort=False)
    ]


class ExpectOneValueWithin(_FindingsExpectation):
    """All rows with the same value in `by` have the same value in `column`, or none."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (_mixed_groups,)
    success_keys: ClassVar[tuple[str, ...]] = ("column", "by")
    column: str
    by: str


@_metric("unknown_citations", "column", "known", "label")
def _unknown_citations(table: pd.DataFrame, column: str, known: str, label: str) -> list[Finding]:
    there = set(known.split())
    found = []
    for row, (name, cited) in enumerate(zip(table[label], table[column], strict=True)):
        unknown = [str(key) for key in cited if key not in there]
        if unknown:
            found.append({"rows": [row], "text": f"{name} cites {', '.join(unknown)}, which the transcript lacks"})
        elif not cited:
            found.append({"rows": [row], "text": f"{name} cites nothing"})
    return found


class ExpectCitationsToExist(_FindingsExpectation):
    """Every row cites something, and nothing that isn't there.

    Args:
        column: lists of ids.
        known: the ids that exist, separated by spaces. Great Expectations copies and hashes parameters dozens of
            times: 10,000 ids take a second as a list and nothing as one string.
        label: column that names a row.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = (_unknown_citations,)
    success_keys: ClassVar[tuple[str, ...]] = ("column", "known", "label")
    column: str
    known: str | dict[str, str]
    label: str


@_metric("missing_files", "column", "label", "names")
def _missing_files(table: pd.DataFrame, column: str, label: str, names: str) -> list[Finding]:
    found = []
    for row, (name, file, path) in enumerate(zip(table[label], table[names], table[column], strict=True)):
        if pd.isna(path):
            found.append({"rows": [row], "text": f"{name} names {file}, which was never made"})
        elif not Path(path).is_file():
            found.append({"rows": [row], "text": f"{name} names {file}, whose file is gone"})
        elif not Path(path).stat().st_size:
            found.append({"rows": [row], "text": f"{name} names {file}, which is empty"})
    return found


class ExpectFilesToExist(_FindingsExpectation):
    """The files exist and have content.

    Args:
        column: paths on this machine; empty where there is none.
        label: column that names a row.
        names: column with the file's name for people.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = (_missing_files,)
    success_keys: ClassVar[tuple[str, ...]] = ("column", "label", "names")
    column: str
    label: str
    names: str
