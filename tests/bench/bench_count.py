"""How often the number of speakers is right, on many short conversations with a known number.

Run from the repository root:

    python -m tests.bench.bench_count [--data DIR] [--each N] [--seed N]

The conversations are made here, 30 s each, from clips of one person (LibriSpeech, LibriVox, LJ Speech and others): one
to five people, some of whom say little more than "mm-hm" (0.5-2 s at a time), in noise and in half of them in a room.
Excerpts of the longer constructed conversations come on top. The same seed makes the same sound.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from os import environ
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earwitness.audio.pcm import read_speech
from earwitness.evaluation.diarization import diarization_score, whole_file
from earwitness.speech import bundled_diarizer
from earwitness.speech.rttm import read_rttm
from earwitness.speech.turns import Turn

_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
_RATE = 16_000
_LENGTH_MS = 30_000
_COUNTS = range(1, 6)

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Conversation:
    """Sound and who speaks in it."""

    name: str
    wave: Wave
    turns: list[Turn]

    @property
    def count(self) -> int:
        """True number of people."""
        return len({turn.speaker for turn in self.turns})


def conversations(data: Path, each: int, seed: int) -> Iterator[Conversation]:
    """Make the test material: `each` mixtures for every count, and as many excerpts as there are counts times `each`.

    Args:
        data: the shared data folder, with `conversations/` and `speech/`.
        each: mixtures for each number of people.
        seed: of all that is left to chance.
    """
    voices = _voices(data)
    for count in _COUNTS:
        for number in range(each):
            yield _mixture(f"mix-{count}-{number}", voices, count, np.random.default_rng([seed, count, number]))
    rng = np.random.default_rng([seed, 0])
    files = sorted((data / "conversations").glob("constructed_*.flac"))
    for number in range(each * len(_COUNTS)):
        yield _excerpt(f"cut-{number}", files[number % len(files)], rng)


def _voices(data: Path) -> dict[str, list[Wave]]:
    """Speech of each person, in clips with nobody else."""
    clips: dict[str, list[Wave]] = defaultdict(list)
    for name in ("constructed_2spk", "constructed_4spk"):  # no overlap in these
        path = data / "conversations" / f"{name}.flac"
        for turn in read_rttm(path.with_suffix(".rttm")):
            clips[turn.speaker].append(read_speech(path, turn.start_ms, turn.end_ms))
    for prefix in ("librivox_austen", "harvard_spk1", "jfk"):
        for path in sorted((data / "speech").glob(f"{prefix}*")):
            if path.suffix in {".wav", ".flac"}:
                clips[prefix].append(_trimmed(_read(path)))
    for path in sorted((data / "speech").glob("ljspeech*.wav")):
        clips["ljspeech"].append(_trimmed(_read(path)))
    return dict(sorted(clips.items()))


def _read(path: Path) -> Wave:
    import soundfile
    import soxr

    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    resampled: Wave = soxr.resample(wave.mean(axis=1), rate, _RATE).astype(np.float32)
    return resampled


def _trimmed(wave: Wave) -> Wave:
    power = np.convolve(wave**2, np.ones(320) / 320, mode="same")
    loud = np.flatnonzero(power > power.max() / 1000)
    return wave[loud[0] : loud[-1] + 1]


def _mixture(name: str, voices: dict[str, list[Wave]], count: int, rng: np.random.Generator) -> Conversation:
    people = [str(person) for person in rng.choice(sorted(voices), count, replace=False)]
    brief = set(people[1:][: int(rng.integers(0, count))]) if count > 1 else set()  # who says little
    sound = np.zeros(_LENGTH_MS * _RATE // 1000, np.float32)
    turns: list[Turn] = []
    gains = {person: 10 ** (float(rng.uniform(-4, 4)) / 20) for person in people}
    # Everybody speaks at least once; whoever says little does so once or twice.
    schedule = [person for person in people for _ in range(int(rng.integers(1, 3)) if person in brief else 1)]
    rng.shuffle(schedule)
    talkers = [person for person in people if person not in brief]
    at = int(rng.uniform(0.1, 1.0) * _RATE)
    left = len(schedule)
    while at < len(sound) - _RATE // 2:
        person = schedule[len(schedule) - left] if left else talkers[int(rng.integers(len(talkers)))]
        room_s = (len(sound) - at) / _RATE
        seconds = float(rng.uniform(0.5, 2.0) if person in brief else rng.uniform(1.5, min(7.0, 26.0 / len(schedule))))
        piece = _piece(voices[person], min(seconds, room_s), rng)
        end = min(len(sound), at + len(piece))
        sound[at:end] += piece[: end - at] * gains[person]
        turns.append(Turn(start_ms=at * 1000 // _RATE, end_ms=end * 1000 // _RATE, speaker=person))
        at = max(at + _RATE // 4, end + int(rng.uniform(-0.4, 0.8) * _RATE))
        left = max(0, left - 1)
    if rng.random() < 0.5:
        sound = _in_a_room(sound, rng)
    return Conversation(name, _noisy(sound, rng), sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms)))


def _piece(clips: list[Wave], seconds: float, rng: np.random.Generator) -> Wave:
    long_enough = [clip for clip in clips if len(clip) >= seconds * _RATE] or [max(clips, key=len)]
    clip = long_enough[int(rng.integers(len(long_enough)))]
    length = min(len(clip), int(seconds * _RATE))
    # The loudest of a few places: a reader's pause is not a turn.
    starts = rng.integers(0, len(clip) - length + 1, size=8)
    start = max(starts.tolist(), key=lambda place: float(np.square(clip[place : place + length]).sum()))
    piece = clip[start : start + length] / max(1e-6, float(np.sqrt(np.square(clip).mean()))) * np.float32(0.07)
    edge = np.minimum(1, np.arange(length) / 160).astype(np.float32)
    faded: Wave = (piece * edge * edge[::-1]).astype(np.float32)
    return faded


def _in_a_room(sound: Wave, rng: np.random.Generator) -> Wave:
    from scipy.signal import fftconvolve

    decay_s = float(rng.uniform(0.2, 0.5))  # to -60 dB
    time = np.arange(int(decay_s * _RATE)) / _RATE
    echo = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay_s)
    echo *= 0.5 / np.sqrt(np.square(echo).sum())
    echo[0] = 1.0
    wet: Wave = fftconvolve(sound, echo)[: len(sound)].astype(np.float32)
    return wet


def _noisy(sound: Wave, rng: np.random.Generator) -> Wave:
    spectrum = np.fft.rfft(rng.standard_normal(len(sound)))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), len(sound))
    snr_db = float(rng.uniform(12, 30))
    noise = pink / pink.std() * sound.std() * 10 ** (-snr_db / 20)
    mixed = sound + noise.astype(np.float32)
    levelled: Wave = (mixed * (0.9 / max(0.9, float(np.abs(mixed).max())))).astype(np.float32)
    return levelled


def _excerpt(name: str, path: Path, rng: np.random.Generator) -> Conversation:
    turns = read_rttm(path.with_suffix(".rttm"))
    while True:
        start = int(rng.integers(0, turns[-1].end_ms - _LENGTH_MS))
        inside = [
            Turn(
                start_ms=max(0, turn.start_ms - start),
                end_ms=min(_LENGTH_MS, turn.end_ms - start),
                speaker=turn.speaker,
            )
            for turn in turns
            if turn.start_ms < start + _LENGTH_MS and turn.end_ms > start
        ]
        talk: dict[str, int] = defaultdict(int)
        for turn in inside:
            talk[turn.speaker] += turn.end_ms - turn.start_ms
        if min(talk.values()) >= 500:  # nobody is cut off to a syllable
            return Conversation(name, read_speech(path, start, start + _LENGTH_MS), inside)


def main() -> None:
    """Print how many counts are exact and how many off by one, for each true count."""
    parser = argparse.ArgumentParser(description="Counts of speakers on conversations made from clips.")
    parser.add_argument("--data", type=Path, default=_SHARED)
    parser.add_argument("--each", type=int, default=4, help="mixtures for each number of people")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows: dict[tuple[str, int], list[int]] = defaultdict(list)
    errors = speech = 0.0
    with tempfile.TemporaryDirectory() as folder:
        environ["EARWITNESS_HOME"] = folder
        for made in conversations(options.data, options.each, options.seed):
            found = bundled_diarizer.find_speakers(_written(made, Path(folder)))
            score = diarization_score(made.turns, found.turns, whole_file(_LENGTH_MS, made.turns))
            errors += score.missed_s + score.false_alarm_s + score.confusion_s
            speech += score.speech_s
            rows[made.name.split("-")[0], made.count].append(found.count.count - made.count)
    print_rows(rows)
    print(f"DER {100 * errors / speech:.1f} %")


def _written(made: Conversation, folder: Path) -> Path:
    import soundfile

    path = folder / "conversation.flac"
    soundfile.write(path, made.wave, _RATE, subtype="PCM_16")
    return path


def print_rows(rows: dict[tuple[str, int], list[int]]) -> None:
    """The table: exact and off by one, for each kind and true count, and over all."""
    print(f"{'kind':6s}{'true':>5s}{'exact':>9s}{'off by 1':>9s}  found - true")
    for (kind, count), off in sorted(rows.items()):
        near = sum(abs(error) == 1 for error in off)
        exact = f"{off.count(0)}/{len(off)}"
        print(f"{kind:6s}{count:5d}{exact:>9s}{near:9d}  {' '.join(f'{error:+d}' for error in sorted(off))}")
    everything = [error for off in rows.values() for error in off]
    near = sum(abs(error) == 1 for error in everything)
    print(f"all: exact {everything.count(0)}/{len(everything)}, off by one {near}")


if __name__ == "__main__":
    main()
