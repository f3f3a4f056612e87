"""Stage *diarize*: who speaks when."""

from earwitness.audio.facts import Preprocessed
from earwitness.engines.engine import EngineUse
from earwitness.engines.supervisor import run_supervised
from earwitness.settings import DiarizeSettings
from earwitness.speech.diarize import diarize as find_speakers
from earwitness.speech.turns import Diarized
from earwitness.tracks.diarize import diarize_tracks
from earwitness.tracks.facts import TracksPreprocessed
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("diarize", version="1", unkeyed=("time_limit_s",))
def diarize(speech: Preprocessed, settings: DiarizeSettings, engine: EngineUse, time_limit_s: float) -> Diarized:
    """Turns, one voice embedding a speaker, and how sure the number of speakers is."""
    from expectations.turns import frame

    of_tracks = isinstance(speech, TracksPreprocessed)
    result = run_supervised(
        "diarize",
        diarize_tracks if of_tracks else find_speakers,
        *((speech, settings.speakers) if of_tracks else (speech.speech.path, settings)),
        engine,
        timeout_s=time_limit_s,
        share=0.5,  # transcribe runs beside it, and takes longer
        progress=stage_progress("diarize"),
    )
    return hold_to_contract(result, "turns", frame(result), duration_s=speech.duration_ms / 1000)
