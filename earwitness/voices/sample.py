"""What a voice sounds like, from recordings in which one person speaks; or from a person's turns in a conversation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from earwitness.errors import BadRecording, UsageError
from earwitness.progress import Progress, no_progress
from earwitness.speech.turns import Diarized, Turn
from earwitness.speech.voice_encoder import FRAME_SAMPLES, Vectors, unit
from earwitness.storage.store import workspace

MIN_SPEECH_S = 3.0
"""Speech that a voice has to be heard for."""
MAX_SAMPLE_S = 600
"""A longer stretch is hardly one voice alone, and nothing is gained by it."""
_OTHER_SPEECH_S = 1.0
_ONE_RECORDING = 0.85
"""Two voices of one sample that are less alike than this are two people. Likeness is corrected for how short they are.
Of 40 samples of one person the least has 0.90; of 16 samples of two people 13 have at most 0.80, the others pass."""
_TWO_RECORDINGS = 0.72
"""The same for two samples: one person in two places has at least 0.76, two people mostly less than 0.69."""
_HEARD_MS = 30_000
"""Of each voice of a conversation: more changes the embedding hardly, and costs time."""
_MIN_TURN_MS = 400
_METHOD = "1"
"""Of making an embedding; raise it when the same sound gives another one."""
_DECODE_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """An embedding and what it was made of."""

    vector: Vectors
    """float32, shape (256,), unit length."""
    speech_s: float


def encoder_id() -> str:
    """Which encoder makes our embeddings; those of different ones can't be compared."""
    return f"GE2E of resemblyzer {version('resemblyzer')}, method {_METHOD}"


def take_sample(
    files: Sequence[Path], span_ms: tuple[int, int | None] | None, progress: Progress = no_progress
) -> Sampled:
    """Listen to samples of one person's voice.

    Args:
        files: recordings in any format in which nobody else speaks.
        span_ms: only this part of the only file, (start, end); an end of None is the file's.
        progress: told the share of files.

    Returns:
        the mean over the files, by length of speech.

    Raises:
        BadRecording: a file is missing, holds no sound, too little speech, or more than one voice.
        UsageError: a part was given for several files, or a file is too long.
        EngineUnavailable: a model is missing from its wheel.
    """
    if span_ms is not None and len(files) != 1:
        raise UsageError("A part was given, but not one recording.", "Give --from and --to with one FILE.")
    heard = []
    for number, file in enumerate(files):
        progress(number / len(files), file.name)
        heard.append(_listen(file, *(span_ms or (0, None))))
    speech_s = sum(sample.speech_s for sample in heard)
    if speech_s < MIN_SPEECH_S:
        what = files[0].name if len(files) == 1 else "The samples together"
        raise BadRecording(
            f"{what} hold{'s' if len(files) == 1 else ''} {speech_s:.1f} s of speech; a voice needs at least "
            f"{MIN_SPEECH_S:.0f} s.",
            "Give 5 to 10 s of the person speaking alone, or several recordings.",
        )
    _one_person([file.name for file in files], heard)
    mean = unit(sum((sample.vector * np.float32(sample.speech_s) for sample in heard), np.zeros(1, np.float32)))
    return Sampled(mean, speech_s)


def portraits(speech: Path, turns: Sequence[Turn], progress: Progress = no_progress) -> dict[str, Vectors]:
    """An embedding of each voice of a conversation, from its longest turns.

    Args:
        speech: 16 kHz mono file.
        turns: of one speaker at a time (`Diarized.exclusive`).
        progress: told the share of voices.

    Returns:
        label → float32, shape (256,), unit length; voices without a turn of 0.4 s are absent.
    """
    from earwitness.audio.pcm import read_speech
    from earwitness.speech import voice_encoder

    found: dict[str, Vectors] = {}
    labels = sorted({turn.speaker for turn in turns})
    for number, label in enumerate(labels):
        progress(number / len(labels), label)
        own = sorted((t for t in turns if t.speaker == label), key=lambda t: (t.start_ms - t.end_ms, t.start_ms))
        pieces, left_ms = [], _HEARD_MS
        for turn in own:
            if turn.end_ms - turn.start_ms < _MIN_TURN_MS or left_ms < _MIN_TURN_MS:
                break
            samples = read_speech(speech, turn.start_ms, min(turn.end_ms, turn.start_ms + left_ms))
            left_ms -= turn.end_ms - turn.start_ms
            if len(samples) > FRAME_SAMPLES:
                pieces.append(voice_encoder.spectrogram(samples[None])[0])
        if pieces:
            weights = np.array([len(piece) for piece in pieces], np.float32)
            found[label] = unit(weights @ voice_encoder.embed_frames(pieces))
    return found


