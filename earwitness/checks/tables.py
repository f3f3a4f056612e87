"""Whether a Parquet table reads back with its columns, and its times make sense."""

from pathlib import Path

from earwitness.checks.finding import Finding, error

_TIMES = {"start_s": "double", "end_s": "double"}
COLUMNS = {
    "turns.parquet": {**_TIMES, "duration_s": "double", "speaker": "large_string", "label": "large_string"},
    "words.parquet": {
        "word": "large_string",
        **_TIMES,
        "score": "double",
        "speaker": "large_string",
        "utterance": "large_string",
        "estimated": "bool",
        "label": "large_string",
    },
}
"""File → column → Arrow type."""
_MAY_LACK = {"speaker", "label"}
_SLACK_S = 1.0


def check_table(path: Path, name: str, *, length_s: float | None = None, rows: int | None = None) -> list[Finding]:
    """Check a finished `turns.parquet` or `words.parquet`.

    Args:
        path: where it lies.
        name: its path in the bundle; says which columns belong in it.
        length_s: of the recording.
        rows: how many there must be.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as problem:
        return [error(name, f"It can't be read as Parquet ({str(problem).splitlines()[0][:200]}).")]
    expected = COLUMNS[name]
    if set(table.column_names) != set(expected):
        missing, extra = set(expected) - set(table.column_names), set(table.column_names) - set(expected)
        return [error(name, f"Its columns differ: missing {sorted(missing)}, unknown {sorted(extra)}.")]
    found = []
    for column, kind in expected.items():
        got = str(table.schema.field(column).type)
        if got.removeprefix("large_") != kind.removeprefix("large_"):
            found.append(error(name, f"Its column {column} holds {got}; it must hold {kind.removeprefix('large_')}."))
        elif column not in _MAY_LACK and table[column].null_count:
            found.append(error(name, f"Its column {column} lacks {table[column].null_count} values."))
    if rows is not None and table.num_rows != rows:
        found.append(error(name, f"It has {table.num_rows:,} rows; there should be {rows:,}."))
    if found or not table.num_rows:
        return found
    start, end = table["start_s"], table["end_s"]
    for wrong, message in (
        (pc.invert(pc.and_(pc.is_finite(start), pc.is_finite(end))), "times that are no number"),
        (pc.less(start, 0.0), "starts before the recording"),
        (pc.less(end, start), "ends before their starts"),
        *(((pc.greater(end, length_s + _SLACK_S), "ends after the recording"),) if length_s is not None else ()),
    ):
        count = pc.sum(wrong).as_py()
        if count:
            found.append(error(name, f"It has {count:,} {message}."))
    return found
