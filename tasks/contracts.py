"""Hold a stage's result against its contract, before it becomes a checkpoint."""

from typing import TYPE_CHECKING, Any, TypeVar

from earwitness.schema import StageResult
from tasks.artifacts import artifact_key, show_table
from tasks.progress import current_recording

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R", bound=StageResult)


def hold_to_contract(result: R, name: str, frame: "pd.DataFrame", **context: Any) -> R:
    """Check a result; its warnings come back inside it, and the report goes to Prefect's UI.

    Raises:
        ContractBroken: a critical expectation failed; the message names the rows.
    """
    # Great Expectations takes seconds to import: only a stage that computes pays for it
    from expectations.check import check_contract, require

    report = check_contract(name, frame, **context)
    show_table(
        artifact_key("contract", name, current_recording.get()),
        report.table(),
        f"Contract of {name}: {'kept' if report.passed else 'broken'}",
    )
    require(report)
    return result.model_copy(update={"warnings": [*result.warnings, *report.warnings]})
