"""Setting a level without letting peaks through."""

from typing import Any


def limited(audio: Any, rate: int, gain_db: float, limit_db: float) -> Any:
    """One linear gain, and a limiter behind it, as filters of ffmpeg; dynamics are not compressed.

    Args:
        audio: the stream that they are put behind.
        rate: its rate in Hz, and that of the result.
        gain_db: of everything.
        limit_db: highest peak in dBFS; an encoder behind it may add a decibel.
    """
    return (
        audio.filter("volume", volume=f"{gain_db:.3f}dB", precision="float")
        # At twice the rate the limiter sees nearly all of what lies between the samples; the check sees the rest.
        .filter("aresample", 2 * rate)
        .filter("alimiter", limit=f"{10 ** (limit_db / 20):.6f}", attack=5, release=50, level=0, latency=1)
        .filter("aresample", rate)
    )
