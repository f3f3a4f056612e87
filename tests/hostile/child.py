"""A process that opens doors, which may die or hang without taking the test along."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.hostile.doors import Answer

ROOT = Path(__file__).resolve().parents[2]


class Child:
    """Starts `tests.hostile.doors`, asks it, and starts another when it is gone.

    Args:
        home: its EARWITNESS_HOME.
        wrapper: a command to run it under, such as `unshare -rn`.
        limit_s: longest wait for an answer.
    """

    def __init__(self, home: Path, wrapper: tuple[str, ...] = (), limit_s: float = 60.0) -> None:
        self._command = [*wrapper, sys.executable, "-m", "tests.hostile.doors"]
        self._home = home
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ask(self, door: str, path: Path) -> Answer:
        """What comes of a file; `died` and `hangs` are answers too."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"door": door, "path": str(path)}).encode() + b"\n")
            process.stdin.flush()
            line = self._line(process.stdout)
        except BrokenPipeError:
            line = b""
        if line is None:
            self.stop()
            return Answer("hangs", f"no answer within {self._limit_s:g} s", seconds=self._limit_s)
        if not line.endswith(b"\n"):
            code = process.wait()
            said = self._said()
            self.stop()
            return Answer("died", f"exit status {code}: {said}")
        return Answer(**json.loads(line))

    def stop(self) -> None:
        """End the process and what it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, self._complaints):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                start_new_session=True,
                env={**os.environ, "EARWITNESS_HOME": str(self._home)},
            )
        return self._process

    def _line(self, pipe: IO[bytes]) -> bytes | None:
        """A line; None when it does not come in time; without its end when the process is gone."""
        deadline = time.monotonic() + self._limit_s
        got = b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not got.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                chunk = os.read(pipe.fileno(), 1 << 16)
                if not chunk:
                    break
                got += chunk
        return got

    def _said(self) -> str:
        assert self._complaints is not None
        self._complaints.seek(0)
        return self._complaints.read()[-2000:].decode(errors="replace")
