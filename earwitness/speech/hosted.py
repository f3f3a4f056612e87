"""What hosted recognisers have in common: when they may be asked, what they are sent, what of it is believed."""

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import read_speech, speech_duration_ms
from earwitness.engines.hub import Availability

Span = tuple[int, int]

MOST_NAMES = 60
"""Of the cast, that a service is told to expect: more make it hear them everywhere."""
SHORTEST_MS = 1_000
"""Services refuse sound of a few hundredths of a second, and hear nothing in it."""
_REACH_MS = 300
_BLOCK_MS = 60_000
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def may_be_asked(address: str, usual: str, key: str) -> Availability:
    """Can a service be asked at all? Calls nobody: a try would be paid for.

    Args:
        address: where it is.
        usual: where it is for those who set nothing; there it needs the key.
        key: the environment variable that holds the key.
    """
    parts = urlsplit(address)
    if parts.username or parts.password:
        return Availability(ok=False, why="transcribe.base_url holds a name or password, which would be recorded")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return Availability(ok=False, why=f"transcribe.base_url is {address!r}, which is no http(s) address")
    if parts.scheme == "http" and parts.hostname not in _HERE and os.environ.get(key):
        return Availability(ok=False, why=f"the key would travel unencrypted to {address}: use https")
    if address == usual and not os.environ.get(key):
        return Availability(ok=False, why=f"{key} is not set")
    return Availability(ok=True, why=f"asked for; the speech is sent to {parts.hostname}")


def write_piece(speech: Path, span: Span, sink: Path | IO[bytes]) -> str:
    """Write a piece of a recording as 16 kHz FLAC, a minute at a time.

    Args:
        speech: 16 kHz mono file.
        span: in ms.
        sink: a file to write, or an open one.

    Returns:
        SHA-256 of the samples (16 bit, little-endian): the same sound is the same question.
    """
    import soundfile

    digest = hashlib.sha256()
    start, end = span
    with soundfile.SoundFile(sink, "w", SPEECH_RATE_HZ, 1, "PCM_16", format="FLAC") as file:
        for first in range(start, end, _BLOCK_MS):
            samples = read_speech(speech, first, min(end, first + _BLOCK_MS))
            pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2")
            digest.update(pcm.tobytes())
            file.write(pcm)
    return digest.hexdigest()


def alone(speech: Path, spans: Sequence[Span]) -> list[Span]:
    """Stretches to be sent by themselves: with a little sound around, and never too short to be heard."""
    length = speech_duration_ms(speech)
    windows = []
    for start, end in spans:
        reach = max(_REACH_MS, (SHORTEST_MS - (end - start) + 1) // 2)
        windows.append((max(0, start - reach), min(length, end + reach)))
    return windows


def text_of(value: Any) -> str:
    """Text of an answer, checked: SDKs believe whatever comes.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"text is {value!r}")
    return " ".join(value.split())


def number_of(value: Any) -> float:
    """A finite number of an answer.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def asked_to_wait(response: Any) -> dict[str, float]:
    """`{"retry_after_s": ...}` if an HTTP response says so in seconds, else nothing."""
    try:
        seconds = float(response.headers["retry-after"])
    except (AttributeError, KeyError, ValueError):
        return {}
    return {"retry_after_s": seconds} if math.isfinite(seconds) and seconds >= 0 else {}
