"""The telephone call taken apart by its reference: a track a person, in which the other one can be heard too."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earwitness.speech.rttm import read_rttm
from earwitness.speech.turns import Turn

RATE_HZ = 16_000
NAMES = {"speaker90": "diane", "speaker91": "sheila"}


@dataclass(frozen=True)
class Parted:
    """What each person says, alone, and when."""

    voices: dict[str, npt.NDArray[np.float64]]
    turns: list[Turn]

    def tracks(self, bleed_db: float | None = None, delay_ms: int = 0) -> dict[str, npt.NDArray[np.float64]]:
        """A track a person over a noise of -70 dBFS; the others arrive weaker by `bleed_db`, and later."""
        noise = np.random.default_rng(7)
        made = {}
        for name, voice in self.voices.items():
            track = voice + noise.normal(0, 10 ** (-70 / 20), len(voice))
            if bleed_db is not None:
                late = delay_ms * RATE_HZ // 1000
                for other in self.voices:
                    if other != name:
                        track[late:] += 10 ** (bleed_db / 20) * self.voices[other][: len(voice) - late]
            made[name] = track
        return made


@pytest.fixture(scope="session")
def parted(phone_call: Path) -> Parted:
    """Diane and Sheila, each alone."""
    sound, rate = soundfile.read(phone_call)
    assert rate == RATE_HZ
    turns = [
        turn.model_copy(update={"speaker": NAMES[turn.speaker]}) for turn in read_rttm(phone_call.with_suffix(".rttm"))
    ]
    voices = {}
    for name in sorted(NAMES.values()):
        voices[name] = np.zeros_like(sound)
        for turn in turns:
            if turn.speaker == name:
                own = slice(turn.start_ms * RATE_HZ // 1000, turn.end_ms * RATE_HZ // 1000)
                voices[name][own] = sound[own]
    return Parted(voices, turns)


def write_tracks(folder: Path, tracks: dict[str, npt.NDArray[np.float64]], suffix: str = ".flac") -> Path:
    """A folder as Craig's zip holds it: numbered tracks, and other things."""
    folder.mkdir(parents=True)
    for number, (name, track) in enumerate(tracks.items(), 1):
        soundfile.write(folder / f"{number}-{name}{suffix}", track, RATE_HZ)
    (folder / "info.txt").write_text("Recording abc\nTracks:\n\tNobody#1\n")
    (folder / "raw.dat").write_bytes(b"\x00" * 64)
    (folder / ".DS_Store").write_bytes(b"\x00" * 64)
    return folder


def zip_folder(folder: Path, method: int = zipfile.ZIP_STORED) -> Path:
    """The folder as a zip beside it."""
    path = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
        archive.writestr(f"__MACOSX/._{folder.name}.flac", b"\x00" * 64)
    return path
