"""Stage *show*: what the feed of a podcast takes. It runs only where that is asked for."""

from earwitness.audio.facts import ListeningCopy, Preprocessed
from earwitness.clips.brand import Artwork, artwork_of
from earwitness.engines.engine import EngineUse
from earwitness.notes.notes import Summarized
from earwitness.settings import ShowSettings
from earwitness.show.make import Shown, choose_show_maker, make_show
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Aligned, read_words, utterances_of
from tasks.progress import stage_progress
from tasks.run import Run
from tasks.stage import stage


@stage("show", version="1", optional=("artwork",))
def show(
    listening: ListeningCopy,
    speech: Preprocessed,
    aligned: Aligned | None,
    names: dict[str, str],
    summarized: Summarized | None,
    title: str,
    settings: ShowSettings,
    engine: EngineUse,
    artwork: Artwork | None,
) -> Shown:
    """Episode, chapters, transcript and show notes; the cover is the picture that clips have too."""
    return make_show(
        listening,
        speech.duration_ms,
        utterances_of(read_words(aligned.words.path)) if aligned else [],
        names,
        summarized.notes if summarized else None,
        settings,
        engine,
        artwork.path if artwork else None,
        title,
        stage_progress("show"),
    )


def make_episode(
    speech: Preprocessed,
    listening: ListeningCopy | None,
    aligned: Aligned | None,
    speakers: list[Speaker],
    summarized: Summarized | None,
    run: Run,
) -> Shown | None:
    """The show package, where it is asked for; its failure costs nothing else."""
    want = run.options
    if not want.show.make:
        return None
    if listening is None:
        run.skip("show", because="there is no listening copy to make an episode of")
        return None
    return run.hope(
        run.start(
            show,
            listening=listening,
            speech=speech,
            aligned=aligned,
            names={speaker.label: speaker.name for speaker in speakers},
            summarized=summarized,
            title=run.job.source_name.rsplit(".", 1)[0] if run.job and not summarized else "",
            settings=want.show,
            engine=run.use("show", choose_show_maker()),
            artwork=artwork_of(want.clip),
        )
    )
