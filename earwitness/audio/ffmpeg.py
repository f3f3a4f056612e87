"""Running ffmpeg: the one place that starts it.

Graphs are built with ffmpeg-python. Inputs are opened by whitelisted demuxers over whitelisted protocols only, so a
playlist or script that poses as a recording is refused instead of followed. A child that stalls, or outlives its
limit, is killed.
"""

import errno
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from earwitness.errors import EarwitnessError, EngineUnavailable, StorageError, ToolFailed
from earwitness.interrupt import stoppable

STALL_S = 120.0
"""A child that makes no progress for so long is stuck: even slow network disks deliver something in two minutes."""

PROTOCOLS = "file,pipe"

# Demuxers of recordings, by ffmpeg's names. Left out on purpose: everything that opens other files or addresses
# (hls, dash, concat, sdp, rtsp, imf, image2 ...), pictures, subtitles, and game formats.
FORMATS = (
    "3gp aa aac aax ac3 aea aiff amr amrnb amrwb ape asf au avi caf dsf dts dtshd dv eac3 flac flv g722 gsm iff ircam "
    "loas m4a matroska mov mp3 mp4 mpc mpc8 mpeg mpegts mxf nistsphere nut ogg oma rm sox tak truehd tta voc w64 wav "
    "webm wsd wtv wv"
).replace(" ", ",")

# No recording needs a single block of more than this; headers that lie about sizes do.
_MAX_ALLOC = 512 << 20

_OLDEST = 5
"""The limiter that levels the listening copy keeps its timing (`latency`) since FFmpeg 5."""

_ASKED_TO_STOP = 255
"""Exit status after SIGINT or SIGTERM, which ffmpeg takes as the end of its input: what it wrote looks complete."""

_KEPT_LINES = 40
_LINE_CHARS = 400


@dataclass(frozen=True)
class FfmpegInfo:
    """Which ffmpeg is used here."""

    path: str
    version: str
    origin: Literal["system", "imageio-ffmpeg"]


def ffmpeg_info() -> FfmpegInfo:
    """The ffmpeg to use: the system's if it is on PATH and runs, else the one in the imageio-ffmpeg wheel.

    Raises:
        EngineUnavailable: neither runs; the message says what was tried.
    """
    tried = []
    on_path = shutil.which("ffmpeg")
    if on_path:
        version = _version(on_path)
        if version and not _too_old(version):
            return FfmpegInfo(on_path, version, "system")
        tried.append(f"{on_path} ({f'{version} is older than {_OLDEST}' if version else 'does not run'})")
    else:
        tried.append("ffmpeg on PATH (not found)")
    try:
        import imageio_ffmpeg

        bundled = str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        tried.append(f"imageio-ffmpeg ({error})")
    else:
        version = _version(bundled)
        if version:
            return FfmpegInfo(bundled, version, "imageio-ffmpeg")
        tried.append(f"{bundled} (does not run)")
    raise EngineUnavailable(
        f"No working ffmpeg. Tried: {'; '.join(tried)}.",
        "Install ffmpeg with the system's package manager, or reinstall the imageio-ffmpeg package.",
    )


def ffmpeg_path() -> str:
    """Path of the ffmpeg binary in use (see `ffmpeg_info`)."""
    return ffmpeg_info().path


@lru_cache(maxsize=8)
def _version(path: str) -> str | None:
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    return words[2] if done.returncode == 0 and words[:2] == ["ffmpeg", "version"] else None


def has_filter(name: str) -> bool:
    """Whether the ffmpeg in use was built with a filter that some builds lack."""
    return name in _filters(ffmpeg_path())


@lru_cache(maxsize=8)
def _filters(path: str) -> frozenset[str]:
    done = subprocess.run([path, "-hide_banner", "-filters"], capture_output=True, text=True, timeout=30, check=False)
    rows = (line.split() for line in done.stdout.splitlines())
    return frozenset(row[1] for row in rows if len(row) > 2 and "->" in row[2])


def _too_old(version: str) -> bool:
    """Whether a release is too old; builds from git carry no release number and pass."""
    number = re.match(r"n?(\d+)\.", version)
    return number is not None and int(number[1]) < _OLDEST


