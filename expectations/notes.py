"""What must hold of notes: every sentence points to what supports it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from earwitness.notes.notes import Notes

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

COLUMNS = {
    "kind": "str",
    "id": "str",
    "text": "str",
    "section": "str",
    "listed_in": "str",
    "evidence": "list",
    "supported": "bool",
}
"""`kind`: claim, or chapter (whose evidence is its first and last utterance), or
change (what changed since earlier recordings). `section` is where the claim says it
stands, `listed_in` the section that lists it; a claim that is only listed has no text."""

EMPTY: str | None = "The notes are empty: nothing was said that could be noted."


def frame(notes: Notes) -> pd.DataFrame:
    """A row a claim, in reading order, then a row a chapter, then a row a change that rests on this recording."""
    listed_in: dict[str, str] = {}
    for section in notes.sections:
        for key in section.claims:
            listed_in.setdefault(key, section.heading)
    rows: list[tuple[Any, ...]] = [
        ("claim", c.id, c.text, c.section, listed_in.get(c.id), list(c.evidence), c.supported) for c in notes.claims
    ]
    there = {c.id for c in notes.claims}
    rows += [("claim", key, None, name, name, [], True) for key, name in listed_in.items() if key not in there]
    rows += [
        ("chapter", f"chapter {number}", c.title, None, None, [c.first, c.last], True)
        for number, c in enumerate(notes.chapters, start=1)
    ]
    rows += [
        ("change", f"change {number}", c.text, None, None, list(c.evidence), True)
        for number, c in enumerate(notes.changes.told_here if notes.changes else (), start=1)
    ]
    types = {name: "object" if type_ == "list" else type_ for name, type_ in COLUMNS.items()}
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(types)


def describe(row: dict[str, Any], number: int) -> str:
    """The row for people."""
    if pd.isna(row["text"]):
        return f"{row['id']} of section “{row['section']}”"
    text = str(row["text"])
    return f"{row['id']} “{text if len(text) <= 60 else text[:59] + '…'}”"


def parameters(*, utterances: Iterable[str]) -> dict[str, Any]:
    """What the rules need to know: the ids of the transcript's utterances."""
    return {"utterances": " ".join(utterances)}


def suite() -> "ExpectationSuite":
    """The rules."""
    from expectations.rules import Column, ExpectCitationsToExist, filled, gx, named, rule, schema, written

    expect = gx.expectations
    return named(
        "notes",
        [
            *schema(COLUMNS),
            filled("note", "id", "text"),
            *written("claim or chapter", "text"),
            rule(
                expect.ExpectColumnValuesToBeUnique,
                "ids are unique",
                "ids that are used more than once: {rows}",
                column="id",
            ),
            rule(
                expect.ExpectColumnValuesToMatchRegex,
                "claim ids are of the form c001",
                "claims whose id is not of the form c001: {rows}",
                column="id",
                regex=r"^c\d{3,}$",
                row_condition=Column("kind") == "claim",
            ),
            rule(
                expect.ExpectColumnPairValuesToBeEqual,
                "claims stand in the section that lists them",
                "claims that their section does not list: {rows}",
                column_A="section",
                column_B="listed_in",
            ),
            rule(
                ExpectCitationsToExist,
                "everything cites utterances of the transcript",
                "{rows}",
                column="evidence",
                known={"$PARAMETER": "utterances"},
                label="id",
            ),
            rule(
                expect.ExpectColumnValuesToBeInSet,
                "claims are supported by what they cite",
                "{count} of {total} claims are not fully supported by what they cite: {rows}.",
                severity="warning",
                column="supported",
                value_set=[True],
                row_condition=Column("kind") == "claim",
            ),
        ],
    )
