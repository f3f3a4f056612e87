"""Naming a model in a checkpoint's key."""

import hashlib
from pathlib import Path

_SMALL = 1 << 20


def weights_id(model: str) -> str:
    """A model's name; for a folder, its name and a fingerprint of what it holds, wherever it lies.

    Weights of gigabytes are told apart by their size and the first and last megabyte: reading them whole at every
    start would cost more than it is worth.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SMALL))
            if size > _SMALL:
                file.seek(max(_SMALL, size - _SMALL))
                digest.update(file.read(_SMALL))
    return f"{folder.name}@{digest.hexdigest()[:16]}"
