"""Whether a sound or film that we encoded opens, is what its name says, and is as long as planned.

Our own files are read inside this process with PyAV; recordings from outside never are (see `audio.probe`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earwitness.checks.finding import Finding, error, warning

LEAST_BPS = 32_000
"""Speech in AAC below this is hard to follow."""
WITHIN_MS = 300
"""Encoders pad a frame or two at each end."""

_KINDS = {
    # suffix: (container's names, sound codec, picture codec)
    ".flac": ("flac", "flac", None),
    ".m4a": ("mov,mp4,m4a,3gp,3g2,mj2", "aac", None),
    ".mp4": ("mov,mp4,m4a,3gp,3g2,mj2", "aac", "h264"),
}
_LOSSY = ("aac",)


@dataclass
class _Stream:
    """One track as its packets tell it."""

    kind: str
    codec: str
    width: int = 0
    height: int = 0
    bytes: int = 0
    start_ms: float | None = None
    end_ms: float = 0.0
    lasting_ms: float = 0.0
    packets: int = 0
    backwards: int = 0
    decoded: int = 0

    @property
    def length_ms(self) -> float:
        """Less than from its first to its last moment where something in between is gone."""
        span = 0.0 if self.start_ms is None else self.end_ms - max(0.0, self.start_ms)
        return min(span, self.lasting_ms)


def check_media(
    path: Path,
    name: str,
    *,
    length_ms: int | None = None,
    within_ms: int = WITHIN_MS,
    size: tuple[int, int] | None = None,
    decode: bool = False,
) -> list[Finding]:
    """Check a finished `.flac`, `.m4a` or `.mp4`.

    Args:
        path: where it lies.
        name: its path in the bundle; the suffix says what it must be.
        length_ms: how long it should be; None: any length above zero.
        within_ms: how far from that it may be.
        size: width and height of the picture; None: any.
        decode: decode every frame as well; without it damage inside a frame is not seen.
    """
    suffix = Path(name).suffix
    if suffix not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        return [error(name, f"It is named {suffix or 'without an ending'}; media files end in {known}.")]
    import av

    try:
        container, streams = _read(path, decode)
    except (av.FFmpegError, ValueError, OSError) as problem:
        return [error(name, f"It can't be read to its end ({getattr(problem, 'strerror', None) or problem}).")]
    kind, sound_codec, picture_codec = _KINDS[suffix]
    if container != kind:
        return [error(name, f"It is named {suffix}, but it is a {container} file.")]
    found: list[Finding] = []
    sounds = [stream for stream in streams if stream.kind == "audio"]
    pictures = [stream for stream in streams if stream.kind == "video"]
    if len(sounds) != 1:
        found.append(error(name, f"It has {len(sounds)} sound tracks; there must be one."))
    if len(pictures) != (picture_codec is not None):
        expected = "one" if picture_codec else "none"
        found.append(error(name, f"It has {len(pictures)} picture tracks; there must be {expected}."))
    for stream in sounds:
        found += _check_sound(stream, name, sound_codec, length_ms, within_ms)
    for stream in pictures:
        found += _check_picture(stream, name, picture_codec, size)
        if sounds and abs(stream.length_ms - sounds[0].length_ms) > within_ms:
            lengths = f"{stream.length_ms / 1000:.1f} s and its sound {sounds[0].length_ms / 1000:.1f} s"
            found.append(error(name, f"Its picture lasts {lengths}."))
    for stream in streams:
        if stream.backwards:
            found.append(error(name, f"Its {stream.kind} track goes back in time {stream.backwards} times."))
        if decode and stream.packets and not stream.decoded:
            found.append(error(name, f"Nothing of its {stream.kind} track can be decoded."))
    return found


def _check_sound(stream: _Stream, name: str, codec: str, length_ms: int | None, within_ms: int) -> list[Finding]:
    found = []
    if stream.codec != codec:
        found.append(error(name, f"Its sound is {stream.codec}; it must be {codec}."))
    if stream.length_ms <= 0:
        return [*found, error(name, "It holds no sound.")]
    if length_ms is not None and abs(stream.length_ms - length_ms) > within_ms:
        found.append(
            error(name, f"Its sound lasts {stream.length_ms / 1000:.1f} s; {length_ms / 1000:.1f} s were planned.")
        )
    rate = stream.bytes * 8000 / stream.length_ms
    if stream.codec in _LOSSY and rate < LEAST_BPS:
        # A warning: an encoder spends little on long silences, and that is right.
        found.append(
            warning(name, f"Its sound has {rate / 1000:.0f} kbit/s; under {LEAST_BPS // 1000} speech suffers.")
        )
    return found


def _check_picture(stream: _Stream, name: str, codec: str | None, size: tuple[int, int] | None) -> list[Finding]:
    found = []
    if stream.codec != codec:
        found.append(error(name, f"Its picture is {stream.codec}; it must be {codec}."))
    if size is not None and (stream.width, stream.height) != size:
        found.append(error(name, f"Its picture is {stream.width}x{stream.height}; {size[0]}x{size[1]} was planned."))
    return found


def _read(path: Path, decode: bool) -> tuple[str, list[_Stream]]:
    """Container and tracks, from walking through every packet: a file that was cut off ends early here."""
    import av

    with av.open(f"file:{path}", options={"protocol_whitelist": "file", "err_detect": "crccheck+explode"}) as container:
        streams: dict[int, _Stream] = {}
        last: dict[int, int] = {}
        for stream in container.streams:
            if stream.type in {"audio", "video"}:
                context = stream.codec_context
                width, height = getattr(context, "width", 0), getattr(context, "height", 0)
                if stream.type == "video":
                    # it smooths what was decoded, says nothing about damage, and takes a quarter of the time
                    context.options = {"skip_loop_filter": "all", "flags2": "+fast"}
                streams[stream.index] = _Stream(stream.type, context.codec.canonical_name, width, height)
        wanted = [stream for stream in container.streams if stream.index in streams]
        for packet in container.demux(wanted):
            _count(streams[packet.stream.index], packet, last)
            if decode:
                streams[packet.stream.index].decoded += len(packet.decode())
        return container.format.name, list(streams.values())


def _count(stream: _Stream, packet: Any, last: dict[int, int]) -> None:
    if packet.pts is None or packet.time_base is None:  # the empty packet at the end
        return
    base = float(packet.time_base) * 1000
    begin, end = packet.pts * base, (packet.pts + (packet.duration or 0)) * base
    stream.start_ms = begin if stream.start_ms is None else min(begin, stream.start_ms)
    stream.end_ms = max(stream.end_ms, end)
    stream.lasting_ms += end - begin
    stream.packets += 1
    stream.bytes += packet.size
    if packet.dts is not None:
        index = packet.stream.index
        stream.backwards += packet.dts < last.get(index, packet.dts)
        last[index] = packet.dts
