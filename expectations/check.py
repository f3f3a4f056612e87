"""Checking a table against its contract."""

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import pandas as pd

from earwitness.errors import ContractBroken, UnknownValue
from expectations.quiet import great_expectations
from expectations.report import ContractReport, Failure

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

__all__ = ["CONTRACTS", "ContractReport", "Failure", "check_contract", "require", "suite_of"]

CONTRACTS = ("recording", "turns", "words", "notes", "clips")
"""In the order of the pipeline."""

_NAMED_IN_MESSAGE = 3
_LISTED = 20

_ONE_AT_A_TIME = threading.Lock()
"""Great Expectations keeps its project, and the batch that is being checked, in one place a process."""


def check_contract(name: str, frame: pd.DataFrame, **context: Any) -> ContractReport:
    """Check a table against its contract. Threads may call this at the same time: they take turns.

    The columns are checked first, then their types, then all else: a table of the wrong shape is reported as that.
    An empty table passes where the stage may find nothing, and the report says what that means.

    Args:
        name: recording, turns, words, notes or clips.
        frame: what `expectations.<name>.frame(...)` made of the stage's result.
        context: what `expectations.<name>.parameters` asks for, e.g. `duration_s`.

    Raises:
        UnknownValue: there is no such contract.
        TypeError: the context lacks a value, or has one too many.
        RuntimeError: an expectation could not be evaluated: a bug here, not a fault of the table.
    """
    contract = _contract(name)
    parameters = contract.parameters(**context)
    table = frame.reset_index(drop=True)
    checked: list[str] = []
    failures: list[Failure] = []
    not_checked: list[str] = []
    with _ONE_AT_A_TIME:
        results = _validate(name, table, parameters)
        for phase in _phases(name):
            if failures:
                not_checked += [_meta(expectation)["check"] for expectation in phase.expectations]
                continue
            for expectation in phase.expectations:
                result = results[_meta(expectation)["check"]]
                _raise_what_it_raised(name, result)
                checked.append(_meta(expectation)["check"])
                if not result.success:
                    failures.append(_failure(expectation, result.result, table, contract.describe))
    return ContractReport(
        name=name,
        row_count=len(table),
        passed=all(failure.severity != "critical" for failure in failures),
        expectations=checked,
        not_checked=not_checked,
        failures=failures,
        empty=contract.EMPTY if table.empty else None,
        warnings=[failure.message for failure in failures if failure.severity == "warning"],
    )


def require(report: ContractReport) -> ContractReport:
    """Give the report back if the contract holds.

    Raises:
        ContractBroken: it doesn't; the message names the rows.
    """
    if report.passed:
        return report
    broken = [failure for failure in report.failures if failure.severity == "critical"]
    raise ContractBroken(
        f"The contract of {report.name} is broken: {'; '.join(failure.message for failure in broken)}.",
        "The stage that made this is at fault, not the recording: please report it with this message.",
        contract=report.name,
        broken=[failure.expectation for failure in broken],
        rows=[row for failure in broken for row in failure.rows][:_LISTED],
    )


def suite_of(name: str) -> "ExpectationSuite":
    """The suite of a contract."""
    _contract(name)  # an unknown name is refused before Great Expectations is imported
    with _ONE_AT_A_TIME:
        return _suite(name)


class _Contract(Protocol):
    """What the module of a contract holds (`expectations.words`, ...)."""

    EMPTY: str | None
    describe: Callable[[dict[str, Any], int], str]
    parameters: Callable[..., dict[str, Any]]
    suite: Callable[[], "ExpectationSuite"]


def _contract(name: str) -> _Contract:
    if name not in CONTRACTS:
        raise UnknownValue.of("contract", name, CONTRACTS)
    return cast(_Contract, importlib.import_module(f"expectations.{name}"))


@cache
def _batches() -> Any:
    gx = great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("earwitness").add_dataframe_asset("stage")
    return asset.add_batch_definition_whole_dataframe("result")


@cache
def _suite(name: str) -> "ExpectationSuite":
    _batches()  # suites are only at home in a context
    return _contract(name).suite()


