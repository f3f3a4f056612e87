"""One message for one trouble, whichever process has it: what was told, what is held back, what could not be sent.

An SQLite file in EARWITNESS_HOME. A damaged one is put aside and begun anew, and where none can be used this process
remembers by itself: no state of the file ever keeps an alert from being sent.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

from pydantic import ValidationError

from earwitness.alerts.alert import Alert, Message
from earwitness.errors import StorageError
from earwitness.home import home, locks_path
from earwitness.storage.locks import FileLocks

log = logging.getLogger(__name__)

T = TypeVar("T")

_WAIT_FOR_OTHERS_S = 15.0
_SENDING_S = 120.0
_TRIES = 20
_KEEP_UNSENT_S = 86_400.0
_FORGET_S = 7 * 86_400.0

_TABLE = """
CREATE TABLE IF NOT EXISTS alerts (
  fingerprint TEXT PRIMARY KEY,
  alert TEXT NOT NULL,          -- JSON of the latest one
  told_at REAL NOT NULL,        -- start of the window, seconds since 1970
  tried_at REAL NOT NULL,       -- last attempt
  tries INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  more INTEGER NOT NULL,        -- like it, held back since told_at
  promised INTEGER NOT NULL     -- held back before that; part of the message that was or is being sent
)
"""


class Outbox:
    """The alerts of this machine."""

    def __init__(self, window_s: float, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self.path = path or home() / "alerts.sqlite"
        self._window_s = window_s
        self._clock = clock

    def claim(self, alert: Alert) -> Message | None:
        """The message to send, or None where somebody was told of this trouble a short while ago."""

        def look(file: sqlite3.Connection) -> Message | None:
            now = self._clock()
            row = file.execute(
                "SELECT told_at, more FROM alerts WHERE fingerprint = ?", (alert.fingerprint,)
            ).fetchone()
            if row and self._in_window(row[0], now):
                file.execute(
                    "UPDATE alerts SET more = more + 1, alert = ? WHERE fingerprint = ?",
                    (alert.model_dump_json(), alert.fingerprint),
                )
                return None
            more = int(row[1]) if row else 0
            file.execute(
                "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, 1, 0, 0, ?)",
                (alert.fingerprint, alert.model_dump_json(), now, now, more),
            )
            return Message(alert, more, now)

        return self._with_file(look, lambda: _remembered(alert, self._clock(), self._window_s))

    def delivered(self, message: Message) -> None:
        """Note that at least one channel took it."""
        fingerprint = message.alert.fingerprint
        self._with_file(
            lambda file: file.execute("UPDATE alerts SET delivered = 1 WHERE fingerprint = ?", (fingerprint,)),
            lambda: None,
        )

    def due(self) -> list[Message]:
        """What should be sent now: messages that no channel took, and those held back in windows that have ended.

        Whoever gets a message here has it alone.
        """

        def look(file: sqlite3.Connection) -> list[Message]:
            now, found = self._clock(), []
            file.execute("DELETE FROM alerts WHERE told_at < ?", (now - _FORGET_S,))
            rows = file.execute(
                "SELECT fingerprint, alert, told_at, tried_at, tries, delivered, more, promised FROM alerts"
            ).fetchall()
            for fingerprint, text, told_at, tried_at, tries, done, more, promised in rows:
                try:
                    alert = Alert.model_validate_json(text)
                except ValidationError:  # written by another version
                    file.execute("DELETE FROM alerts WHERE fingerprint = ?", (fingerprint,))
                    continue
                over = not self._in_window(told_at, now)
                waiting = not done and tries < _TRIES and abs(now - told_at) < _KEEP_UNSENT_S
                if waiting and abs(now - tried_at) >= _SENDING_S:
                    count = promised + (more if over else 0)
                    file.execute(
                        "UPDATE alerts SET tried_at = ?, tries = tries + 1, promised = ?, more = ? "
                        "WHERE fingerprint = ?",
                        (now, count, 0 if over else more, fingerprint),
                    )
                    found.append(Message(alert, count, told_at))
                elif over and more and (done or not waiting):
                    file.execute(
                        "UPDATE alerts SET told_at = ?, tried_at = ?, tries = 1, delivered = 0, promised = ?, more = 0 "
                        "WHERE fingerprint = ?",
                        (now, now, more, fingerprint),
                    )
                    found.append(Message(alert, more, now))
            return found

        return self._with_file(look, list)

    def _in_window(self, told_at: float, now: float) -> bool:
        return abs(now - told_at) < self._window_s  # a clock that was set back must not silence anything for long

    def _with_file(self, work: Callable[[sqlite3.Connection], T], instead: Callable[[], T]) -> T:
        try:
            try:
                with self._opened() as file:
                    return work(file)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._put_aside()
                with self._opened() as file:
                    return work(file)
        except (sqlite3.Error, OSError, StorageError) as error:
            log.warning("%s can't be used (%s): alerts may be sent twice", self.path, error)
            return instead()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self.path, timeout=_WAIT_FOR_OTHERS_S, isolation_level=None)
        try:
            # not worth waiting for the disk, which is what others would wait for; a damaged file is begun anew
            file.execute("PRAGMA synchronous = OFF")
            file.execute("BEGIN IMMEDIATE")
            file.execute(_TABLE)
            yield file
            file.execute("COMMIT")
        finally:
            file.close()

    def _put_aside(self) -> None:
        """Keep the damaged file for whoever wants to look, unless another process has just done so."""
        locks = FileLocks(locks_path())
        if not locks.try_acquire("alerts outbox", "me"):
            raise OSError("another process is putting the damaged file aside")
        try:
            with self._opened():
                return
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            log.warning("%s is damaged (%s) and was put aside", self.path, error)
            self.path.replace(self.path.with_suffix(".damaged"))
        finally:
            locks.release("alerts outbox", "me")


_memory: dict[str, float] = {}
_guard = Lock()


def _remembered(alert: Alert, now: float, window_s: float) -> Message | None:
    with _guard:
        told_at = _memory.get(alert.fingerprint)
        if told_at is not None and abs(now - told_at) < window_s:
            return None
        _memory[alert.fingerprint] = now
        return Message(alert, 0, now)
