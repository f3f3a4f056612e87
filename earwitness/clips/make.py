"""From words and sound to clips that are ready to post."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from earwitness.audio.ffmpeg import ffmpeg_info, running, source
from earwitness.checks.clips import check_clip
from earwitness.checks.finding import errors_of
from earwitness.clips.captions import LINE_CHARS, Frame, cues_of, literal, srt
from earwitness.clips.choose import Moment, choose_moments
from earwitness.clips.clip import Clip, ClipList, Clipped
from earwitness.clips.render import Room, cut_points, encode_picture, encode_sound, fonts_in, take_out, undrawable
from earwitness.clips.units import Unit, units_of
from earwitness.engines.engine import EngineUse
from earwitness.notes.notes import Notes
from earwitness.options import ClipSettings, Profile
from earwitness.progress import Progress, no_progress
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance

LOUDNESS_LUFS = -14.0
"""What the large video sites play at."""
PODCAST_LUFS = -16.0
_ENERGY_RATE_HZ = 8_000
_CODEC_FRAME_MS = 100
"""The listening copy may end a codec frame or two before the recording; that much of a last word is no loss."""
_HALF_SECOND = _ENERGY_RATE_HZ // 2


def choose_clip_maker() -> EngineUse:
    """The engine that will render: ffmpeg, the system's or the bundled one.

    Raises:
        EngineUnavailable: there is none.
    """
    info = ffmpeg_info()
    return EngineUse(name="ffmpeg", version=info.version, model="aac+x264", reason=f"from {info.origin}")


def make_clips(
    audio: Path,
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    notes: Notes | None,
    settings: ClipSettings,
    engine: EngineUse,
    progress: Progress = no_progress,
    profile: Profile = Profile.TABLETOP,
) -> Clipped:
    """Choose, cut, level and caption clips.

    Args:
        audio: the listening copy, on the recording's clock.
        utterances: the transcript, with times.
        speakers: who the labels are.
        notes: what the recording is about, if notes were written.
        settings: resolved.
        engine: what `choose_clip_maker` gave.
        progress: told how far it is.
        profile: a podcast's clips are as loud as podcasts are.

    Raises:
        ToolFailed: ffmpeg died, stalled, or can't encode.
        StorageError: the store can't be written.
    """
    heard = energy_of(audio) if settings.count and any(u.end_ms is not None for u in utterances) else None
    choice = choose_moments(utterances, notes, settings, heard)
    progress(0.1, f"{len(choice.moments)} clips chosen")
    units = units_of(utterances)
    names = {speaker.label: _shown(speaker, profile) for speaker in speakers}
    loudness = PODCAST_LUFS if profile is Profile.PODCAST else LOUDNESS_LUFS
    clips: list[Clip] = []
    files: dict[str, FileRef] = {}
    warnings: list[str] = []
    with workspace("clips") as scratch:
        folder = Path(scratch)
        fonts = fonts_in(folder) if settings.video and choice.moments else None
        for number, moment in enumerate(choice.moments, 1):
            name = f"clip-{number}"
            room = room_around(moment, units)
            piece = take_out(audio, room, folder, name)
            if piece.offset_ms + piece.length_ms + _CODEC_FRAME_MS < room.last_word_ms:
                warnings.append(f"{name} was left out: its words go on after the end of the sound.")
                continue
            start, end = cut_points(piece, room, round(settings.max_s * 1000))
            sound = folder / f"{name}.m4a"
            reached = encode_sound(piece, start, end, sound, loudness)
            if reached is None or abs(reached - loudness) > 1:
                found = "is silent" if reached is None else f"is at {reached:.1f} LUFS"
                warnings.append(f"{name} {found}; {loudness:g} LUFS could not be reached.")
            if fonts is not None:
                path, preset = folder / f"{name}.mp4", "square"
                burned_in = cues_of(units, start, end, Frame().line_chars)
                encode_picture(sound, burned_in, moment.title, names, end - start, path, fonts)
                shown = " ".join([moment.title, *names.values(), *(line for cue in burned_in for line in cue.lines)])
                if lacking := undrawable(fonts, shown):
                    warnings.append(
                        f"{name}: its picture shows {len(lacking)} characters ({lacking[:10]}) only if this system has "
                        "a font with them."
                    )
            else:
                path, preset = sound, "audio"
            captions = folder / f"{name}.srt"
            captions.write_text(srt(cues_of(units, start, end, LINE_CHARS), names), "utf-8")
            size = None if fonts is None else (Frame().width, Frame().height)
            if wrong := errors_of(check_clip(path, captions, units, start, end, size)):
                warnings.append(f"{name} was left out: {' '.join(chain(*wrong.values()))}")
                continue
            clip = Clip(
                id=name,
                start_s=start / 1000,
                end_s=end / 1000,
                score=moment.score,
                reason=moment.reason,
                title=moment.title,
                preset=preset,
                path=f"clips/{path.name}",
                captions=f"clips/{captions.name}",
                evidence=list(moment.evidence),
            )
            clips.append(clip)
            files[clip.path], files[clip.captions] = keep(path), keep(captions)
            progress(0.1 + 0.9 * number / len(choice.moments), f"{number} of {len(choice.moments)} clips")
    progress(1.0)
    return Clipped(engine=engine, listing=ClipList(clips=clips, reason=choice.reason), files=files, warnings=warnings)


def _shown(speaker: Speaker, profile: Profile) -> str:
    """The name that captions show; a label says nothing to viewers."""
    if speaker.named_by == "nobody":
        return ""
    return literal(speaker.character if profile is Profile.TABLETOP and speaker.character else speaker.name)


def room_around(moment: Moment, units: Sequence[Unit]) -> Room:
    """How far the cuts may lie from the clip's own words before they reach other words."""
    edges = [(word.start_ms, word.end_ms) for unit in units for word in unit.words] + [
        (unit.start_ms, unit.end_ms) for unit in units if not unit.words
    ]
    before = [end for start, end in edges if start < moment.start_ms]
    after = [start for start, end in edges if end > moment.end_ms]
    return Room(
        earliest_ms=min(moment.start_ms, max(before, default=0)),
        first_word_ms=moment.start_ms,
        last_word_ms=moment.end_ms,
        latest_ms=max(moment.end_ms, min(after, default=moment.end_ms + 60_000)),
    )


def energy_of(audio: Path) -> list[float]:
    """Loudness of each half second, 0..1 by rank: 1 is the loudest of the recording."""
    levels: list[float] = []
    raw = memoryview(bytearray(2 * _HALF_SECOND * 240))
    output = source(audio).audio.output("pipe:1", format="s16le", acodec="pcm_s16le", ac=1, ar=_ENERGY_RATE_HZ)
    with running(output) as child:
        while got := child.read_into(raw):
            samples = np.frombuffer(raw[: got - got % 2], "<i2").astype(np.float32)
            for start in range(0, len(samples), _HALF_SECOND):
                part = samples[start : start + _HALF_SECOND]
                levels.append(float(np.sqrt(np.mean(part * part))))
            if got < len(raw):
                break
        child.finish().raise_for_failure(what="The listening copy can't be read")
    if not levels:
        return []
    order = np.argsort(np.argsort(np.array(levels), kind="stable"), kind="stable")
    return [float(place) / max(1, len(levels) - 1) for place in order]
