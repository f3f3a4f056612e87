"""Keys of hosted services: from the environment, or from a secret that the environment names. Nowhere else."""

import os
from collections.abc import Callable

secret_reader: Callable[[str], str | None] | None = None
"""Reads a secret by its name; set by whoever knows a place for secrets (Prefect's blocks, in `tasks.secrets`)."""


def key_called(variable: str) -> str | None:
    """The key in an environment variable, else in the secret that `$<variable>_BLOCK` names; None if there is none.

    The caller hands it to the service and forgets it: it belongs into no setting, result, log or message.
    """
    if value := os.environ.get(variable, "").strip():
        return value
    name = os.environ.get(f"{variable}_BLOCK", "").strip()
    return (secret_reader(name) or None) if name and secret_reader else None
