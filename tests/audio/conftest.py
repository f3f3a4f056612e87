"""Small recordings, made on the spot."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

Samples = npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def speech(phone_call: Path) -> Samples:
    """Ten seconds of the telephone call (it begins with silence), 16 kHz mono."""
    samples, rate = soundfile.read(phone_call, dtype="float32", start=112_000, stop=272_000)
    assert rate == 16_000
    return np.asarray(samples, np.float32)
