"""The notes on a recording with all that belongs to them: what changed since earlier recordings."""

from collections.abc import Sequence

from earwitness.engines.engine import EngineUse
from earwitness.memory.changed import changes_in, facts_of
from earwitness.memory.gather import Gatherer
from earwitness.memory.memory import Memory
from earwitness.notes.notes import Summarized
from earwitness.notes.summarize import summarize
from earwitness.options import Profile, SummarizeSettings
from earwitness.progress import Progress, no_progress
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Utterance


def write_notes(
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    cast: Cast | None,
    profile: Profile,
    settings: SummarizeSettings,
    engine: EngineUse,
    progress: Progress = no_progress,
    memory: Memory | None = None,
) -> Summarized:
    """As `earwitness.notes.summarize.summarize`, with what changes in what is remembered.

    Args:
        utterances: the whole transcript, in reading order; times may be absent.
        speakers: who the labels are.
        cast: the cast file, if any.
        profile: what kind of recording it is.
        settings: resolved.
        engine: what `choose_writer` gave.
        progress: told how far it is.
        memory: of the recordings before this one; None: nothing is remembered.

    Raises:
        EarwitnessError: the chat model can't be used.
    """
    threads = None
    if engine.name == "chat":
        from earwitness.notes.chat import write

        made, threads = write(utterances, speakers, cast, profile, settings, engine, progress, memory)
    else:
        made = summarize(utterances, speakers, cast, profile, settings, engine, progress)
    if memory is None:
        return made
    gatherer = Gatherer(made.notes, utterances, speakers, cast)
    changes = None
    if memory.recordings:
        # where a part was noted without the model, nobody asked about threads there
        whole = threads is not None and all(reading.engine == "chat" for reading in made.notes.readings)
        asked = threads.asked if threads is not None and whole else []
        changes = changes_in(memory, gatherer, threads.said if threads else {}, asked)
    notes = made.notes.model_copy(update={"changes": changes})
    return made.model_copy(update={"notes": notes, "facts": facts_of(notes, gatherer, changes)})
