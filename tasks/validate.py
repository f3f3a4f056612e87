"""Stage *validate*: read a recording whole and measure it."""

from pathlib import Path

from earwitness.audio.facts import Validated
from earwitness.audio.validate import validate_recording
from earwitness.engines.engine import EngineUse
from earwitness.options import ValidateSettings
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("validate", version="2", unkeyed=("path",))
def validate(
    path: Path,
    sha256: str,
    slice_ms: tuple[int, int] | None,
    settings: ValidateSettings,
    engine: EngineUse,
) -> Validated:
    """Facts, quality and verdict of a recording, and its decoded speech copy."""
    from expectations.recording import frame

    result = validate_recording(path, settings, slice_ms, stage_progress("validate"))
    return hold_to_contract(result, "recording", frame(result))
