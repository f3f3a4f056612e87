"""Stored bytes that are not what they were: whoever finds some says so here, whoever wants to know listens."""

import logging
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

DamageListener = Callable[[str, str], None]
_listeners: list[DamageListener] = []


def on_damage(listener: DamageListener) -> Callable[[], None]:
    """Have `listener` called with what was found, and where, whenever something stored fails its check.

    A file that is only missing is not damaged: somebody may have cleaned up.

    Returns:
        what takes the listener off again.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def damage_found(what: str, where: Path | str) -> None:
    """Say that something stored failed its check. It was not used.

    Args:
        what: a sentence for people.
        where: the file, or its URL without credentials.
    """
    log.warning("%s", what)
    for listener in _listeners:
        listener(what, str(where))
