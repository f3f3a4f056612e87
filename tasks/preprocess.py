"""Stage *preprocess*: the copy that the speech engines hear."""

from earwitness.audio.facts import Preprocessed, Validated
from earwitness.audio.preprocess import preprocess as make_speech_copy
from earwitness.engines.engine import EngineUse
from earwitness.engines.supervisor import run_supervised
from earwitness.settings import PreprocessSettings
from earwitness.tracks.facts import TracksValidated
from earwitness.tracks.preprocess import preprocess_tracks
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("preprocess", version="1", unkeyed=("time_limit_s",))
def preprocess(
    validated: Validated, settings: PreprocessSettings, engine: EngineUse, time_limit_s: float
) -> Preprocessed:
    """The decoded copy, enhanced only where the verdict asks for it; a copy a speaker where each has a track."""
    from expectations.recording import frame

    progress = stage_progress("preprocess")
    if isinstance(validated, TracksValidated) and validated.layout != "mixed":
        result: Preprocessed = run_supervised(
            "diarize", preprocess_tracks, validated, settings, timeout_s=time_limit_s, progress=progress
        )
    else:
        result = make_speech_copy(validated, settings, progress)
    return hold_to_contract(result, "recording", frame(validated, result))
