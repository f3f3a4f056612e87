"""What a check says of a file."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from earwitness.schema import Record


class Finding(Record):
    """Something that is wrong with a finished file."""

    level: Literal["error", "warning"] = Field(description="error: the file is not published; warning: it is")
    file: str = Field(description="path in the bundle")
    message: str = Field(description="what was found, and what is allowed")


def error(file: str, message: str) -> Finding:
    """The file can't be published."""
    return Finding(level="error", file=file, message=message)


def warning(file: str, message: str) -> Finding:
    """The file is published; its reader should know."""
    return Finding(level="warning", file=file, message=message)


def errors_of(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """File → its errors, for files that have any."""
    found: dict[str, list[str]] = {}
    for finding in findings:
        if finding.level == "error":
            found.setdefault(finding.file, []).append(finding.message)
    return found
