"""What checking a contract found, as data."""

from typing import Literal

from pydantic import Field

from earwitness.schema import Record


class Failure(Record):
    """An expectation that does not hold."""

    expectation: str = Field(description="what should hold, in plain words")
    severity: Literal["critical", "warning"]
    message: str = Field(description="what was found instead; names the first rows")
    count: int = Field(ge=0, description="rows at fault; 0 where the table as a whole is")
    rows: list[str] = Field(description="the first 20 rows at fault, described")


class ContractReport(Record):
    """What checking a table found."""

    name: str = Field(description="of the contract")
    row_count: int = Field(ge=0)
    passed: bool = Field(description="no critical expectation is broken")
    expectations: list[str] = Field(description="all that were checked, in plain words")
    not_checked: list[str] = Field(description="not checked: the table lacks the columns or types they need")
    failures: list[Failure]
    empty: str | None = Field(description="what it means that the table has no rows")
    warnings: list[str] = Field(description="for the bundle")

    def table(self) -> list[dict[str, str | int]]:
        """A row an expectation, for a Prefect table artifact."""
        failed = {failure.expectation: failure for failure in self.failures}
        lines: list[dict[str, str | int]] = []
        for name in self.expectations:
            failure = failed.get(name)
            lines.append(
                {
                    "expectation": name,
                    "result": f"broken ({failure.severity})" if failure else "holds",
                    "rows": failure.count if failure else 0,
                    "found": failure.message if failure else "",
                }
            )
        for name in self.not_checked:
            lines.append({"expectation": name, "result": "not checked", "rows": 0, "found": ""})
        return lines
