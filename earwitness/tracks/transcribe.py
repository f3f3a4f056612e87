"""Stage *transcribe* for tracks that are a speaker each: every speaker's words out of their own track."""

from collections import Counter
from collections.abc import Sequence

from earwitness.engines.engine import EngineUse
from earwitness.progress import Progress, naming, no_progress, part_of
from earwitness.settings import TranscribeSettings
from earwitness.spans import merge
from earwitness.speech.segments import Segment, Transcribed
from earwitness.speech.transcribe import transcribe
from earwitness.tracks.facts import TracksPreprocessed


def transcribe_tracks(
    speech: TracksPreprocessed,
    settings: TranscribeSettings,
    engine: EngineUse,
    vocabulary: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Transcribed:
    """The segments of all speakers by start, each with its speaker's label.

    Args:
        speech: result of *preprocess*.
        settings: of the recogniser.
        engine: from `choose_recogniser`; a transcript beside the recording is of all speakers, and is read for the
            mix (`earwitness.speech.transcribe.transcribe`).
        vocabulary: names and rare words.
        progress: told the share that is done, and which track is at work.

    Raises:
        EngineUnavailable: the model can't be loaded, or a service refuses.
        ServiceUnavailable: a service is down or overrun.
    """
    tracks = [track for track in speech.tracks if track.spans]
    weights = [sum(end - start for start, end in track.spans) for track in tracks]
    done = 0
    found: list[tuple[str, Transcribed]] = []
    for track, weight in zip(tracks, weights, strict=True):
        share = part_of(progress, done / sum(weights), (done + weight) / sum(weights))
        heard = transcribe(
            track.speech.path, settings, engine, None, vocabulary, naming(track.name or track.source, share)
        )
        found.append((track.label, heard))
        done += weight
    segments = [segment.model_copy(update={"speaker": label}) for label, heard in found for segment in heard.segments]
    return Transcribed(
        engine=engine,
        language=_language(found, settings),
        segments=sorted(segments, key=_by_time),
        speech_spans=merge([span for track in tracks for span in track.spans]),
        skipped=sorted(
            (span for _, heard in found for span in heard.skipped), key=lambda span: (span.start_ms, span.end_ms)
        ),
        doubts=sorted(
            (doubt for _, heard in found for doubt in heard.doubts), key=lambda d: (d.start_ms, d.end_ms, d.kind)
        ),
        warnings=list(dict.fromkeys(warning for _, heard in found for warning in heard.warnings)),
    )


def _by_time(segment: Segment) -> tuple[int, int, str]:
    return segment.start_ms or 0, segment.end_ms or 0, segment.speaker or ""


def _language(found: Sequence[tuple[str, Transcribed]], settings: TranscribeSettings) -> str:
    """The one in which most is said."""
    said: Counter[str] = Counter()
    for _, heard in found:
        said[heard.language] += sum(len(segment.text) for segment in heard.segments)
    return max(said, key=lambda language: (said[language], language)) if said else settings.language or "und"
