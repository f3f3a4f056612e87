"""Stage *align* for tracks that are a speaker each: words are looked for in the track of whoever says them."""

from collections.abc import Mapping, Sequence

from earwitness.engines.engine import EngineUse
from earwitness.progress import Progress, naming, no_progress, part_of
from earwitness.settings import AlignSettings
from earwitness.speech.segments import Segment, Transcribed
from earwitness.speech.turns import Diarized
from earwitness.tracks.facts import SpokenTrack, TracksPreprocessed
from earwitness.words.align import place_words, words_of
from earwitness.words.placing import Placed
from earwitness.words.transcript import Aligned


def align_tracks(
    speech: TracksPreprocessed,
    transcribed: Transcribed,
    diarized: Diarized | None,
    settings: AlignSettings,
    engine: EngineUse,
    progress: Progress = no_progress,
) -> Aligned:
    """Place every word on the clock, as `earwitness.words.align.align` does.

    Segments whose speaker is known are timed against that speaker's track. Those of a transcript that names nobody, or
    somebody of whom no track is known, are timed against the mix and go by the turns.

    Args:
        speech: result of *preprocess*.
        transcribed: segments, with times or without.
        diarized: None when that failed.
        settings: of this stage.
        engine: from `choose_aligner`.
        progress: told the share that is done, and which track is at work.
    """
    segments = [segment for segment in transcribed.segments if segment.text.split()]
    known = labels_of(segments, speech.tracks)
    placed: list[list[Placed]] = [[] for _ in segments]
    groups: list[tuple[SpokenTrack | None, list[int]]] = []
    for track in [None, *speech.tracks]:
        label = track.label if track else None
        own = [number for number, segment in enumerate(segments) if known.get(segment.speaker or "") == label]
        if own:
            groups.append((track, own))
    done = 0
    for track, own in groups:
        share = part_of(progress, 0.95 * done / len(segments), 0.95 * (done + len(own)) / len(segments))
        spans = track.spans if track else transcribed.speech_spans
        words = place_words(
            track.speech.path if track else speech.speech.path,
            [segments[number] for number in own],
            transcribed.model_copy(update={"speech_spans": spans, "seal": None}),
            settings,
            engine,
            speech.duration_ms,
            naming(track.name or track.source, share) if track else share,
        )
        for number, found in zip(own, words, strict=True):
            placed[number] = found
        done += len(own)
    aligned = words_of(segments, placed, transcribed, diarized, settings, engine, speech.duration_ms, known)
    progress(1.0, f"{aligned.word_count} words")
    return aligned


def labels_of(segments: Sequence[Segment], tracks: Sequence[SpokenTrack]) -> Mapping[str, str]:
    """Speaker of a segment → label of their track, for those whose track is known.

    A recogniser gives labels. A transcript gives names: those of the files, upper and lower case alike; a name that no
    file has belongs to the track on which most of its time is spoken, if that is most of its time.
    """
    names = list(dict.fromkeys(segment.speaker for segment in segments if segment.speaker))
    by_file = {track.name.casefold(): track.label for track in tracks if track.name}
    labels = {track.label for track in tracks}
    if all(name in labels for name in names):
        return {name: name for name in names}
    known = {name: by_file[name.casefold()] for name in names if name.casefold() in by_file}
    for name in names:
        if name in known:
            continue
        timed = [
            (segment.start_ms, segment.end_ms)
            for segment in segments
            if segment.speaker == name and segment.start_ms is not None and segment.end_ms is not None
        ]
        total = sum(end - start for start, end in timed)
        shares = {
            track.label: sum(max(0, min(end, b) - max(start, a)) for start, end in timed for a, b in track.spans)
            for track in tracks
            if track.label not in known.values()
        }
        best = max(sorted(shares), key=lambda label: shares[label], default=None)
        if best is not None and 2 * shares[best] > total > 0:
            known[name] = best
    return known
