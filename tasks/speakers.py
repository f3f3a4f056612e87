"""Stage *speakers*: how people talk."""

from earwitness.audio.facts import Preprocessed
from earwitness.speech.turns import Diarized
from earwitness.talk.talk import Talk, analyse_talk
from earwitness.words.transcript import Aligned, read_words
from tasks.progress import stage_progress
from tasks.run import Run
from tasks.stage import stage


@stage("speakers", version="1")
def speakers(speech: Preprocessed, diarized: Diarized, aligned: Aligned | None) -> Talk:
    """Speaking time, turn-taking, pitch and level of each voice, by its label: names don't matter here."""
    words = read_words(aligned.words.path) if aligned else None
    return analyse_talk(speech.speech.path, diarized.turns, words, stage_progress("speakers"))


def listen_to_speakers(
    speech: Preprocessed, diarized: Diarized | None, aligned: Aligned | None, run: Run
) -> Talk | None:
    """How they talk; None where nobody was told apart or the analysis failed, which costs nothing else."""
    if diarized is None:
        run.skip("speakers", because="nobody was told apart")
        return None
    return run.hope(run.start(speakers, speech=speech, diarized=diarized, aligned=aligned))
