"""Stage *align*: when each word is said, and by which voice."""

from earwitness.audio.facts import Preprocessed
from earwitness.engines.engine import EngineUse
from earwitness.engines.supervisor import run_supervised
from earwitness.settings import AlignSettings
from earwitness.speech.segments import Transcribed
from earwitness.speech.turns import Diarized
from earwitness.tracks.align import align_tracks, labels_of
from earwitness.tracks.facts import TracksPreprocessed
from earwitness.words.align import ESTIMATED, estimate_words
from earwitness.words.align import align as time_words
from earwitness.words.transcript import Aligned, read_words
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.run import Run
from tasks.stage import stage


@stage("align", version="2", unkeyed=("time_limit_s",))
def align(
    speech: Preprocessed,
    transcribed: Transcribed,
    diarized: Diarized | None,
    settings: AlignSettings,
    engine: EngineUse,
    time_limit_s: float,
) -> Aligned:
    """Words with times and diarization labels; names come later, so that renaming recomputes nothing here."""
    from expectations.words import frame

    of_tracks = isinstance(speech, TracksPreprocessed)
    result = run_supervised(
        "words",
        align_tracks if of_tracks else time_words,
        speech if of_tracks else speech.speech.path,
        transcribed,
        diarized,
        settings,
        engine,
        timeout_s=time_limit_s,
        progress=stage_progress("align"),
    )
    return hold_to_contract(result, "words", frame(read_words(result.words.path)), duration_s=speech.duration_ms / 1000)


def share_out(speech: Preprocessed, transcribed: Transcribed, diarized: Diarized | None, run: Run) -> Aligned:
    """What there is to publish where alignment failed for good: a later run tries it again, so this is never kept."""
    from expectations.words import frame

    engine = run.use("align", ESTIMATED)
    known = labels_of(transcribed.segments, speech.tracks) if isinstance(speech, TracksPreprocessed) else None
    result = estimate_words(speech.speech.path, transcribed, diarized, run.options.align, engine, known)
    return hold_to_contract(result, "words", frame(read_words(result.words.path)), duration_s=speech.duration_ms / 1000)
