"""What hosted recognisers have in common: what they are sent, and what of their answers is believed."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import read_speech, speech_duration_ms
from earwitness.spans import Span

MOST_NAMES = 60
"""Of the cast, that a service is told to expect: more make it hear them everywhere."""
SHORTEST_MS = 1_000
"""Services refuse sound of a few hundredths of a second, and hear nothing in it."""
_REACH_MS = 300
_BLOCK_MS = 60_000


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
