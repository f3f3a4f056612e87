"""What must hold of a recording once it was read, measured and copied for the speech engines."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from earwitness.audio.facts import Preprocessed, Validated

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

COLUMNS = {
    "sha256": "str",
    "size_bytes": "int64",
    "duration_s": "float64",
    "copy_gap_s": "float64",
    "declared_gap_s": "float64",
    "sample_rate_hz": "int64",
    "channels": "int64",
    "decode_errors": "int64",
    "score": "float64",
    "verdict": "str",
    "snr_db": "float64",
    "clipping_share": "float64",
    "silence_share": "float64",
}
"""One row. `copy_gap_s`, `declared_gap_s`: by how much the speech copy's length, and the length that the container
states, differ from what was decoded; empty where there is nothing to compare."""

EMPTY: str | None = None
"""A recording is always one row."""

LOW_SNR_DB = 10.0
"""Below this, word error rates of the recognisers rise steeply."""

COPY_TOLERANCE_S = 0.1
"""How much longer or shorter than the source the speech copy may be: encoders pad their last frame."""


def frame(validated: Validated, preprocessed: Preprocessed | None = None) -> pd.DataFrame:
    """One row of facts; without `preprocessed`, `copy_gap_s` is empty."""
    facts, quality = validated.facts, validated.quality
    declared_gap = None
    if facts.declared_duration_ms is not None and facts.slice_ms is None:
        declared_gap = abs(facts.declared_duration_ms - facts.duration_ms) / 1000
    row = (
        facts.sha256,
        facts.size,
        facts.duration_ms / 1000,
        abs(preprocessed.duration_ms - facts.duration_ms) / 1000 if preprocessed else None,
        declared_gap,
        facts.sample_rate_hz,
        facts.channels,
        facts.decode_errors,
        quality.score,
        quality.verdict.value,
        quality.metrics.snr_db,
        quality.metrics.clipping_share,
        quality.metrics.silence_share,
    )
    return pd.DataFrame([row], columns=list(COLUMNS)).astype(COLUMNS)


def describe(row: dict[str, Any], number: int) -> str:
    """The row for people."""
    return f"recording {str(row['sha256'])[:12]}"


def parameters() -> dict[str, Any]:
    """This contract needs to know nothing else."""
    return {}


def suite() -> "ExpectationSuite":
    """The rules."""
    from expectations.rules import filled, gx, named, rule, schema

    expect = gx.expectations
    return named(
        "recording",
        [
            *schema(COLUMNS),
            rule(
                expect.ExpectTableRowCountToEqual,
                "there is one recording",
                "the table has {observed} rows instead of one",
                value=1,
            ),
            filled("recording", "sha256", "duration_s", "score", "verdict"),
            rule(
                expect.ExpectColumnValuesToMatchRegex,
                "the digest is a SHA-256",
                "the digest is not a SHA-256: {rows}",
                column="sha256",
                regex=r"^[0-9a-f]{64}$",
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the file has content",
                "the file is empty: {rows}",
                column="size_bytes",
                min_value=1,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the recording has a length",
                "the recording has no length: {rows}",
                column="duration_s",
                min_value=0,
                strict_min=True,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the sample rate is possible",
                "the sample rate is impossible: {rows}",
                column="sample_rate_hz",
                min_value=1,
                max_value=10_000_000,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "there is a channel",
                "the number of channels is impossible: {rows}",
                column="channels",
                min_value=1,
                max_value=1024,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the quality score lies between 0 and 1",
                "the quality score lies outside 0 to 1: {rows}",
                column="score",
                min_value=0,
                max_value=1,
            ),
            *(
                rule(
                    expect.ExpectColumnValuesToBeBetween,
                    f"{column} lies between 0 and 1",
                    f"{column} lies outside 0 to 1: {{rows}}",
                    column=column,
                    min_value=0,
                    max_value=1,
                )
                for column in ("clipping_share", "silence_share")
            ),
            rule(
                expect.ExpectColumnValuesToBeInSet,
                "the verdict is accept, enhance or reject",
                "the verdict is {values}",
                column="verdict",
                value_set=["accept", "enhance", "reject"],
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the speech copy is as long as the source",
                "the speech copy is longer or shorter than the source: {rows}",
                column="copy_gap_s",
                max_value=COPY_TOLERANCE_S,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "speech stands out from the noise",
                f"Speech hardly stands out from the noise ({{values}} dB; {LOW_SNR_DB:g} dB or more is good): "
                "expect wrong words.",
                severity="warning",
                column="snr_db",
                min_value=LOW_SNR_DB,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the sound is hardly clipped",
                "Loud passages are clipped (share of samples: {values}; up to 0.01 is harmless).",
                severity="warning",
                column="clipping_share",
                max_value=0.01,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "less than nine tenths are silence",
                "Most of the recording is silence (share: {values}).",
                severity="warning",
                column="silence_share",
                max_value=0.9,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the file decodes without errors",
                "The file is damaged: the decoder reported {values} errors; what it could not read is missing.",
                severity="warning",
                column="decode_errors",
                max_value=0,
            ),
            rule(
                expect.ExpectColumnValuesToBeBetween,
                "the file is as long as it says",
                "The file's stated length differs by {values} s from what could be decoded.",
                severity="warning",
                column="declared_gap_s",
                max_value=2.0,
            ),
        ],
    )
