"""From words and sound to clips that are ready to post."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from earwitness.audio.ffmpeg import ffmpeg_info
from earwitness.checks.clips import check_clip
from earwitness.checks.finding import errors_of
from earwitness.clips.captions import COLOURS, cues_of, literal, srt
from earwitness.clips.choose import Moment, choose_moments
from earwitness.clips.clip import Clip, ClipList, Clipped, Learned, Rendition
from earwitness.clips.cutting import Cut, Piece, cut_points, joined, room_around, shortened, take_out
from earwitness.clips.film import Film, Shot, can_map_colours, shape_at
from earwitness.clips.fonts import Fonts, east_asian_fonts, fonts_in, nobody_has
from earwitness.clips.picture import Look, Scene, artwork_box, measure_of, room_for_lines
from earwitness.clips.presets import Preset, limits_s, wanted
from earwitness.clips.rank import Ranker
from earwitness.clips.render import (
    SOFTER_DB,
    decoded,
    encode_picture,
    encode_sound,
    levels_of_clip,
    loudness_of,
    true_peak_dbtp,
)
from earwitness.clips.sound import Sound, listen_for_moments
from earwitness.clips.units import Unit, units_of
from earwitness.corrections.corrections import ClipEdges
from earwitness.engines.engine import EngineUse
from earwitness.notes.notes import Notes
from earwitness.options import Profile
from earwitness.progress import Progress, no_progress
from earwitness.settings import ClipSettings
from earwitness.speech.turns import Turn
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance

LOUDNESS_LUFS = -14.0
"""What the large video sites play at."""
PODCAST_LUFS = -16.0
_BREATHS_MS = 500
"""Room for the cuts of a clip whose length a person set."""
_CODEC_FRAME_MS = 100
"""The listening copy may end a codec frame or two before the recording; that much of a last word is no loss."""


def choose_clip_maker() -> EngineUse:
    """The engine that will render: ffmpeg, the system's or the bundled one.

    Raises:
        EngineUnavailable: there is none.
    """
    info = ffmpeg_info()
    noto = east_asian_fonts()  # with them, clips look different
    model = f"aac+x264+noto-cjk-{noto}" if noto else "aac+x264"
    return EngineUse(name="ffmpeg", version=info.version, model=model, reason=f"from {info.origin}")


def make_clips(
    audio: Path,
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    notes: Notes | None,
    settings: ClipSettings,
    engine: EngineUse,
    progress: Progress = no_progress,
    profile: Profile = Profile.TABLETOP,
    turns: Sequence[Turn] = (),
    learned: Learned | None = None,
    edges: Sequence[ClipEdges] = (),
    misheard: bool = False,
    film: Film | None = None,
    ranker: Ranker | None = None,
) -> Clipped:
    """Choose, cut, level and caption clips.

    Args:
        audio: the listening copy, on the recording's clock.
        utterances: the transcript, with times; none: clips are chosen by `turns` and sound.
        speakers: who the labels are.
        notes: what the recording is about, if notes were written.
        settings: resolved.
        engine: what `choose_clip_maker` gave.
        progress: told how far it is.
        profile: a podcast's clips are as loud as podcasts are.
        turns: who speaks when.
        learned: what ratings made of the weights.
        edges: clips that a person extended or trimmed.
        misheard: the recogniser mishears many words; clips say so.
        film: the recording's own picture, if clips are to show it.
        ranker: the chat model that puts the best moments in order; None: their scores do.

    Raises:
        UsageError: artwork or font can't be used, or the limits leave no clip possible.
        ToolFailed: ffmpeg died, stalled, or can't encode.
        StorageError: the store can't be written.
        EarwitnessError: the chat model can't be asked, or a budget has no room for that.
    """
    limits_s(settings)
    units = units_of(utterances)
    sound = None
    if settings.count and (units or turns):
        sound = listen_for_moments(audio, ((word.start_ms, word.end_ms) for unit in units for word in unit.words))
    choice = choose_moments(
        utterances,
        notes,
        settings,
        sound,
        turns=turns,
        speakers=speakers,
        profile=profile,
        learned=learned,
        edges=edges,
        misheard=misheard,
        ranker=ranker,
    )
    progress(0.1, f"{len(choice.moments)} clips chosen")
    names = {speaker.label: shown for speaker in speakers if (shown := _shown(speaker, profile))}
    clips: list[Clip] = []
    files: dict[str, FileRef] = {}
    warnings = [*choice.warnings]
    with workspace("clips") as scratch:
        folder = Path(scratch)
        fonts = None
        if settings.video and choice.moments:
            texts = [*(moment.title for moment in choice.moments), *names.values(), *(unit.text for unit in units)]
            fonts = fonts_in(folder, settings.font, literal(" ".join(texts)))
        studio = Studio(audio, units, names, settings, sound, profile, folder, fonts, film)
        if film is not None and film.wide_range and choice.moments and not can_map_colours():
            warnings.append("The clips' colours are pale: the picture is HDR, and this ffmpeg has no zscale.")
        for number, made in enumerate(studio.make_all(choice.moments), 1):
            warnings += made.warnings
            if made.clip is not None:
                clips.append(made.clip)
                files |= {path: keep(file) for path, file in made.files.items()}
            progress(0.1 + 0.9 * number / len(choice.moments), f"{number} of {len(choice.moments)} clips")
    progress(1.0)
    reason = choice.reason
    if choice.moments and not clips:
        reason = "None of the clips that were made could be published; the warnings say why."
    ranked_by = ranker.engine.model if ranker and any(clip.ranking for clip in clips) else None
    listing = ClipList(clips=clips, reason=reason, weights=choice.weights, learned=learned, ranked_by=ranked_by)
    return Clipped(engine=engine, listing=listing, files=files, warnings=warnings)


def _shown(speaker: Speaker, profile: Profile) -> str:
    """The name that captions show; a label says nothing to viewers."""
    if speaker.named_by == "nobody":
        return ""
    return literal(speaker.character if profile is Profile.TABLETOP and speaker.character else speaker.name)


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a moment."""

    clip: Clip | None
    files: dict[str, Path]
    """Path in the bundle → where it lies now."""
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Studio:
    """What all clips of a recording are made with."""

    audio: Path
    units: Sequence[Unit]
    names: dict[str, str]
    settings: ClipSettings
    sound: Sound | None
    profile: Profile
    folder: Path
    fonts: Fonts | None
    film: Film | None

    def make_all(self, moments: Sequence[Moment]) -> Iterator[Made]:
        """The clips in order, some of them made at once: while one is measured or checked, another is encoded."""
        with ThreadPoolExecutor(_at_once(), thread_name_prefix="clips") as pool:
            started = [
                # each in a context of its own, which knows the run that may be interrupted
                pool.submit(copy_context().run, self.make, f"clip-{number}", moment)
                for number, moment in enumerate(moments, 1)
            ]
            try:
                for clip in started:
                    yield clip.result()
            finally:
                for clip in started:
                    clip.cancel()

    def make(self, name: str, moment: Moment) -> Made:
        """Cut, render and check one clip in every preset that was asked for."""
        room = room_around(moment.start_ms, moment.end_ms, self.units)
        around = take_out(self.audio, room, self.folder, name)
        if around.offset_ms + around.length_ms + _CODEC_FRAME_MS < room.last_word_ms:
            return Made(None, {}, [f"{name} was left out: its words go on after the end of the sound."])
        low, high = (round(limit * 1000) for limit in limits_s(self.settings))
        if moment.by_hand:
            length = moment.end_ms - moment.start_ms
            low, high = min(low, length), max(high, length + _BREATHS_MS)
        start, end = cut_points(around, room, high)
        cut = Cut(((start, end),))
        if self.settings.shorten:
            cut = shortened(start, end, self.units, low, self.sound)
        piece = joined(around, cut, self.folder / f"{name}.cut.wav")
        said = cut.on_its_clock(self.units)
        captions = None
        if any(unit.text for unit in said):
            captions = self.folder / f"{name}.srt"
            captions.write_text(srt(cues_of(said, 0, cut.length_ms), self.names), "utf-8")
        shot, warnings = self._shot(name, cut)
        take = _Take(name, moment, piece, cut.length_ms, said, captions, shot)
        renditions, files = [], {}
        told = self._boxes_shown(take)
        warnings += told
        presets: Sequence[Preset | None] = (None,) if told else wanted(self.settings) or (None,)
        for preset in presets:
            rendition, path, told = self._rendered(take, preset)
            warnings += told
            if rendition is not None:
                renditions.append(rendition)
                files[rendition.path] = path
        if not renditions:
            return Made(None, {}, warnings)
        if captions is not None:
            files[f"clips/{captions.name}"] = captions
        return Made(_entry(take, cut, renditions), files, warnings)

    def _shot(self, name: str, cut: Cut) -> tuple[Shot | None, list[str]]:
        """What of the recording's own picture the clip shows, and why it shows none where there should be some."""
        if self.film is None or self.fonts is None:
            return None, []
        shape = shape_at(self.film, cut)
        if shape is None:
            return None, [f"{name} shows a waveform: the recording has no picture there that can be decoded."]
        return Shot(self.film, cut, shape, self.settings.reframe), []

    def _boxes_shown(self, take: "_Take") -> list[str]:
        """Why there can be no picture: letters that no font has would be drawn as empty boxes."""
        if self.fonts is None:
            return []
        shown = " ".join([take.moment.title, *(unit.text for unit in take.said)])
        letters = "".join(char for char in self.fonts.lacking(literal(shown)) if char.isalpha())
        if not letters or not (left := nobody_has(letters)):
            return []
        return [
            f"{take.name} has no picture: no font here has {len(left)} of its letters ({left[:10]}); give one with "
            "clip.font."
        ]

    def _rendered(self, take: "_Take", preset: Preset | None) -> tuple[Rendition | None, Path, list[str]]:
        """One file, made once more where the check finds fault with it, and left out where it does again."""
        told: list[str] = []
        if preset is not None:
            assert self.fonts is not None
            shown = " ".join([take.moment.title, *self.names.values(), *(unit.text for unit in take.said)])
            if lacking := self.fonts.lacking(self.fonts.drawable(literal(shown))):
                told.append(
                    f"{take.name}: its picture shows {len(lacking)} characters ({lacking[:10]}) only if this system "
                    "has a font with them; give one with clip.font."
                )
        wrong: Iterable[str] = ()
        path = self.folder / take.name
        for softer_db in (0.0, SOFTER_DB):
            path, rendition, wrong = self._attempt(take, preset, softer_db)
            if not wrong:
                return rendition, path, told
        what = f"{take.name} for {preset.name}" if preset and len(self.settings.presets) > 1 else take.name
        return None, path, [*told, f"{what} was left out: {' '.join(wrong)}"]

    def _attempt(self, take: "_Take", preset: Preset | None, softer_db: float) -> tuple[Path, Rendition, list[str]]:
        podcast = PODCAST_LUFS if self.profile is Profile.PODCAST else LOUDNESS_LUFS
        loudness = podcast if preset is None else preset.loudness_lufs
        heard = self.folder / f"{take.name}.{-loudness:g}.{softer_db:g}.m4a"
        if not heard.exists():
            encode_sound(take.piece, 0, take.length_ms, heard, loudness, softer_db=softer_db)
        if preset is None:
            path = self.folder / f"{take.name}.m4a"
            shutil.copyfile(heard, path)
        else:
            several = len(self.settings.presets) > 1
            path = self.folder / (f"{take.name}-{preset.name}.mp4" if several else f"{take.name}.mp4")
            encode_picture(self._scene(take, preset, heard), heard, path, take.shot)
        samples = decoded(path)
        measured = (loudness_of(samples), true_peak_dbtp(samples))
        size = preset.size if preset else None
        found = check_clip(
            path, take.captions, take.said, take.length_ms, loudness_lufs=loudness, heard=measured, size=size
        )
        rendition = Rendition(
            preset=preset.name if preset else "audio",
            path=f"clips/{path.name}",
            width=size[0] if size else None,
            height=size[1] if size else None,
            duration_s=take.length_ms / 1000,
            loudness_lufs=None if measured[0] is None else round(measured[0], 2),
            true_peak_dbtp=round(measured[1], 2),
        )
        return path, rendition, list(chain(*errors_of(found).values()))

    def _scene(self, take: "_Take", preset: Preset, heard: Path) -> Scene:
        assert self.fonts is not None
        settings = self.settings
        measure = measure_of(preset, self.fonts)
        return Scene(
            preset=preset,
            cues=cues_of(drawable(take.said, self.fonts), 0, take.length_ms, room_for_lines(preset), measure),
            title=take.moment.title,
            names=self.names,
            length_ms=take.length_ms,
            levels=np.zeros(0, np.float32) if take.shot else levels_of_clip(heard),
            fonts=self.fonts,
            look=Look(settings.colours or COLOURS, settings.background, settings.artwork),
            artwork=settings.artwork is not None and artwork_box(preset) is not None,
            over_film=take.shot is not None,
        )


