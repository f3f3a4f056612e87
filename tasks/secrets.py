"""Where keys of hosted services may also lie: Prefect's secret blocks."""

import logging
from typing import Any

from prefect.blocks.system import Secret

log = logging.getLogger(__name__)


def read_secret(name: str) -> str | None:
    """The text of the secret block `name`; None, with its name in the log, where it can't be read."""
    try:
        block: Any = Secret.load(name)
        return str(block.get()).strip()
    except Exception as error:  # noqa: BLE001 - a server's or a block's error; its text may hold the value
        log.warning("the secret block %s can't be used as a key: %s", name, type(error).__name__)
        return None
