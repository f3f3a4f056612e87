"""The moving picture of a recording that has one, cut like the sound and made to fit another shape."""

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from earwitness.audio.facts import Validated
from earwitness.audio.ffmpeg import has_filter, running, source
from earwitness.audio.probe import probe
from earwitness.clips.cutting import Cut
from earwitness.errors import BadRecording, RecordingGone
from earwitness.schema import Record
from earwitness.tracks.facts import TracksValidated

Reframing = Literal["blur", "fill", "fit"]
"""blur: all of the picture, over a blurred copy of itself; fill: its middle, as much as fits; fit: all of it, over the
ground colour."""

_LIMIT_S = 300.0
_LEAD_MS = 2_000
"""Where pictures come seldom, the one that is seen as the clip begins came before it."""
_NEARLY = 1.15
"""Shapes that differ by no more are filled: what is lost at the edges is less ugly than two narrow stripes."""
_THE_SAME = 1.02
"""Less than that is how sizes were rounded."""
_WIDE_RANGE = {16, 18}
"""Transfer characteristics (ITU-T H.273) of HDR: PQ and HLG."""
_BLUR_TO = 8
"""The blurred ground is made at an eighth of the size: nobody sees it, and it is sixty times less work."""
_DIM = 0.55


class FilmSource(Record):
    """Which picture a clip may show; the path has no say in what a checkpoint is good for."""

    path: Path = Field(exclude=True)
    sha256: str
    slice_ms: tuple[int, int] | None
    audio_track: int


@dataclass(frozen=True, slots=True)
class Film:
    """A recording's picture on the recording's clock."""

    path: Path
    base_ms: int
    """Where the recording's clock begins, against the start of the file: sound may begin later than the picture."""
    wide_range: bool
    """HDR: its colours have to be mapped to those of every screen."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a clip shows of a film."""

    film: Film
    cut: Cut
    shape: tuple[int, int]
    """Width and height as the film is seen: upright if it was filmed so, pixels square."""
    how: Reframing


def film_source(path: Path, validated: Validated) -> FilmSource | None:
    """What of the recording's picture decides how clips look; None where it has none, or several files."""
    facts = validated.facts
    if not facts.has_video or (isinstance(validated, TracksValidated) and validated.mix is not None):
        return None
    return FilmSource(path=path, sha256=facts.sha256, slice_ms=facts.slice_ms, audio_track=facts.audio_track)


def open_film(wanted: FilmSource) -> Film | None:
    """Look at the picture of a recording; None where there is only a still one.

    Raises:
        RecordingGone: the recording is not where it was.
        ToolFailed: its header could not be read this time.
    """
    path = wanted.path
    gone = RecordingGone(
        f"The recording {path.name} is not where it was, so clips can't show its picture.",
        "Put it back, or tell where it is now: earwitness fix BUNDLE --recording PATH.",
    )
    if not path.is_file():
        raise gone
    try:
        found = probe(path)
    except BadRecording as error:
        raise gone from error
    if found.film is None or wanted.audio_track >= len(found.audio):
        return None
    sound_from = found.audio[wanted.audio_track].start_ms
    begins = wanted.slice_ms[0] if wanted.slice_ms else 0
    base = max(begins, sound_from) if begins else sound_from
    return Film(path, base, found.film.transfer in _WIDE_RANGE)


def shape_at(film: Film, cut: Cut) -> tuple[int, int] | None:
    """Width and height of the picture as it is seen in a clip; None: there is none, or none that can be decoded.

    A picture is decoded for it: headers lie, films end before their sound, and phones turn them with a note.
    """
    from PIL import Image, UnidentifiedImageError

    output = (
        _opened(film, cut)
        .filter("scale", w="max(2,trunc(iw*sar/2)*2)", h="max(2,trunc(ih/2)*2)")
        .filter("setsar", sar=1)
        .output("pipe:1", format="image2pipe", vcodec="png", pix_fmt="rgb24", vframes=1)
    )
    parts = []
    raw = memoryview(bytearray(1 << 20))
    with running(output, limit_s=_LIMIT_S) as child:
        while got := child.read_into(raw):
            parts.append(bytes(raw[:got]))
            if got < len(raw):
                break
        report = child.finish()
    try:
        report.raise_for_tool()
        with Image.open(io.BytesIO(b"".join(parts)), formats=("PNG",)) as picture:
            return picture.size
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _opened(film: Film, cut: Cut) -> Any:
    begin = film.base_ms + cut.start_ms
    lead = min(_LEAD_MS, begin)
    # V: not the cover
    return source(film.path, start_ms=begin - lead, end_ms=film.base_ms + cut.end_ms)["V:0"]


