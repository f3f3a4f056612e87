"""What a recording's header says: container, codec, tracks, declared duration, tags."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from earwitness.audio.ffmpeg import FORMATS, PROTOCOLS
from earwitness.errors import BadRecording, ToolFailed
from earwitness.schema import Record

_WALL_S = 120
_PROCESSOR_S = 30
_MEMORY = 3 << 30  # address space, most of it libraries; headers that ask for gigabytes are refused

MAX_CHANNELS = 64
MAX_RATE_HZ = 768_000

_REMEDY = "Give an audio or video file, such as WAV, FLAC, MP3, M4A, OGG, WebM or MP4."

_UNKNOWN = "not a recording"

# First bytes of things that people mistake for recordings, or that pose as ones.
_DISGUISES = (
    (b"#EXTM3U", "an HLS playlist, which only points to other files"),
    (b"ffconcat", "an ffconcat script, which only points to other files"),
    (b"[playlist]", "a playlist, which only points to other files"),
    (b"v=0\r\n", "an SDP description, which only points to a network stream"),
    (b"v=0\n", "an SDP description, which only points to a network stream"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
)


class AudioTrack(Record):
    """One audio track of a file, as its header describes it."""

    codec: str
    sample_rate_hz: int
    channels: int
    channel_names: list[str] = Field(description="FFmpeg's names, e.g. FL, FR, LFE; may be fewer than channels")
    sample_format: str
    bit_rate_bps: int | None
    duration_ms: int | None
    default: bool


class Probed(Record):
    """What the header says; nothing of it is proven before the file has been decoded."""

    container: str
    duration_ms: int | None
    bit_rate_bps: int | None
    tags: dict[str, str]
    has_video: bool
    streams: int
    audio: list[AudioTrack]


def probe(path: Path) -> Probed:
    """Read the header of a recording, in a child process that can open nothing but the file.

    Raises:
        BadRecording: not audio, no audio track, or a header that can't be true.
        ToolFailed: the child was killed from outside, or took too long.
    """
    script = Path(__file__).with_name("probe_child.py")
    command = [sys.executable, "-P", str(script), str(path.absolute()), PROTOCOLS, FORMATS]
    try:
        done = subprocess.run(
            [*command, str(_MEMORY), str(_PROCESSOR_S)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailed(
            f"Reading the header of {path.name} took more than {_WALL_S} s.", "Try again when the disk is less busy."
        ) from error
    if done.returncode:
        _explain_death(path, done)
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise BadRecording(f"{path.name} is {disguise_of(path)} ({answer['error']}).", _REMEDY)
    probed = _checked(path, answer)
    for track in probed.audio:
        if track.channels > MAX_CHANNELS or track.sample_rate_hz > MAX_RATE_HZ:
            raise BadRecording(
                f"{path.name} declares {track.channels} channels at {track.sample_rate_hz} Hz; up to {MAX_CHANNELS} "
                f"channels and {MAX_RATE_HZ} Hz are read.",
                "Its header is damaged, or it needs converting first.",
            )
    return probed


def _checked(path: Path, answer: dict[str, Any]) -> Probed:
    answer["audio"] = [track for track in answer["audio"] if track["channels"] > 0 and track["sample_rate_hz"] > 0]
    try:
        probed = Probed(**answer)
    except ValidationError as error:
        raise BadRecording(f"{path.name} has a header that makes no sense.", _REMEDY) from error
    if not probed.audio:
        kind = disguise_of(path)
        what = "a video without sound" if probed.has_video else f"a {probed.container} file without a readable track"
        raise BadRecording(
            f"{path.name} holds no audio track that can be decoded: it is {what if kind == _UNKNOWN else kind}.",
            _REMEDY,
        )
    return probed


def _explain_death(path: Path, done: "subprocess.CompletedProcess[bytes]") -> None:
    if done.returncode in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        raise ToolFailed(
            f"The process that reads the header of {path.name} was killed.", "Try again with more free memory."
        )
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
    if "ModuleNotFoundError" in lines[-1] or "ImportError" in lines[-1]:
        raise ToolFailed(f"PyAV can't be loaded ({lines[-1]}).", "Reinstall the av package.")
    raise BadRecording(
        f"The header of {path.name} is so damaged that its parser breaks ({lines[-1]}).",
        "Export the recording again from the program or device that made it.",
    )


def disguise_of(path: Path) -> str:
    """What a file that is no recording seems to be, for people."""
    with path.open("rb") as file:
        head = file.read(1024)
    for magic, name in _DISGUISES:
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(magic):
            return f"{name}, {_UNKNOWN}"
    if head and b"\0" not in head and head.isascii():
        return f"plain text, {_UNKNOWN}"
    if not head:
        return f"empty, {_UNKNOWN}"
    if head[4:8] == b"ftyp":
        return "an MP4 file without its index (an interrupted recording): its sound can't be found"
    return _UNKNOWN
