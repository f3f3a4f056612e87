"""Give voices their names, after everything that costs time: renaming a speaker recomputes no audio stage."""

from collections import Counter

from prefect import task

from earwitness.audio.facts import Preprocessed
from earwitness.corrections.voices import rename
from earwitness.job import Job
from earwitness.speech.turns import Diarized
from earwitness.tracks.facts import TracksPreprocessed
from earwitness.voices.hear import Named, name_those_heard
from earwitness.words.naming import name_speakers
from earwitness.words.roles import infer_roles
from earwitness.words.transcript import Aligned, read_words, utterances_of
from tasks.run import Run


@task(name="cast", task_run_name="cast", persist_result=False)
def name_voices(speech: Preprocessed, diarized: Diarized | None, aligned: Aligned | None, job: Job) -> Named:
    """Every voice that was found or that the transcript names, and who it is.

    Corrections, the cast, the transcript and the names of tracks say so, and where they are silent the voices that are
    enrolled. A role that nobody stated may be inferred from how they talk. Never cached: what was enrolled or erased
    holds from the next run on.
    """
    talk_ms: Counter[str] = Counter()
    for turn in diarized.turns if diarized else []:
        talk_ms[turn.speaker] += turn.end_ms - turn.start_ms
    words = read_words(aligned.words.path) if aligned else []
    for word in words:
        if word.speaker and (diarized is None or word.speaker not in talk_ms):
            talk_ms[word.speaker] += word.end_ms - word.start_ms
    tracks = speech.names() if isinstance(speech, TracksPreprocessed) else {}
    speakers = name_speakers(sorted(talk_ms), aligned.names if aligned else {}, job.cast, dict(talk_ms), tracks)
    speakers = rename(speakers, job.corrections.names, job.cast)
    named = name_those_heard(speakers, diarized, speech.speech.path, job.cast, job.options.voices, talk_ms)
    if aligned is None:
        return named
    roles = infer_roles(named.speakers, utterances_of(words), job.options.profile, job.cast, aligned.language)
    return named.model_copy(update={"speakers": roles})


def settle_names(speech: Preprocessed, diarized: Diarized | None, aligned: Aligned | None, run: Run) -> Named:
    """Who the voices are, noted for the result of the run."""
    if run.job is None:
        raise ValueError("voices have names only after the run was planned")
    named = name_voices(speech, diarized, aligned, run.job)
    run.names = [speaker.name for speaker in named.speakers] if diarized else None
    run.warnings.extend(warning for warning in named.warnings if warning not in run.warnings)
    return named
