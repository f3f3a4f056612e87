"""Stage *listen*: the levelled copy that people hear."""

from pathlib import Path

from earwitness.audio.facts import ListeningCopy, Validated
from earwitness.audio.listen import make_listening_copy
from earwitness.engines.engine import EngineUse
from earwitness.settings import ListenSettings
from earwitness.tracks.facts import TracksValidated
from tasks.progress import stage_progress
from tasks.stage import stage


@stage("listen", version="1", unkeyed=("path",))
def listen(path: Path, validated: Validated, settings: ListenSettings, engine: EngineUse) -> ListeningCopy:
    """AAC at the recording's own bandwidth, levelled; nobody waits for it, so it runs beside the speech engines."""
    progress = stage_progress("listen")
    if isinstance(validated, TracksValidated) and validated.mix is not None:
        return make_listening_copy(validated.mix.path, validated.for_listening(), settings, progress)
    return make_listening_copy(path, validated, settings, progress)
