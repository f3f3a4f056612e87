from pathlib import Path

from earwitness.archive.json_schema import schema_files, write_schemas

_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def test_the_schemas_in_docs_are_up_to_date() -> None:
    written = {path.name: path.read_text("utf-8") for path in _FOLDER.glob("*.json")}
    assert written == schema_files(), "run: python -m earwitness.archive.json_schema docs/schemas"


def test_schemas_are_written_where_asked(tmp_path: Path) -> None:
    assert {path.name for path in write_schemas(tmp_path / "new")} == set(schema_files())
