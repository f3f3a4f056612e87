"""Stage *summarize*: notes whose every sentence cites its evidence."""

from earwitness.engines.engine import EngineUse
from earwitness.money.paying import account_of, with_receipts
from earwitness.notes.notes import Summarized
from earwitness.notes.summarize import summarize as write_notes
from earwitness.options import Profile, SummarizeSettings
from earwitness.services import keys
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Aligned, read_words, utterances_of
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.secrets import read_secret
from tasks.stage import stage

keys.secret_reader = read_secret


@stage("summarize", version="2")
def summarize(
    aligned: Aligned,
    speakers: list[Speaker],
    cast: Cast | None,
    profile: Profile,
    settings: SummarizeSettings,
    engine: EngineUse,
) -> Summarized:
    """Notes, chapters and, where the profile tells one, a story; answers of a chat model are kept one by one."""
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
    )
    return hold_to_contract(result, "notes", frame(result.notes), utterances=[item.id for item in utterances])
