"""Where Earwitness keeps its own files. Read from the environment at call time, never at import."""

import os
from pathlib import Path


def home() -> Path:
    """`$EARWITNESS_HOME`, else the user's data folder."""
    if chosen := os.environ.get("EARWITNESS_HOME"):
        return Path(chosen).expanduser().resolve()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "earwitness"


def store_path() -> Path:
    """Large files of finished stages, by content."""
    return home() / "store"


def checkpoints_path() -> Path:
    """Small results of finished stages, by key."""
    return home() / "checkpoints"


def locks_path() -> Path:
    """One lock file a checkpoint key."""
    return home() / "locks"


def leases_path() -> Path:
    """One file a run in progress: what it uses is never cleaned away."""
    return home() / "leases"


def scratch_path() -> Path:
    """Unfinished work, on the store's own disk."""
    return store_path() / "tmp"
