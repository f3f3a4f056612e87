"""Give voices their names, after everything that costs time: renaming a speaker recomputes no audio stage."""

from collections import Counter

from prefect import task

from earwitness.corrections.voices import rename
from earwitness.speech.turns import Diarized
from earwitness.words.cast import Cast, Speaker
from earwitness.words.naming import name_speakers
from earwitness.words.transcript import Aligned, read_words


@task(name="cast", task_run_name="cast", persist_result=False)
def name_voices(
    diarized: Diarized | None, aligned: Aligned | None, cast: Cast | None, names: dict[str, str] | None = None
) -> list[Speaker]:
    """Every voice that was found or that the transcript names, and who it is."""
    talk_ms: Counter[str] = Counter()
    for turn in diarized.turns if diarized else []:
        talk_ms[turn.speaker] += turn.end_ms - turn.start_ms
    for word in read_words(aligned.words.path) if aligned else []:
        if word.speaker and (diarized is None or word.speaker not in talk_ms):
            talk_ms[word.speaker] += word.end_ms - word.start_ms
    speakers = name_speakers(sorted(talk_ms), aligned.names if aligned else {}, cast, dict(talk_ms))
    return rename(speakers, names or {}, cast)
