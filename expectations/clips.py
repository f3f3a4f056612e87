"""What must hold of clips: within the limits, within the recording, and there."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from earwitness.clips.clip import Clipped
from expectations.wording import span_of

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

COLUMNS = {
    "id": "str",
    "start_s": "float64",
    "end_s": "float64",
    "duration_s": "float64",
    "score": "float64",
    "merit": "float64",
    "title": "str",
    "reason": "str",
    "preset": "str",
    "path": "str",
    "captions": "str",
    "media_file": "str",
    "captions_file": "str",
}
"""As in `clips.json`; `merit` decides the order, `media_file` and `captions_file` are where the files lie on this
machine."""

EMPTY: str | None = "There are no clips."


def frame(clipped: Clipped) -> pd.DataFrame:
    """A row a clip, best first."""
    stored = {name: str(file.path) for name, file in clipped.files.items()}
    rows = [
        (
            clip.id,
            clip.start_s,
            clip.end_s,
            (round(clip.end_s * 1000) - round(clip.start_s * 1000)) / 1000,
            clip.score,
            # those that a chat model named come first, in its order
            clip.score if clip.ranking is None else 2 - clip.ranking.place / 1000,
            clip.title,
            clip.reason,
            clip.preset,
            clip.path,
            clip.captions,
            stored.get(clip.path),
            # where nobody knows the words there are no captions to miss
            stored.get(clip.captions or clip.path),
        )
        for clip in clipped.listing.clips
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def describe(row: dict[str, Any], number: int) -> str:
    """The row for people."""
    return f"{row['id']} at {span_of(row)}"


def parameters(*, duration_s: float, min_s: float, max_s: float) -> dict[str, Any]:
    """What the rules need to know: the length of the recording, and the shortest and longest clip asked for."""
    return {"duration_s": duration_s, "min_s": min_s, "max_s": max_s}


def suite() -> "ExpectationSuite":
    """The rules."""
    from expectations.rules import ExpectFilesToExist, ExpectNoOverlap, filled, gx, named, rule, schema, written

    expect = gx.expectations
    return named(
        "clips",
        [
            *schema(COLUMNS),
            filled("clip", "id", "start_s", "end_s", "score", "title", "reason", "path"),
            *written("clip", "title", "reason"),
            rule(
                expect.ExpectColumnValuesToMatchRegex,
                "clip ids are of the form clip-1",
                "clips whose id is not of the form clip-1: {rows}",
                column="id",
                regex=r"^clip-[a-z0-9-]+$",
            ),
            *(
                rule(
                    expect.ExpectColumnValuesToBeUnique,
                    f"no two clips share {name}",
                    f"clips that share {name}: {{rows}}",
                    column=column,
                )
                for column, name in (("id", "an id"), ("path", "a file"))
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
                expect.ExpectColumnValuesToBeDecreasing,
                "the best clips come first",
                "clips that are better than the one before: {rows}",
                column="merit",
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "clips start in the recording",
                "clips that start before the recording does: {rows}",
                column="start_s",
                min_value=0,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "clips end in the recording",
                "clips that go on after the recording ends: {rows}",
                column="end_s",
                max_value={"$PARAMETER": "duration_s"},
            ),
            rule(
                expect.ExpectColumnPairValuesAToBeGreaterThanB,
                "clips have a length",
                "clips that end before they start, or as they start: {rows}",
                column_A="end_s",
                column_B="start_s",
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "clips are neither too short nor too long",
                "clips shorter or longer than was asked for: {rows}",
                column="duration_s",
                min_value={"$PARAMETER": "min_s"},
                max_value={"$PARAMETER": "max_s"},
            ),
            rule(
                ExpectNoOverlap,
                "no two clips of a preset overlap",
                "{rows}",
                noun="clip",
                by="preset",
                label="id",
            ),
            rule(
                ExpectFilesToExist,
                "the clips' files are there",
                "{rows}",
                column="media_file",
                label="id",
                names="path",
            ),
            rule(
                ExpectFilesToExist,
                "the captions' files are there",
                "{rows}",
                column="captions_file",
                label="id",
                names="captions",
            ),
        ],
    )
