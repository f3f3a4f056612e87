"""Stage *validate* for a recording of several tracks: each is read whole and measured, and all are mixed."""

import logging
from collections.abc import Sequence
from pathlib import Path

from earwitness.audio.decode import Part, decoding_limit_s, write_speech
from earwitness.audio.facts import RecordingFacts, Validated
from earwitness.audio.preprocess import measure_speech
from earwitness.audio.probe import probe
from earwitness.audio.quality import Reading, assess
from earwitness.audio.validate import validate_recording
from earwitness.errors import BadRecording
from earwitness.progress import Progress, naming, no_progress, part_of
from earwitness.settings import ValidateSettings
from earwitness.storage.store import keep, workspace
from earwitness.tracks.facts import Layout, LeftOut, MeasuredTrack, TracksValidated
from earwitness.tracks.find import Track
from earwitness.tracks.mix import mix_tracks
from earwitness.tracks.unpack import check_unchanged, size_and_time, unpacked

log = logging.getLogger(__name__)

MAX_CHANNELS = 16
"""As speakers; field recorders have up to eight."""

_ONE_RECORDING = 0.5
"""Tracks of one recording are about equally long: one that is less than this share of the longest is worth a word."""


def validate_tracks(
    path: Path,
    sha256: str,
    layout: Layout,
    settings: ValidateSettings,
    slice_ms: tuple[int, int] | None = None,
    progress: Progress = no_progress,
) -> TracksValidated:
    """Decode and measure every track; a track that can't be read is left out, and a warning names it.

    A silent track is no fault: somebody said nothing. Facts and quality are those of the mix, the digest and the size
    those of the whole.

    Args:
        path: a zip, a folder, or with layout `channels` a file.
        sha256: of the whole (`earwitness.tracks.find.content_digest`).
        layout: what the tracks are.
        settings: thresholds of the verdict on the mix.
        slice_ms: only this part of each track, (start, end).
        progress: told the share that is done, and which track is at work.

    Raises:
        BadRecording: no track can be read, or the zip is none that may be unpacked.
        ToolFailed: ffmpeg died or stalled.
        StorageError: there is no room to unpack, or the store can't be written.
    """
    if layout == "channels":
        return _channels(path, settings, slice_ms, progress)
    before = size_and_time(path)
    with unpacked(path, part_of(progress, 0, 0.15)) as files:
        tracks, read, left_out = _measured(files, settings, slice_ms, part_of(progress, 0.15, 0.7))
        check_unchanged(path, before)
        if not tracks:
            first = left_out[0]
            raise BadRecording(
                f"None of the {len(left_out)} tracks in {path.name} can be read. {first.source}: {first.reason}",
                "Download or export it again.",
            )
        with workspace("mix") as folder:
            target = Path(folder) / "mix.flac"
            copies = [track.validated.decoded.path for track in tracks]
            mix_tracks(read, copies, target, part_of(progress, 0.7, 0.85))
            mixed = validate_recording(target, settings, None, part_of(progress, 0.85, 1.0))
            mix = keep(target)
    facts = mixed.facts.model_copy(
        update={
            "sha256": sha256,
            "size": sum(file.stat().st_size for _, file in files if file) if path.is_dir() else path.stat().st_size,
            "container": "folder" if path.is_dir() else "zip",
            "codec": " ".join(sorted({facts.codec for _, facts in read})),
            "bit_rate_bps": None,
            "declared_duration_ms": None,
            "slice_ms": slice_ms,
            "decode_errors": sum(facts.decode_errors for _, facts in read),
            "nonfinite_samples": sum(facts.nonfinite_samples for _, facts in read),
            "tags": {},
            "has_video": any(facts.has_video for _, facts in read),
        }
    )
    return TracksValidated(
        facts=facts,
        quality=mixed.quality,
        decoded=mixed.decoded,
        layout=layout,
        tracks=tracks,
        left_out=left_out,
        mix=mix,
        warnings=[*(f"The track {item.source} is left out: {item.reason}" for item in left_out), *_uneven(tracks)],
    )


def _measured(
    files: Sequence[tuple[Track, Path | None]],
    settings: ValidateSettings,
    slice_ms: tuple[int, int] | None,
    progress: Progress,
) -> tuple[list[MeasuredTrack], list[tuple[Path, RecordingFacts]], list[LeftOut]]:
    tracks: list[MeasuredTrack] = []
    read: list[tuple[Path, RecordingFacts]] = []
    left_out: list[LeftOut] = []
    for number, (track, file) in enumerate(files):
        share = naming(track.name or track.source, part_of(progress, number / len(files), (number + 1) / len(files)))
        if file is None:
            left_out.append(LeftOut(source=track.source, reason="It is damaged inside the zip."))
            continue
        try:
            validated = validate_recording(file, settings, slice_ms, share)
        except BadRecording as error:
            log.warning("%s is left out: %s", track.source, error)
            left_out.append(LeftOut(source=track.source, reason=error.message))
            continue
        tracks.append(MeasuredTrack(source=track.source, name=track.name, validated=validated))
        read.append((file, validated.facts))
    return tracks, read, left_out


def _uneven(tracks: Sequence[MeasuredTrack]) -> list[str]:
    """Words about tracks that hardly belong together."""
    longest = max(track.validated.facts.duration_ms for track in tracks)
    short = [track.source for track in tracks if track.validated.facts.duration_ms < _ONE_RECORDING * longest]
    if not short:
        return []
    return [
        f"The tracks are not equally long ({', '.join(short)}: less than half of the longest); all are taken to start "
        "together. If they are recordings of their own, unpack them and give the folder."
    ]


def _channels(
    path: Path, settings: ValidateSettings, slice_ms: tuple[int, int] | None, progress: Progress
) -> TracksValidated:
    whole = validate_recording(path, settings, slice_ms, part_of(progress, 0, 0.5))
    facts = whole.facts
    if not 2 <= facts.channels <= MAX_CHANNELS:
        found = "only one channel" if facts.channels == 1 else f"{facts.channels} channels"
        raise BadRecording(
            f"{path.name} has {found}; as speakers, 2 to {MAX_CHANNELS} channels can be told apart.",
            "Leave out --tracks channels, and the voices are told apart by their sound.",
        )
    track = probe(path).audio[facts.audio_track]
    start, end = slice_ms or (None, None)
    tracks = []
    for channel in range(facts.channels):
        share = part_of(progress, 0.5 + 0.5 * channel / facts.channels, 0.5 + 0.5 * (channel + 1) / facts.channels)
        source = f"channel {channel + 1}"
        with workspace("channel") as folder:
            target = Path(folder) / "speech.flac"
            weights = [float(other == channel) for other in range(facts.channels)]
            limit_s = decoding_limit_s(facts.duration_ms)
            write_speech(Part(path, facts.audio_track, start, end), track, weights, target, limit_s=limit_s)
            metrics = measure_speech(target, naming(source, share))
            decoded = keep(target)
        own = facts.model_copy(update={"channels": 1, "mixdown": [1.0]})
        quality = assess(metrics, Reading(duration_ms=facts.duration_ms), settings)
        validated = Validated(facts=own, quality=quality, decoded=decoded)
        tracks.append(MeasuredTrack(source=source, name=None, validated=validated))
    return TracksValidated(  # without the warnings of the whole, whose remedy this is
        facts=facts,
        quality=whole.quality,
        decoded=whole.decoded,
        layout="channels",
        tracks=tracks,
        mix=None,
    )
