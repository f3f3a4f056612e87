"""Stage *preprocess* for tracks that are a speaker each: what every speaker says, alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ, Preprocessed
from earwitness.audio.pcm import iter_speech, samples_of
from earwitness.audio.preprocess import preprocess
from earwitness.audio.speech_copy import SpeechCopy
from earwitness.progress import Progress, naming, no_progress, part_of
from earwitness.settings import PreprocessSettings
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.tracks.bleed import Heard, own_speech
from earwitness.tracks.facts import SpokenTrack, TracksPreprocessed, TracksValidated

METHOD = "1"
"""Of finding a track's own speech; raise it when its answers change."""

_WINDOW_S = 30.0
_FADE_MS = 10


def preprocess_tracks(
    validated: TracksValidated, settings: PreprocessSettings, progress: Progress = no_progress
) -> TracksPreprocessed:
    """Make the copies that the speech engines hear: of the mix, and of each speaker alone.

    A speaker's copy is silent wherever they don't speak: what their microphone heard of the others is muted, so that
    nobody's words are recognised twice. Where people speak at once it is left as it is.

    Args:
        validated: result of *validate*.
        settings: of cleaning; each track is cleaned if it needs it.
        progress: told the share that is done, and which track is at work.

    Raises:
        ToolFailed: ffmpeg died or stalled.
        StorageError: the store can't be read or written.
    """
    mix = preprocess(validated, settings, part_of(progress, 0, 0.1))
    titles = [track.name or track.source for track in validated.tracks]
    count = len(titles)
    cleaned: list[Preprocessed] = []
    for number, (track, title) in enumerate(zip(validated.tracks, titles, strict=True)):
        share = part_of(progress, 0.1 + 0.2 * number / count, 0.1 + 0.2 * (number + 1) / count)
        cleaned.append(preprocess(track.validated, settings, naming(title, share)))
    heard = own_speech([copy.speech.path for copy in cleaned], titles, part_of(progress, 0.3, 0.9))
    spoken = []
    labels = _labels(heard)
    for number, (track, title) in enumerate(zip(validated.tracks, titles, strict=True)):
        progress(0.9 + 0.1 * number / count, f"{title}: muting the others")
        spoken.append(
            SpokenTrack(
                label=labels[number],
                source=track.source,
                name=track.name,
                speech=muted(cleaned[number].speech.path, heard.spans[number]),
                spans=heard.spans[number],
                enhancement=cleaned[number].enhancement,
            )
        )
    progress(1.0, f"{count} tracks")
    return TracksPreprocessed(
        speech=mix.speech,
        duration_ms=mix.duration_ms,
        enhancement=mix.enhancement,
        tracks=sorted(spoken, key=lambda track: track.label),
        warnings=_warnings(heard, titles),
    )


def muted(speech: Path, spans: Sequence[tuple[int, int]]) -> FileRef:
    """A copy of a 16 kHz mono file that is silent outside of `spans` (ms, in order, apart), with short fades."""
    with workspace("track") as folder:
        target = Path(folder) / "speech.flac"
        with SpeechCopy(target, SPEECH_RATE_HZ, [1.0]) as copy:
            for start, samples in iter_speech(speech, _WINDOW_S):
                copy.write((samples * _gain(spans, start, len(samples)))[:, None])
        return keep(target)


def _gain(spans: Sequence[tuple[int, int]], start: int, length: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    gain = np.zeros(length, np.float32)
    fade = samples_of(_FADE_MS)
    for start_ms, end_ms in spans:
        first, last = samples_of(start_ms) - start, samples_of(end_ms) - start
        if last <= 0 or first >= length:
            continue
        at = np.arange(max(0, first), min(length, last))
        gain[at] = np.minimum(1, np.minimum(at - first + 1, last - at) / np.float32(fade))
    return gain


def _labels(heard: Heard) -> list[str]:
    order = sorted(range(len(heard.spans)), key=lambda track: (not heard.spans[track], heard.spans[track][:1], track))
    labels = [""] * len(order)
    for number, track in enumerate(order):
        labels[track] = f"SPEAKER_{number:02d}"
    return labels


def _warnings(heard: Heard, titles: Sequence[str]) -> list[str]:
    found = [
        f"The tracks {titles[first]} and {titles[second]} hold the same sound: all speech counts as that of "
        f"{titles[first]}. If several people share a microphone, run with --tracks mixed."
        for first, second in heard.copies
    ]
    found += [
        f"The track {titles[track]} is a mix of the others, so it is taken for nobody's." for track in heard.mixes
    ]
    explained = {*heard.mixes, *(second for _, second in heard.copies)}
    found += [
        f"There is no speech on the track {titles[track]}: it is not among the speakers."
        for track, spans in enumerate(heard.spans)
        if not spans and track not in explained
    ]
    return found
