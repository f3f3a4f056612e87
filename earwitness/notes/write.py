"""The notes on a recording with all that belongs to them: what changed since earlier ones, a version for players."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from earwitness.engines.engine import EngineUse
from earwitness.errors import UsageError
from earwitness.memory.changed import changes_in, facts_of
from earwitness.memory.gather import Gatherer
from earwitness.memory.memory import Memory
from earwitness.notes.notes import Notes, Summarized
from earwitness.notes.private import Censor, players_version, private_ids, secrets_of
from earwitness.notes.summarize import choose_writer, summarize
from earwitness.options import Profile
from earwitness.profiles import read_profile
from earwitness.progress import Progress, no_progress
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Cast, Speaker
from earwitness.words.naming import vocabulary
from earwitness.words.transcript import Utterance

if TYPE_CHECKING:
    from earwitness.notes.earlier import Threads


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
    """As `earwitness.notes.summarize.summarize`, with what changes in what is remembered, and the version for players.

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
        UsageError: what is to be kept from players can't be read, or not be found for want of times.
        EarwitnessError: the chat model can't be used.
    """
    secrets = secrets_of(settings, cast)
    if secrets.spans_ms and any(utterance.start_ms is None for utterance in utterances):
        raise UsageError(
            "The transcript has no times, so nobody can say what was said in the private spans.",
            "Name what is secret with summarize.secrets or private_marks, or take the spans away.",
        )
    threads = None
    if engine.name == "chat":
        from earwitness.notes.chat import write

        made, threads = write(utterances, speakers, cast, profile, settings, engine, progress, memory)
    else:
        made = summarize(utterances, speakers, cast, profile, settings, engine, progress)
    private = private_ids(utterances, secrets, made.notes.labels)
    censor = Censor(utterances, private, secrets, _known_to_players(speakers, cast))
    if secrets or private:
        made = made.model_copy(update={"notes": made.notes.model_copy(update={"private": sorted(private)})})
    if memory is not None:
        made = _with_changes(made, utterances, speakers, cast, memory, threads, censor)
    if (secrets or private) and profile is Profile.TABLETOP:
        floor = _floor(censor, speakers, cast, profile, settings)
        main = str(read_profile(profile)["chat"]["headings"][read_profile(profile)["chat"]["main"]])
        players = players_version(made.notes, floor, censor, censor.speakers(speakers), main)
        made = made.model_copy(update={"players": players})
    return made


def _floor(
    censor: Censor, speakers: Sequence[Speaker], cast: Cast | None, profile: Profile, settings: SummarizeSettings
) -> Notes:
    """The bundled engine's notes on what players may know: the rest never gets to it."""
    plain = settings.model_copy(update={"engine": "extractive"})
    known = cast.model_copy(update={"secrets": [], "private": []}) if cast else None
    return summarize(censor.public, censor.speakers(speakers), known, profile, plain, choose_writer(plain)).notes


def _known_to_players(speakers: Sequence[Speaker], cast: Cast | None) -> list[str]:
    found = [name for speaker in speakers for name in (speaker.label, speaker.name, speaker.character or "")]
    return [*found, *vocabulary(cast), *([cast.campaign or "", cast.session or ""] if cast else [])]


def _with_changes(
    made: Summarized,
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    cast: Cast | None,
    memory: Memory,
    threads: "Threads | None",
    censor: Censor,
) -> Summarized:
    gatherer = Gatherer(made.notes, utterances, speakers, cast, censor)
    changes = None
    if memory.recordings:
        # where a part was noted without the model, nobody asked about threads there
        whole = threads is not None and all(reading.engine == "chat" for reading in made.notes.readings)
        asked = threads.asked if threads is not None and whole else []
        changes = changes_in(memory, gatherer, threads.said if threads else {}, asked)
    notes = made.notes.model_copy(update={"changes": changes})
    return made.model_copy(update={"notes": notes, "facts": facts_of(notes, gatherer, changes)})