def source(path: Path, *, start_ms: int | None = None, end_ms: int | None = None, **options: Any) -> Any:
    """An ffmpeg-python input node for a recording, opened safely; `start_ms..end_ms` cuts sample-exactly.

    Args:
        path: of the recording; any characters, a leading dash too.
        start_ms: where to begin.
        end_ms: where to stop.
        options: further ffmpeg input options.
    """
    import ffmpeg

    if start_ms:
        options["ss"] = f"{start_ms}ms"
    if end_ms is not None:
        options["t"] = f"{max(0, end_ms - (start_ms or 0))}ms"
    return ffmpeg.input(
        f"file:{path.absolute()}", protocol_whitelist=PROTOCOLS, format_whitelist=FORMATS, max_error_rate=1, **options
    )


@dataclass
class Report:
    """How a run of ffmpeg ended."""

    returncode: int | None = None
    errors: int = 0
    """Error lines that ffmpeg printed, all of them counted."""
    first: list[str] = field(default_factory=list)
    """The first of these lines, shortened."""
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))
    """The last of these lines, shortened."""
    stalled: str = ""
    """Why the child was killed by us; empty if it was not."""

    @property
    def reason(self) -> str:
        """The first thing that ffmpeg complained about, for people: what follows is mostly its echo."""
        line = self.first[0] if self.first else f"exit status {self.returncode}"
        return line.rsplit("] ", 1)[-1]

    def raise_for_tool(self) -> None:
        """Raise if the run ended for a reason that is not the recording's fault.

        Raises:
            ToolFailed: killed or stopped by a signal, stalled, or past its time limit.
            StorageError: no space, or a file system that can't be written.
        """
        if self.stalled:
            raise ToolFailed(self.stalled, "Try again; if it happens again the file or its disk is at fault.")
        if self.returncode is not None and self.returncode < 0:
            name = signal.Signals(-self.returncode).name
            raise ToolFailed(
                f"ffmpeg was ended by {name}.",
                "Try again with more free memory; if it happens again, convert the file with another program first.",
                signal=name,
            )
        if self.returncode == _ASKED_TO_STOP:
            raise ToolFailed(
                "ffmpeg was asked to stop before it was done.", "Try again; what it wrote so far is not used."
            )
        for code in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
            text = os.strerror(code)
            if self.returncode and any(text in line for line in [*self.first, *self.last]):
                raise StorageError(
                    f"ffmpeg can't write its output ({text}).",
                    "Free some space or point EARWITNESS_HOME at a writable folder.",
                )

    def raise_for_failure(self, fault: type[EarwitnessError] = ToolFailed, what: str = "ffmpeg failed") -> None:
        """Raise if the run did not succeed; `fault` is raised when ffmpeg itself gave up."""
        self.raise_for_tool()
        if self.returncode:
            raise fault(f"{what}: {self.reason}.", "", lines=list(self.last))


