"""Read a recording's header with PyAV and print it as JSON. Run as a script in a process of its own.

PyAV runs FFmpeg's parsers inside the process: a hostile header may crash, hang or bloat it, so it never runs in ours.
This script imports nothing of Earwitness: it must start fast.
"""

import json
import sys
from itertools import islice
from typing import Any

MAX_TRACKS = 32
MAX_TAGS = 64
MAX_TAG_CHARS = 1_000


def describe(path: str, protocols: str, formats: str) -> dict[str, Any]:
    """Facts of the container and its streams; nothing but the file itself can be opened."""
    import av

    options = {"protocol_whitelist": protocols, "format_whitelist": formats}
    with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
        tags: dict[str, str] = {}
        audio = []
        for stream in container.streams.audio[:MAX_TRACKS]:
            context = stream.codec_context
            if context is None:  # no decoder for it; PyAV's own types say this can't be
                continue  # type: ignore[unreachable]
            tags |= _bounded(stream.metadata)
            audio.append(
                {
                    "codec": context.codec.canonical_name,
                    "sample_rate_hz": context.sample_rate or 0,
                    "channels": context.channels or 0,
                    "channel_names": [channel.name for channel in context.layout.channels] if context.channels else [],
                    "sample_format": context.format.name if context.format else "",
                    "bit_rate_bps": context.bit_rate,
                    "duration_ms": _ms(stream.duration, stream.time_base),
                    "default": bool(stream.disposition & av.stream.Disposition.default),
                    "start_ms": _start_ms(container, stream),
                }
            )
        videos = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        return {
            "container": container.format.name,
            "duration_ms": None if container.duration is None else container.duration // 1000,
            "bit_rate_bps": container.bit_rate or None,
            "tags": _bounded(tags | _bounded(container.metadata)),
            "has_video": bool(videos),
            "film": _film(videos[0]) if videos else None,
            "streams": len(container.streams),
            "tracks": len(container.streams.audio),
            "audio": audio,
        }


def _film(stream: Any) -> dict[str, Any] | None:
    context = stream.codec_context
    return {"transfer": int(context.color_trc)} if context is not None else None  # None: no decoder for it


def _start_ms(container: Any, stream: Any) -> int:
    if stream.start_time is None or stream.time_base is None or container.start_time is None:
        return 0
    begins: float = stream.start_time * stream.time_base * 1000 - container.start_time / 1000
    return round(begins)


def _bounded(tags: dict[str, str]) -> dict[str, str]:
    """Tags of bounded size: a header may hold a gigabyte of them. The container's come last, so they are kept."""
    kept = islice(reversed(tags.items()), MAX_TAGS)
    return {name[:MAX_TAG_CHARS]: text[:MAX_TAG_CHARS] for name, text in kept}


def _ms(duration: int | None, time_base: Any) -> int | None:
    return None if duration is None or time_base is None else int(duration * time_base * 1000)


def main() -> None:
    """Arguments: path, protocol whitelist, format whitelist, memory limit in bytes, processor limit in seconds."""
    path, protocols, formats, memory, seconds = sys.argv[1:6]
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import av

    try:
        answer = describe(path, protocols, formats)
    except (av.FFmpegError, ValueError, MemoryError, OverflowError) as error:
        answer = {"error": f"{getattr(error, 'strerror', None) or error}"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