def reframed(shot: Shot, size: tuple[int, int], frame_rate: int, ground: str) -> Any:
    """The film as a clip shows it, on the clip's clock: an ffmpeg-python stream, without an end.

    Args:
        shot: what is shown.
        size: width and height of the clip.
        frame_rate: of the clip; films of any rate, also a changing one, are brought to it.
        ground: colour beside the picture, #RRGGBB.
    """
    picture = _on_the_clips_clock(shot, frame_rate)
    wide, tall = size
    ratio = (shot.shape[0] / shot.shape[1]) / (wide / tall)
    square = {"w": "max(2,trunc(iw*sar/2)*2)", "h": "max(2,trunc(ih/2)*2)"}
    picture = picture.filter("scale", **square).filter("setsar", sar=1)
    off = max(ratio, 1 / ratio)
    if shot.how == "fill" or off <= (_NEARLY if shot.how == "blur" else _THE_SAME):
        return _finished(_filled(picture, wide, tall), shot.film)
    if shot.how == "fit":
        inside = _finished(_fitted(picture, wide, tall), shot.film)
        place = {"x": "(ow-iw)/2", "y": "(oh-ih)/2"}
        return inside.filter("pad", width=wide, height=tall, color=f"0x{ground.lstrip('#')}", **place)
    both = picture.filter_multi_output("split")
    small = _finished(_filled(both[0], wide // _BLUR_TO // 2 * 2, tall // _BLUR_TO // 2 * 2), shot.film)
    behind = (
        small.filter("gblur", sigma=4)
        .filter("lutyuv", y=f"16+(val-16)*{_DIM}")
        .filter("scale", w=wide, h=tall, flags="bicubic")
        .filter("setsar", sar=1)
    )
    inside = _finished(_fitted(both[1], wide, tall), shot.film)
    return behind.overlay(inside, x="(W-w)/2", y="(H-h)/2", format="yuv420", eof_action="repeat")


def _on_the_clips_clock(shot: Shot, frame_rate: int) -> Any:
    film, cut = shot.film, shot.cut
    lead = min(_LEAD_MS, film.base_ms + cut.start_ms)
    picture = _opened(film, cut).filter("bwdif", mode="send_frame", deint="interlaced")
    shift = f"{lead / 1000:.3f}"
    if len(cut.spans) > 1:
        kept = [(lead + start - cut.start_ms, lead + end - cut.start_ms) for start, end in cut.spans]
        kept[0] = (0, kept[0][1])
        terms = "+".join(f"gte(t,{start / 1000:.3f})*lt(t,{end / 1000:.3f})" for start, end in kept)
        picture = picture.filter("select", expr=terms)
        for (_, end), (start, _) in pairwise(cut.spans):
            begins = (lead + start - cut.start_ms) / 1000
            shift += f"+gte(T,{begins:.3f})*{(start - end) / 1000:.3f}"
    return (
        picture.filter("setpts", expr=f"PTS-({shift})/TB")
        .filter("fps", fps=frame_rate, start_time=0)
        .filter("tpad", stop_mode="clone", stop=-1)
    )


def _filled(picture: Any, wide: int, tall: int) -> Any:
    return picture.filter(
        "scale", w=wide, h=tall, force_original_aspect_ratio="increase", force_divisible_by=2, flags="bicubic"
    ).filter("crop", wide, tall)


def _fitted(picture: Any, wide: int, tall: int) -> Any:
    return picture.filter(
        "scale", w=wide, h=tall, force_original_aspect_ratio="decrease", force_divisible_by=2, flags="bicubic"
    )


def _finished(picture: Any, film: Film) -> Any:
    """In the colours of every screen (BT.709, limited range, 8 bits)."""
    if film.wide_range and can_map_colours():
        picture = (
            picture.filter("zscale", transfer="linear", npl=100)
            .filter("format", pix_fmts="gbrpf32le")
            .filter("zscale", primaries="bt709")
            .filter("tonemap", tonemap="hable", desat=0)
            .filter("zscale", transfer="bt709", matrix="bt709", range="tv")
        )
    return (
        picture.filter("scale", out_color_matrix="bt709", out_range="tv")
        .filter("format", pix_fmts="yuv420p")
        .filter("setsar", sar=1)
    )


def can_map_colours() -> bool:
    """Whether this ffmpeg can bring HDR down to ordinary screens; without it the colours are pale."""
    return has_filter("zscale") and has_filter("tonemap")
