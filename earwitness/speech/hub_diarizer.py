"""pyannote's own pipeline (community-1 or a compatible one), from the hub, its cache or a folder."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import read_speech
from earwitness.engines.hub import fetching, hub_token
from earwitness.engines.quiet import import_speech_library
from earwitness.errors import EngineFailed, EngineUnavailable
from earwitness.progress import Progress, no_progress
from earwitness.speech.bundled_diarizer import Found
from earwitness.speech.turns import CountEstimate, Turn
from earwitness.speech.voice_encoder import Vectors, unit

_LONG_S = 3600
_STEPS = {
    "segmentation": (0.0, 0.4, "finding local voices"),
    "speaker_counting": (0.4, 0.42, "counting"),
    "embeddings": (0.42, 0.95, "telling voices apart"),
    "discrete_diarization": (0.95, 0.98, "joining turns"),
}


def find_speakers(
    speech: Path,
    model: str,
    progress: Progress = no_progress,
    *,
    exact: int | None = None,
    least: int | None = None,
    most: int | None = None,
    device: str = "cpu",
) -> Found:
    """Diarize with a pyannote pipeline. It holds the whole recording in memory (230 MB an hour, and more inside).

    Args:
        speech: 16 kHz mono file.
        model: hub id, or folder with `config.yaml`.
        progress: told after every batch.
        exact: number of speakers, if known.
        least: at least this many.
        most: at most this many.
        device: torch device.

    Raises:
        EngineUnavailable: the pipeline can't be loaded.
        EngineFailed: it gave back something else than a diarization.
    """
    import torch

    progress(0.0, "loading the pipeline")
    pipeline = _pipeline(model, device)
    samples = read_speech(speech)
    if not len(samples):
        return _nobody()
    # Always a waveform: given a path, pyannote decodes it with torchcodec, which needs FFmpeg's libraries.
    sound = {"waveform": torch.from_numpy(samples)[None], "sample_rate": SPEECH_RATE_HZ, "uri": "recording"}
    bounds = {"num_speakers": exact, "min_speakers": least, "max_speakers": most}
    output = pipeline(sound, hook=_Hook(progress), **{key: value for key, value in bounds.items() if value is not None})
    found = _read_output(output, exact is not None, len(samples) * 1000 // SPEECH_RATE_HZ)
    if len(samples) > _LONG_S * SPEECH_RATE_HZ:
        hours = len(samples) / SPEECH_RATE_HZ / 3600
        found.warnings.append(
            f"pyannote held all {hours:.1f} h in memory; recordings of several hours can exhaust it "
            "(the bundled engine's need does not grow with the length)"
        )
    progress(1.0, "joining turns")
    return found


class _Hook:
    """Maps pyannote's steps, each of which starts at 0, onto one share that never falls."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.share = 0.0

    def __call__(
        self, step: str, _artifact: Any, file: Any = None, total: int | None = None, completed: int | None = None
    ) -> None:
        if step not in _STEPS:
            return
        start, end, note = _STEPS[step]
        part = completed / total if total and completed is not None else 1.0
        self.share = max(self.share, start + (end - start) * min(1.0, part))
        self.progress(self.share, note)


@lru_cache(maxsize=2)
def _pipeline(model: str, device: str) -> Any:
    pyannote = import_speech_library("pyannote.audio")
    import torch

    try:
        with fetching(model, probe_file="config.yaml"):
            pipeline = pyannote.Pipeline.from_pretrained(model, token=hub_token())
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError) as error:
        raise EngineUnavailable(
            f"The pyannote pipeline {model} can't be loaded ({type(error).__name__}: {error}).", FIXES
        ) from error
    if pipeline is None:  # how pyannote says that the hub refused
        raise EngineUnavailable(f"The hub did not hand out the pyannote pipeline {model}.", FIXES)
    pipeline.to(torch.device(device))
    return pipeline


FIXES = (
    "Accept the conditions on the model's page at huggingface.co and set HF_TOKEN to a token of that account; "
    "unset HF_HUB_OFFLINE if the model is not cached yet; or set diarize.model to a folder with the pipeline's "
    "config.yaml; or set diarize.engine to bundled, which needs none of this."
)


def _read_output(output: Any, given: bool, duration_ms: int) -> Found:
    try:
        full, exclusive = output.speaker_diarization, output.exclusive_speaker_diarization
    except AttributeError as error:
        raise EngineFailed(
            f"The pipeline gave back {type(output).__name__}, which is not what pyannote.audio 4 pipelines give.",
            "Use pyannote/speaker-diarization-community-1 or a pipeline with legacy: false.",
        ) from error
    labels = full.labels()
    if not labels:
        return _nobody()
    first = {label: full.label_timeline(label)[0].start for label in labels}
    order = sorted(labels, key=lambda label: (first[label], label))
    names = {label: f"SPEAKER_{number:02d}" for number, label in enumerate(order)}
    embeddings: dict[str, Vectors] = {}
    if output.speaker_embeddings is not None:
        vectors = unit(np.nan_to_num(np.asarray(output.speaker_embeddings, dtype=np.float32)))
        embeddings = {names[label]: vector for label, vector in zip(labels, vectors, strict=True)}
    count = CountEstimate(count=len(order), given=given)
    turns, alone = _turns(full, names, duration_ms), _turns(exclusive, names, duration_ms)
    return Found(turns, alone, count, dict(sorted(embeddings.items())), [])


def _turns(annotation: Any, names: dict[str, str], duration_ms: int) -> list[Turn]:
    turns = []
    for segment, _, label in annotation.itertracks(yield_label=True):
        start_ms, end_ms = max(0, round(segment.start * 1000)), min(duration_ms, round(segment.end * 1000))
        if end_ms > start_ms:
            turns.append(Turn(start_ms=start_ms, end_ms=end_ms, speaker=names[label]))
    return sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker))


def _nobody() -> Found:
    estimate = CountEstimate(count=0, given=False)
    return Found([], [], estimate, {}, ["no speech was found, so there are no speakers"])
