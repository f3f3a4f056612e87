"""Pictures, tables and texts in Prefect's UI. Decoration: a refused artifact is logged and never fails a stage."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

log = logging.getLogger(__name__)


def artifact_key(*parts: str) -> str:
    """A key that Prefect accepts: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def show_markdown(key: str, text: str, description: str = "") -> None:
    """A text."""
    _show(create_markdown_artifact, key, markdown=text, description=description)


def show_table(key: str, rows: Sequence[dict[str, Any]], description: str = "") -> None:
    """A table."""
    _show(create_table_artifact, key, table=list(rows), description=description)


def show_link(key: str, target: Path, text: str) -> None:
    """A link to a file on the worker's machine."""
    _show(create_link_artifact, key, link=target.resolve().as_uri(), link_text=text)


def _show(create: Any, key: str, **content: Any) -> None:
    try:
        create(key=key, **content)
    except Exception as error:  # noqa: BLE001 - whatever the server says, the stage goes on
        log.warning("Prefect did not take the artifact %s: %s", key, error)
