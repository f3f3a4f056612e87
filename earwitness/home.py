"""Where Earwitness keeps its own files. Read from the environment at call time, never at import."""

import os
from pathlib import Path

CRASH_PREFIX = "earwitness-crash-"
"""Of the files in the system's temporary folder that engines write to when they crash; locked while they may."""


def home() -> Path:
    """`$EARWITNESS_HOME`, else the user's data folder."""
    if chosen := os.environ.get("EARWITNESS_HOME"):
        return Path(chosen).expanduser().resolve()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser() / "earwitness"


def drops_path() -> Path:
    """The drop folder of this machine: `$EARWITNESS_DROPS`, else `earwitness-drops` in the current folder."""
    return Path(os.environ.get("EARWITNESS_DROPS") or "earwitness-drops").expanduser().absolute()


def store_path() -> Path:
    """Large files of finished stages, by content."""
    return home() / "store"


def checkpoints_path() -> Path:
    """Small results of finished stages, by key."""
    return home() / "checkpoints"


def calls_path() -> Path:
    """Answers of paid services, by request."""
    return home() / "calls"


def locks_path() -> Path:
    """One lock file a checkpoint key."""
    return home() / "locks"


def leases_path() -> Path:
    """One locked file a run in progress, see `earwitness.storage.leases`."""
    return home() / "leases"


def voices_path() -> Path:
    """Enrolled voices: biometric data, readable by their owner only."""
    return home() / "voices"


def memory_path() -> Path:
    """What campaigns, shows and collections remember, readable by their owner only."""
    return home() / "memory"


def scratch_path() -> Path:
    """Unfinished work, on the store's own disk."""
    return store_path() / "tmp"
