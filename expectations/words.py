"""What must hold of words: what was said, when, and by whom."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from earwitness.words.transcript import Word, words_frame
from expectations.wording import span_of

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

COLUMNS = {
    "word": "str",
    "start_s": "float64",
    "end_s": "float64",
    "score": "float64",
    "speaker": "str",
    "utterance": "str",
    "estimated": "bool",
}
"""The columns of `words.parquet`."""

EMPTY: str | None = "No words were found: the transcript is empty."


def frame(words: Iterable[Word]) -> pd.DataFrame:
    """The table that is published; a table read back from `words.parquet` will do as well."""
    return words_frame(words)


def describe(row: dict[str, Any], number: int) -> str:
    """The row for people."""
    who = "nobody" if pd.isna(row["speaker"]) else row["speaker"]
    return f"word {number} “{row['word']}” of {who} at {span_of(row)}"


def parameters(*, duration_s: float) -> dict[str, Any]:
    """What the rules need to know: the length of the recording."""
    return {"duration_s": duration_s}


def suite() -> "ExpectationSuite":
    """The rules."""
    from expectations.rules import (
        ExpectIdsInOrder,
        ExpectNoOverlap,
        ExpectOneValueWithin,
        filled,
        gx,
        named,
        rule,
        schema,
        written,
    )

    expect = gx.expectations
    return named(
        "words",
        [
            *schema(COLUMNS),
            filled("word", "word", "start_s", "end_s", "score", "utterance"),
            *written("word", "word"),
            rule(
                expect.ExpectColumnValuesToMatchRegex,
                "utterance ids are of the form u0001",
                "words whose utterance id is not of the form u0001: {rows}",
                column="utterance",
                regex=r"^u\d{4,}$",
            ),
            rule(
                expect.ExpectColumnValuesToMatchRegex,
                "speakers are named SPEAKER_00, SPEAKER_01, ...",
                "words whose speaker is not of the form SPEAKER_00: {rows}",
                column="speaker",
                regex=r"^SPEAKER_\d{2,}$",
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "scores lie between 0 and 1",
                "scores outside 0 to 1: {rows}",
                column="score",
                min_value=0,
                max_value=1,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "words start in the recording",
                "words that start before the recording does: {rows}",
                column="start_s",
                min_value=0,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "words end in the recording",
                "words that go on after the recording ends: {rows}",
                column="end_s",
                max_value={"$PARAMETER": "duration_s"},
            ),
            rule(
                expect.ExpectColumnPairValuesAToBeGreaterThanB,
                "words have a length",
                "words that end before they start, or as they start: {rows}",
                column_A="end_s",
                column_B="start_s",
            ),
            rule(
                expect.ExpectColumnValuesToBeIncreasing,
                "words are in order of time",
                "words out of order of time: {rows}",
                column="start_s",
            ),
            rule(ExpectNoOverlap, "no speaker's words overlap", "{rows}", noun="word", by="speaker"),
            rule(
                ExpectIdsInOrder,
                "utterances begin in order",
                "words that begin an utterance which comes too late: {rows}",
                column="utterance",
            ),
            rule(
                ExpectOneValueWithin,
                "an utterance has one speaker",
                "{rows}",
                column="speaker",
                by="utterance",
            ),
            rule(
                expect.ExpectColumnValuesToNotBeNull,
                "most words have a speaker",
                "{percent} of the words have no speaker (up to 20 % is normal).",
                severity="warning",
                column="speaker",
                mostly=0.8,
            ),
            rule(
                expect.ExpectColumnValuesToBeInSet,
                "most words have a measured time",
                "The times of {percent} of the words are estimates (up to 50 % is normal).",
                severity="warning",
                column="estimated",
                value_set=[False],
                mostly=0.5,
            ),
        ],
    )
