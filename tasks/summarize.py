"""Stage *summarize*: notes whose every sentence cites its evidence."""

from earwitness.engines.engine import EngineUse
from earwitness.memory.memory import Memory
from earwitness.money.paying import account_of, with_receipts
from earwitness.notes.notes import Summarized
from earwitness.notes.write import write_notes
from earwitness.options import Profile
from earwitness.services import keys
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Aligned, read_words, utterances_of
from tasks.contracts import hold_to_contract
from tasks.memory import recall
from tasks.progress import stage_progress
from tasks.run import Run
from tasks.secrets import read_secret
from tasks.stage import stage

keys.secret_reader = read_secret


@stage("summarize", version="2", optional=("memory",))
def summarize(
    aligned: Aligned,
    speakers: list[Speaker],
    cast: Cast | None,
    profile: Profile,
    settings: SummarizeSettings,
    engine: EngineUse,
    memory: Memory | None = None,
) -> Summarized:
    """Notes, chapters and, where the profile tells one, a story; answers of a chat model are kept one by one.

    `memory` is what earlier recordings of a campaign, show or collection told.
    """
    from expectations.notes import frame

    utterances = utterances_of(read_words(aligned.words.path))
    result = with_receipts(
        account_of("summarize"),
        write_notes,
        utterances,
        speakers,
        cast,
        profile,
        settings,
        engine,
        stage_progress("summarize"),
        memory,
    )
    return hold_to_contract(result, "notes", frame(result.notes), utterances=[item.id for item in utterances])


def take_notes(aligned: Aligned, speakers: list[Speaker], run: Run) -> Summarized | None:
    """Notes on what was said, in the light of what is remembered; None, with the reason in the run, if that fails."""
    if run.job is None:
        raise ValueError("notes are taken only after the run was planned")
    return run.hope(
        run.start(
            summarize,
            aligned=aligned,
            speakers=speakers,
            cast=run.job.cast,
            profile=run.options.profile,
            settings=run.options.summarize,
            engine=run.engines["summarize"],
            memory=recall(run),
        )
    )
