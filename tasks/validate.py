"""Stage *validate*: read a recording whole and measure it."""

from pathlib import Path

from earwitness.audio.facts import Validated
from earwitness.audio.validate import validate_recording
from earwitness.engines.engine import EngineUse
from earwitness.settings import ValidateSettings
from earwitness.tracks.facts import Layout
from earwitness.tracks.measure import validate_tracks
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("validate", version="2", unkeyed=("path",), optional=("layout",))
def validate(
    path: Path,
    sha256: str,
    slice_ms: tuple[int, int] | None,
    settings: ValidateSettings,
    engine: EngineUse,
    layout: Layout | None = None,
) -> Validated:
    """Facts, quality and verdict of a recording, and its decoded speech copy; of each track if it has several."""
    from expectations.recording import frame

    progress = stage_progress("validate")
    result = (
        validate_recording(path, settings, slice_ms, progress)
        if layout is None
        else validate_tracks(path, sha256, layout, settings, slice_ms, progress)
    )
    return hold_to_contract(result, "recording", frame(result))
