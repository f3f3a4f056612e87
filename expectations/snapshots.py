"""The suites as JSON files, for people who use Great Expectations elsewhere.

`python -m expectations.snapshots` writes them anew after a suite was changed; a test compares them.
"""

import json
from pathlib import Path

from expectations.check import CONTRACTS, suite_of

FOLDER = Path(__file__).parent / "suites"


def text_of(name: str) -> str:
    """A suite as Great Expectations writes it."""
    return json.dumps(suite_of(name).to_json_dict(), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Write all suites."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CONTRACTS:
        (folder / f"{name}.json").write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    write()
