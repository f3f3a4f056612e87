"""Stage *preprocess*: the copy that the speech engines hear."""

from earwitness.audio.facts import Preprocessed, Validated
from earwitness.audio.preprocess import preprocess as make_speech_copy
from earwitness.engines.engine import EngineUse
from earwitness.options import PreprocessSettings
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("preprocess", version="1")
def preprocess(validated: Validated, settings: PreprocessSettings, engine: EngineUse) -> Preprocessed:
    """The decoded copy, enhanced only where the verdict asks for it."""
    from expectations.recording import frame

    result = make_speech_copy(validated, settings, stage_progress("preprocess"))
    return hold_to_contract(result, "recording", frame(validated, result))
