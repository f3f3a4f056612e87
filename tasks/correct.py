"""Stage *correct*: what a person put right in the words. It runs only where there is something to put right."""

from earwitness.audio.facts import Preprocessed
from earwitness.corrections.corrections import Corrections
from earwitness.corrections.words import correct_words
from earwitness.words.transcript import Aligned, read_words
from tasks.contracts import hold_to_contract
from tasks.run import Run
from tasks.stage import stage


@stage("correct", version="1")
def correct(speech: Preprocessed, aligned: Aligned, corrections: Corrections) -> Aligned:
    """The words as they should have been; names are applied later."""
    from expectations.words import frame

    result = correct_words(aligned, corrections)
    return hold_to_contract(result, "words", frame(read_words(result.words.path)), duration_s=speech.duration_ms / 1000)


def put_right(speech: Preprocessed, aligned: Aligned, run: Run) -> Aligned:
    """The words with the run's corrections, if there are any; still what *align* found, so with its times of work."""
    corrections = run.job.corrections if run.job else Corrections()
    if not corrections.touch_words:
        return aligned
    result = run.do(correct, speech=speech, aligned=aligned, corrections=corrections.of_words())
    return result.model_copy(update={"provenance": aligned.provenance, "seal": None})
