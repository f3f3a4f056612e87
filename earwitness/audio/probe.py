"""What a recording's header says: container, codec, tracks, declared duration, tags."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from earwitness.audio.ffmpeg import FORMATS, PROTOCOLS
from earwitness.audio.find import check_name
from earwitness.audio.lookalike import EXPORT_AGAIN, GIVE_ANOTHER, lookalike_of, wav_fault
from earwitness.errors import BadRecording, ToolFailed
from earwitness.schema import Record

_WALL_S = 120
_PROCESSOR_S = 30
_MEMORY = 3 << 30  # address space, most of it libraries; headers that ask for gigabytes are refused

MAX_CHANNELS = 64
MAX_RATE_HZ = 768_000
MIN_RATE_HZ = 1_000
"""A file of one sample a second would grow 16,000 times on its way to the speech engines' rate."""
MAX_SAMPLES_A_SECOND = 64 * 96_000
"""Over all channels: what is measured at once stays small."""


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
    start_ms: int = Field(default=0, description="when it begins, against the earliest track of the file")


class Film(Record):
    """The first track of moving pictures."""

    transfer: int = Field(description="characteristics of ITU-T H.273: 1 BT.709, 2 unknown, 16 PQ, 18 HLG ...")


class Probed(Record):
    """What the header says; nothing of it is proven before the file has been decoded."""

    container: str
    duration_ms: int | None
    bit_rate_bps: int | None
    tags: dict[str, str]
    has_video: bool
    streams: int
    audio: list[AudioTrack]
    film: Film | None = Field(default=None, description="null: no picture, or a still one, as a cover is")


def probe(path: Path) -> Probed:
    """Read the header of a recording, in a child process that can open nothing but the file.

    Raises:
        BadRecording: not audio, no audio track, or a header that can't be true.
        ToolFailed: the child was killed from outside, or took too long.
    """
    check_name(path)
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
        seems = lookalike_of(path)
        raise BadRecording(f"{path.name} is {seems.kind}.", seems.remedy, technical=answer["error"])
    probed = _checked(path, answer)
    for track in probed.audio:
        _check_track(path, track)
    return probed


def _checked(path: Path, answer: dict[str, Any]) -> Probed:
    tracks = answer.pop("tracks")
    answer["audio"] = [track for track in answer["audio"] if track["channels"] > 0 and track["sample_rate_hz"] > 0]
    try:
        probed = Probed(**answer)
    except ValidationError as error:
        raise BadRecording(f"{path.name} has a header that makes no sense.", EXPORT_AGAIN) from error
    if probed.audio:
        return probed
    if probed.has_video:
        raise BadRecording(f"{path.name} is a video without sound that could be decoded.", GIVE_ANOTHER)
    if tracks:
        why = wav_fault(path) or "it is stored in a way that can't be decoded here, or its header is damaged"
        raise BadRecording(f"The sound of {path.name} can't be read: {why}.", EXPORT_AGAIN)
    raise BadRecording(f"{path.name} holds no audio track.", GIVE_ANOTHER)


def _check_track(path: Path, track: AudioTrack) -> None:
    """Refuse what no recording needs before a decoder spends memory on it."""
    samples = track.channels * track.sample_rate_hz
    rates = MIN_RATE_HZ <= track.sample_rate_hz <= MAX_RATE_HZ
    if rates and track.channels <= MAX_CHANNELS and samples <= MAX_SAMPLES_A_SECOND:
        return
    channels = "1 channel" if track.channels == 1 else f"{track.channels:,} channels"
    raise BadRecording(
        f"The header of {path.name} says {channels} of {track.sample_rate_hz:,} samples a second. Allowed are up to "
        f"{MAX_CHANNELS} channels, {MIN_RATE_HZ:,} to {MAX_RATE_HZ:,} samples a second, and {MAX_SAMPLES_A_SECOND:,} "
        "over all channels.",
        f"If that can't be true, its header is damaged: {EXPORT_AGAIN[0].lower()}{EXPORT_AGAIN[1:]} If it is, convert "
        "it to 48,000 samples a second first.",
    )


def _explain_death(path: Path, done: "subprocess.CompletedProcess[bytes]") -> None:
    if done.returncode in (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
        raise ToolFailed(
            f"The process that reads the header of {path.name} was killed.", "Try again with more free memory."
        )
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
    if "ModuleNotFoundError" in lines[-1] or "ImportError" in lines[-1]:
        raise ToolFailed(f"PyAV can't be loaded ({lines[-1]}).", "Reinstall the av package.")
    raise BadRecording(
        f"The header of {path.name} is so damaged that the program which reads it breaks down.",
        EXPORT_AGAIN,
        technical=lines[-1][:400],
    )