class Running:
    """A started ffmpeg whose standard output is read by the caller."""

    def __init__(self, process: "subprocess.Popen[bytes]", stall_s: float, limit_s: float | None) -> None:
        assert process.stdout is not None
        self.report = Report()
        self._process = process
        self._stall_s = stall_s
        self._limit_s = limit_s
        self._deadline = None if limit_s is None else time.monotonic() + limit_s
        self._fd = process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._fd, selectors.EVENT_READ)
        self._listener = threading.Thread(target=self._listen, name="ffmpeg-stderr", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` (bytes) from ffmpeg's standard output.

        Returns:
            how many bytes were read; fewer than asked for only at the end.

        Raises:
            ToolFailed: nothing came for too long, or the time limit passed; the child has been killed.
        """
        filled = 0
        while filled < len(buffer):
            got = self.read_some(buffer[filled:])
            if not got:
                break
            filled += got
        return filled

    def read_some(self, buffer: memoryview) -> int:
        """Read what is there, at least a byte; 0 at the end. Raises as `read_into` does."""
        wait = self._stall_s
        if self._deadline is not None:
            wait = min(wait, self._deadline - time.monotonic())
        if wait <= 0 or not self._selector.select(wait):
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self.kill(f"ffmpeg was stopped at its time limit of {self._limit_s:g} s.")
            else:
                self.kill(f"ffmpeg gave nothing for {self._stall_s:g} s and was stopped.")
            self.report.raise_for_tool()
        return os.readv(self._fd, [buffer])

    def kill(self, why: str) -> None:
        """End the child and note the reason in the report."""
        self.report.stalled = why
        self._process.kill()

    def finish(self) -> Report:
        """Wait for the end (standard output has been read to its end)."""
        try:
            self.report.returncode = self._process.wait(timeout=self._stall_s)
        except subprocess.TimeoutExpired:
            self.kill(f"ffmpeg did not end within {self._stall_s:g} s of its last output.")
            self.report.returncode = self._process.wait()
        self._listener.join()
        return self.report

    def close(self) -> None:
        """Kill the child if it still runs, and free its pipes."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._selector.close()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        while chunk := os.read(self._process.stderr.fileno(), 1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[:_LINE_CHARS]  # a hostile file can make one endless line
            for line in lines:
                self._note(line)
        if rest:
            self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line[:_LINE_CHARS].decode(errors="replace").strip()
        if not text:
            return
        self.report.errors += 1
        if len(self.report.first) < _KEPT_LINES:
            self.report.first.append(text)
        self.report.last.append(text)


@contextmanager
def running(outputs: Any, *, stall_s: float | None = None, limit_s: float | None = None) -> Iterator[Running]:
    """Start ffmpeg on an ffmpeg-python graph; on leaving the block the child is gone, whatever happened.

    Args:
        outputs: an output node, or `ffmpeg.merge_outputs(...)`; one output may go to `pipe:1`.
        stall_s: longest silence on standard output; None: `STALL_S`.
        limit_s: longest run.

    Raises:
        EngineUnavailable: there is no ffmpeg.
    """
    import ffmpeg

    command = ffmpeg.compile(
        outputs,
        cmd=[
            ffmpeg_path(),
            *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+level+error"),
            *("-max_alloc", str(_MAX_ALLOC)),
        ],
        overwrite_output=True,
    )
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert process.stdout is not None
    _widen(process.stdout.fileno())
    child = Running(process, STALL_S if stall_s is None else stall_s, limit_s)
    try:
        with stoppable(lambda: child.kill("ffmpeg was stopped because the run was interrupted.")):
            yield child
    finally:
        child.close()


def _widen(fd: int) -> None:
    """Give the pipe 1 MiB where the system can: both sides then switch sixteen times less often."""
    if sys.platform == "linux":
        import fcntl

        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 1 << 20)
        except OSError:  # the user's pipe quota is used up; the default size works too
            return


def run(
    outputs: Any,
    *,
    stall_s: float | None = None,
    limit_s: float | None = None,
    on_time: Callable[[int], None] | None = None,
    fault: type[EarwitnessError] = ToolFailed,
    what: str = "ffmpeg failed",
) -> Report:
    """Run an ffmpeg-python graph that writes files, to its end.

    Args:
        outputs: an output node, or `ffmpeg.merge_outputs(...)`; standard output is taken by progress.
        stall_s: longest time without a further millisecond or byte of output; None: `STALL_S`.
        limit_s: longest run.
        on_time: called with the milliseconds written so far, about twice a second.
        fault: class to raise when ffmpeg gives up on its input.
        what: begins that error's message.

    Raises:
        ToolFailed: killed, stalled or timed out.
        StorageError: the output can't be written.
        EarwitnessError: `fault`, if ffmpeg ended with an error of its own.
    """
    stall_s = STALL_S if stall_s is None else stall_s
    with running(
        outputs.global_args("-progress", "pipe:1", "-stats_period", "0.5"), stall_s=stall_s, limit_s=limit_s
    ) as child:
        buffer = memoryview(bytearray(1 << 14))
        text, moved_at = b"", time.monotonic()
        seen: dict[bytes, bytes] = {}
        while got := child.read_some(buffer):
            *lines, text = (text + bytes(buffer[:got])).split(b"\n")
            news = dict(line.split(b"=", 1) for line in lines if b"=" in line)
            marks: dict[bytes, bytes] = {key: news[key] for key in (b"out_time_us", b"total_size") if key in news}
            if marks and any(seen.get(key) != value for key, value in marks.items()):
                seen.update(marks)
                moved_at = time.monotonic()
                if on_time is not None and marks.get(b"out_time_us", b"N/A").lstrip(b"-").isdigit():
                    on_time(max(0, int(marks[b"out_time_us"]) // 1000))
            elif time.monotonic() - moved_at > stall_s:
                child.kill(f"ffmpeg made no progress for {stall_s:g} s and was stopped.")
                break
        report = child.finish()
    report.raise_for_failure(fault, what)
    return report
