"""What must hold of turns: who speaks when."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from earwitness.speech.turns import Diarized
from expectations.wording import span_of

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

COLUMNS = {
    "view": "str",
    "turn": "int64",
    "start_s": "float64",
    "end_s": "float64",
    "speaker": "str",
}
"""`view`: "all" (speakers may overlap each other) or "exclusive" (one at a time); `turn`: position in it, from 1."""

EMPTY: str | None = "Nobody was heard speaking: there are no turns."


def frame(diarized: Diarized) -> pd.DataFrame:
    """A row a turn, both views one after the other."""
    rows = [
        (view, number, turn.start_ms / 1000, turn.end_ms / 1000, turn.speaker)
        for view, turns in (("all", diarized.turns), ("exclusive", diarized.exclusive))
        for number, turn in enumerate(turns, start=1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def describe(row: dict[str, Any], number: int) -> str:
    """The row for people."""
    one_at_a_time = "exclusive " if row["view"] == "exclusive" else ""
    return f"{one_at_a_time}turn {row['turn']} of {row['speaker']} at {span_of(row)}"


def parameters(*, duration_s: float) -> dict[str, Any]:
    """What the rules need to know: the length of the recording."""
    return {"duration_s": duration_s}


def suite() -> "ExpectationSuite":
    """The rules."""
    from expectations.rules import Column, ExpectNoOverlap, filled, gx, named, rule, schema

    expect = gx.expectations
    return named(
        "turns",
        [
            *schema(COLUMNS),
            filled("turn", "start_s", "end_s", "speaker"),
            rule(
                expect.ExpectColumnValuesToMatchRegex,
                "speakers are named SPEAKER_00, SPEAKER_01, ...",
                "turns whose speaker is not of the form SPEAKER_00: {rows}",
                column="speaker",
                regex=r"^SPEAKER_\d{2,}$",
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "turns start in the recording",
                "turns that start before the recording does: {rows}",
                column="start_s",
                min_value=0,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "turns end in the recording",
                "turns that go on after the recording ends: {rows}",
                column="end_s",
                max_value={"$PARAMETER": "duration_s"},
            ),
            rule(
                expect.ExpectColumnPairValuesAToBeGreaterThanB,
                "turns have a length",
                "turns that end before they start, or as they start: {rows}",
                column_A="end_s",
                column_B="start_s",
            ),
            *(
                rule(
                    expect.ExpectColumnValuesToBeIncreasing,
                    f"{view} turns are in order of time",
                    f"{view} turns out of order of time: {{rows}}",
                    column="start_s",
                    row_condition=Column("view") == view,
                )
                for view in ("all", "exclusive")
            ),
            rule(
                ExpectNoOverlap,
                "no speaker's turns overlap",
                "{rows}",
                noun="turn",
                by="speaker",
                label="turn",
                only=("view", "all"),
            ),
            rule(
                ExpectNoOverlap,
                "exclusive turns never overlap",
                "{rows}",
                noun="exclusive turn",
                label="turn",
                only=("view", "exclusive"),
            ),
        ],
    )
