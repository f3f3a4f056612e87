"""Stage *clip*: moments worth posting."""

from earwitness.audio.facts import ListeningCopy, Preprocessed, Validated
from earwitness.clips.clip import Clipped, Given
from earwitness.clips.film import FilmSource, film_source, open_film
from earwitness.clips.make import make_clips
from earwitness.clips.rank import Ranker, ranking_settings
from earwitness.engines.engine import EngineUse
from earwitness.job import Job
from earwitness.money.paying import account_of, with_receipts
from earwitness.notes.notes import Summarized
from earwitness.options import Profile
from earwitness.settings import ClipSettings
from earwitness.speech.turns import Diarized
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Aligned, read_words, utterances_of
from tasks.contracts import hold_to_contract
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("clip", version="4", optional=("given", "film", "ranker"))
def clip(
    listening: ListeningCopy,
    speech: Preprocessed,
    aligned: Aligned | None,
    diarized: Diarized | None,
    speakers: list[Speaker],
    summarized: Summarized | None,
    profile: Profile,
    settings: ClipSettings,
    engine: EngineUse,
    given: Given | None = None,
    film: FilmSource | None = None,
    ranker: Ranker | None = None,
) -> Clipped:
    """The best windows on sentence edges, rendered with captions; where there are no words, on the edges of turns.

    `given` has the digests of the artwork and the font, which the settings name by their paths, and what people and
    the recogniser decide. `film` says which picture clips show, `ranker` which
    chat model puts them in order.
    """
    from expectations.clips import frame

    result = with_receipts(
        account_of("clip"),
        make_clips,
        listening.audio.path,
        utterances_of(read_words(aligned.words.path)) if aligned else [],
        speakers,
        summarized.notes if summarized else None,
        settings,
        engine,
        stage_progress("clip"),
        profile=profile,
        turns=diarized.turns if diarized else (),
        learned=given.learned if given else None,
        edges=given.edges if given else (),
        misheard=given is not None and given.misheard,
        film=open_film(film) if film else None,
        ranker=ranker,
    )
    # whoever sets edges by hand is not held to the limits of choosing
    by_hand = [round(clip.end_s - clip.start_s, 3) for clip in result.listing.clips if clip.by_hand]
    return hold_to_contract(
        result,
        "clips",
        frame(result),
        duration_s=speech.duration_ms / 1000,
        min_s=min([settings.min_s, *by_hand]),
        max_s=max([settings.max_s, *by_hand]),
    )


def ranker_of(job: Job) -> Ranker | None:
    """The chat model that puts the clips in order, if one was asked for."""
    use = job.engines.get("rank")
    return Ranker(use, ranking_settings(job.options.clip, job.options.summarize)) if use else None


def film_of(job: Job, validated: Validated) -> FilmSource | None:
    """The recording's own picture, if it has one and clips are to have a picture."""
    return film_source(job.source, validated) if job.options.clip.video else None