def stored_portraits(diarized: Diarized) -> dict[str, Vectors]:
    """The embeddings that diarization left, if our encoder made them and nobody had them erased; else none."""
    if diarized.engine.name not in {"bundled", "tracks"} or not diarized.engine.model.endswith(
        f"voice encoder of resemblyzer {version('resemblyzer')}"
    ):
        return {}
    try:
        with np.load(diarized.embeddings.path, allow_pickle=False) as stored:
            return {label: stored[label] for label in stored.files}
    except FileNotFoundError:  # erased a moment ago
        return {}


def _listen(file: Path, start_ms: int, end_ms: int | None) -> Sampled:
    from earwitness.speech import bundled_diarizer, clustering
    from earwitness.speech.diarize import covered_ms

    with workspace("voice") as folder:
        speech = Path(folder) / "speech.flac"
        _decode(file, start_ms, end_ms, speech)
        observed = bundled_diarizer.observe(speech)
        duration_ms = _duration_ms(speech)
        pair = bundled_diarizer.decide(observed, duration_ms, least=2, most=2)
        alone = bundled_diarizer.decide(observed, duration_ms, least=1, most=1)
    speech_s = covered_ms(alone.turns) / 1000
    if not alone.embeddings:
        raise BadRecording(f"No speech was found in {file.name}.", "Give 5 to 10 s of the person speaking alone.")
    # so short a recording is not enough to count voices; but whether its two halves are alike can be told
    talk: Counter[str] = Counter()
    for turn in pair.exclusive:
        talk[turn.speaker] += turn.end_ms - turn.start_ms
    if len(talk) == 2 and min(talk.values()) >= _OTHER_SPEECH_S * 1000:
        first, second = pair.embeddings.values()
        heard = clustering.trust(np.array(list(talk.values()), np.float32) / np.float32(1000), clustering.Rules())
        if float(first @ second / heard.prod()) < _ONE_RECORDING:
            raise _two_people(file.name)
    return Sampled(alone.embeddings["SPEAKER_00"], speech_s)


def _one_person(names: Sequence[str], heard: Sequence[Sampled]) -> None:
    for number, sample in enumerate(heard):
        for other in range(number):
            enough = min(sample.speech_s, heard[other].speech_s) >= _OTHER_SPEECH_S
            if enough and float(sample.vector @ heard[other].vector) < _TWO_RECORDINGS:
                raise _two_people(f"{names[other]} and {names[number]}", together=True)


def _two_people(what: str, *, together: bool = False) -> BadRecording:
    return BadRecording(
        f"{what} sound like two people." if together else f"{what} sounds like more than one person speaking.",
        "Give recordings of one person; --from and --to choose the part of a recording in which only they speak.",
    )


def _duration_ms(speech: Path) -> int:
    from earwitness.audio.pcm import speech_duration_ms

    return speech_duration_ms(speech)


def _decode(file: Path, start_ms: int, end_ms: int | None, target: Path) -> None:
    from earwitness.audio.decode import Part, even_mix, write_speech
    from earwitness.audio.probe import probe

    if not file.is_file():
        raise BadRecording(f"There is no recording at {file}.", "Give the path of a sound or video file.")
    probed = probe(file)
    track = probed.audio[0]
    length_ms = track.duration_ms or probed.duration_ms
    if length_ms is not None and start_ms >= length_ms:
        raise UsageError(
            f"--from {start_ms / 1000:g} s lies behind the end of {file.name} ({length_ms / 1000:.1f} s).",
            "Choose a part of the recording.",
        )
    wanted_ms = (length_ms if end_ms is None else end_ms) or 0
    if wanted_ms - start_ms > MAX_SAMPLE_S * 1000:
        raise UsageError(
            f"{(wanted_ms - start_ms) / 60_000:.0f} minutes of {file.name} are too long for a sample of one voice; "
            f"allowed are {MAX_SAMPLE_S // 60}.",
            "Choose 5 to 10 s in which only this person speaks: --from 0:10 --to 0:18.",
        )
    # a header that says nothing, or lies, must not make this read for hours
    end_ms = start_ms + MAX_SAMPLE_S * 1000 if end_ms is None else end_ms
    part = Part(file, start_ms=start_ms or None, end_ms=end_ms)
    write_speech(part, track, even_mix(track), target, limit_s=_DECODE_LIMIT_S)
    if not target.is_file():
        raise BadRecording(f"{file.name} holds no sound there.", "Choose a part of the recording with speech.")
