"""Names of dropped files: kept apart, and written down where they are no text."""

import os
from pathlib import Path


def as_hex(name: str) -> str:
    """A name as it can be written into JSON, whatever its bytes are."""
    return os.fsencode(name).hex()


def from_hex(text: str) -> str:
    """The name again."""
    return os.fsdecode(bytes.fromhex(text))


def new_names(folder: Path, recording: str, beside: list[str]) -> dict[str, str]:
    """New names for a recording and what belongs to it, none of which is taken; the recording comes last."""
    stem, suffix = Path(recording).stem, Path(recording).suffix
    number = 1
    while True:
        new = stem if number == 1 else f"{stem}-{number}"
        names = {
            name: new + name.removeprefix(stem) if name.startswith(stem) else name for name in [*beside, recording]
        }
        taken = [*names.values(), f"{new}{suffix}.reason.txt"]
        if not any((folder / name).exists() for name in taken):
            return names
        number += 1


def unused(path: Path) -> Path:
    """The same path, with a number where it is taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