@cache
def _phases(name: str) -> list["ExpectationSuite"]:
    """The suite in three parts, each of which says something only where the one before holds."""
    from expectations.rules import ExpectColumnTypes, gx

    first = (gx.expectations.ExpectTableColumnsToMatchOrderedList, ExpectColumnTypes)
    phases: list[list[Any]] = [[], [], []]
    for expectation in _suite(name).expectations:
        phases[next((at for at, kind in enumerate(first) if isinstance(expectation, kind)), 2)].append(expectation)
    return [gx.ExpectationSuite(name=f"{name}-{at}", expectations=phase) for at, phase in enumerate(phases)]


def _validate(name: str, table: pd.DataFrame, parameters: dict[str, Any]) -> dict[str, "ExpectationValidationResult"]:
    """The result of each rule, by the name of its check."""
    batch = _batches().get_batch(batch_parameters={"dataframe": table})

    def validate(suite: "ExpectationSuite", form: str) -> dict[str, "ExpectationValidationResult"]:
        with _configured_once():
            answer = batch.validate(suite, result_format=form, expectation_parameters=parameters)
        return {_meta(result.expectation_config)["check"]: result for result in answer.results}

    # All at once: a call costs as much as five rules. Which rows are at fault costs as much again, and is asked only
    # where some are.
    results = validate(_suite(name), "BOOLEAN_ONLY")
    for phase in _phases(name):
        if not all(results[_meta(expectation)["check"]].success for expectation in phase.expectations):
            return results | validate(phase, "COMPLETE")
    return results


@contextmanager
def _configured_once() -> Iterator[None]:
    """A block in which a rule of Great Expectations makes its configuration once, instead of fifty times.

    It asks for it anew for each key of each metric (`Expectation._get_success_kwargs` of 1.24), and never changes it:
    that was 40 % of the time of a check.
    """
    from great_expectations.expectations.expectation import Expectation

    made: dict[int, tuple[Expectation, Any]] = {}  # with the rule itself: another could be given the same id
    make = vars(Expectation)["configuration"]

    def configuration(rule: Expectation) -> Any:
        if id(rule) not in made:
            made[id(rule)] = rule, make.fget(rule)
        return made[id(rule)][1]

    Expectation.configuration = property(configuration)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Expectation.configuration = make  # type: ignore[method-assign]


def _raise_what_it_raised(name: str, result: "ExpectationValidationResult") -> None:
    if raised := _raised(result.exception_info):
        check = _meta(result.expectation_config)["check"]
        error = RuntimeError(f"The contract of {name} can't evaluate “{check}”: {raised['exception_message']}")
        error.add_note(str(raised["exception_traceback"]))
        raise error


def _raised(info: dict[str, Any]) -> dict[str, Any] | None:
    """An exception stands at the top, or under the id of each metric that raised it."""
    nested = [info] if "raised_exception" in info else [value for value in info.values() if isinstance(value, dict)]
    return next((each for each in nested if each.get("raised_exception")), None)


def _meta(expectation: Any) -> dict[str, str]:
    return cast(dict[str, str], expectation.meta)


def _failure(
    expectation: "Expectation",
    found: dict[str, Any],
    table: pd.DataFrame,
    describe: Callable[[dict[str, Any], int], str],
) -> Failure:
    findings = found.get("details", {}).get("findings")
    if findings is None:
        findings = [{"rows": [at], "text": ""} for at in found.get("unexpected_index_list") or []]
    rows = [
        finding["text"]
        or finding.get("lead", "") + describe(table.iloc[finding["rows"][0]].to_dict(), finding["rows"][0] + 1)
        for finding in findings[:_LISTED]
    ]
    values = found.get("unexpected_list") or []
    observed = found.get("observed_value", ", ".join(sorted({type(value).__name__ for value in values})))
    message = _meta(expectation)["message"].format(
        rows=_joined(rows, len(findings)),
        values=_joined([f"{v:g}" if isinstance(v, int | float) else str(v) for v in values[:_LISTED]], len(values)),
        count=len(findings),
        total=found.get("element_count", len(table)),
        percent=f"{found.get('unexpected_percent') or 0:.0f} %",
        observed=", ".join(observed) if isinstance(observed, list) else observed,
    )
    return Failure(
        expectation=_meta(expectation)["check"],
        severity="warning" if expectation.severity == "warning" else "critical",
        message=message,
        count=len(findings),
        rows=rows,
    )


def _joined(texts: list[str], total: int) -> str:
    named = texts[:_NAMED_IN_MESSAGE]
    more = total - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")