@dataclass(frozen=True, slots=True)
class _Take:
    """A clip that was cut."""

    name: str
    moment: Moment
    piece: Piece
    length_ms: int
    said: Sequence[Unit]
    """On the clip's clock."""
    captions: Path | None
    shot: Shot | None
    """Of the recording's own picture."""


def drawable(said: Sequence[Unit], fonts: Fonts) -> list[Unit]:
    """What is said as captions can show it: without emoji that the font lacks. They stay in the SRT."""
    shown = []
    for unit in said:
        words = tuple(replace(word, text=text) for word in unit.words if (text := fonts.drawable(word.text)))
        if words or not unit.words:
            shown.append(replace(unit, words=words, text=fonts.drawable(unit.text)))
    return shown


def _at_once() -> int:
    """Clips in the making: an encoder keeps two processors busy, apart from when its clip is measured."""
    return max(2, min(4, (os.cpu_count() or 1) // 2))


def _entry(take: _Take, cut: Cut, renditions: Sequence[Rendition]) -> Clip:
    moment, first = take.moment, renditions[0]
    return Clip(
        id=take.name,
        start_s=cut.start_ms / 1000,
        end_s=cut.end_ms / 1000,
        score=moment.score,
        reason=moment.reason,
        title=moment.title,
        preset=first.preset,
        path=first.path,
        captions=f"clips/{take.captions.name}" if take.captions else None,
        evidence=list(moment.evidence),
        features=moment.features,
        description=moment.description,
        hashtags=list(moment.hashtags),
        lacks=list(moment.lacks),
        by_hand=moment.by_hand,
        ranking=moment.ranking,
        cut_out_s=(cut.end_ms - cut.start_ms - cut.length_ms) / 1000,
        renditions=list(renditions),
    )
