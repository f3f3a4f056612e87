"""Recordings of one voice, cut out of the demo's scene and of the telephone call."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import earwitness.demo

SCENE = Path(earwitness.demo.__file__).with_name("scene.ogg")
OREN = (500, 8_000)
"""A stretch of the scene in which only Oren speaks, in ms."""


@pytest.fixture(scope="session")
def diane(tmp_path_factory: pytest.TempPathFactory, phone_call: Path) -> Path:
    """Diane alone, from the second half of the telephone call (5 s)."""
    samples, rate = soundfile.read(phone_call, dtype="int16")
    parts = [samples[round(start * rate) : round(end * rate)] for start, end in ((18.65, 21.45), (27.9, 30.0))]
    path = tmp_path_factory.mktemp("voices") / "diane.wav"
    soundfile.write(path, np.concatenate(parts), rate)
    return path
