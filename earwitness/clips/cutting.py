"""Cutting a clip out of the listening copy: at quiet places, never inside a word, and shorter if that is asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earwitness.audio.ffmpeg import run, source
from earwitness.audio.pcm import quietest_ms
from earwitness.clips.sound import Sound
from earwitness.clips.units import Unit
from earwitness.spans import Span, merge
from earwitness.words.fillers import is_filler

RATE_HZ = 48_000
FADE_MS = 20
_AROUND_MS = 600
"""Sound around the clip that is looked at for the quietest places."""
_HEAD_MS = 180
_TAIL_MS = 320
_LIMIT_S = 900.0
_LONG_PAUSE_MS = 900
"""Longer pauses are shortened if that is asked for, to this much of them:"""
_KEPT_PAUSE_MS = 450
_JOINT_MS = 8
"""Crossfade where something was taken out."""
_LEAST_MS = 120
"""Less than this is not worth a joint."""
_BREATH_MS = 80
"""Kept on each side of a filler that stands apart."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where a clip may be cut: between the words inside it and the words around it, on the recording's clock."""

    earliest_ms: int
    first_word_ms: int
    last_word_ms: int
    latest_ms: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of sound, ready to be encoded."""

    path: Path
    """WAV, 48 kHz, around the clip."""
    offset_ms: int
    """Time of its first sample on the recording's clock."""
    length_ms: int


@dataclass(frozen=True, slots=True)
class Cut:
    """What of the recording a clip holds, in order, and so its clock."""

    spans: tuple[Span, ...]
    """Start and end of each kept stretch in milliseconds of the recording."""

    @property
    def start_ms(self) -> int:
        """On the recording's clock."""
        return self.spans[0][0]

    @property
    def end_ms(self) -> int:
        """On the recording's clock."""
        return self.spans[-1][1]

    @property
    def length_ms(self) -> int:
        """Of the clip."""
        return sum(end - start for start, end in self.spans)

    def at(self, ms: int) -> int:
        """A moment of the recording on the clip's clock; what was taken out lies at its joint."""
        passed = 0
        for start, end in self.spans:
            if ms < end:
                return passed + max(0, ms - start)
            passed += end - start
        return passed

    def holds(self, start_ms: int, end_ms: int) -> bool:
        """Whether anything of a stretch of the recording is heard."""
        return any(start_ms < end and end_ms > start for start, end in self.spans)

    def on_its_clock(self, units: Iterable[Unit]) -> list[Unit]:
        """What is said in the clip, with times on its clock; words that were taken out are gone."""
        found = []
        for unit in units:
            if not self.holds(unit.start_ms, unit.end_ms):
                continue
            words = tuple(
                replace(word, start_ms=self.at(word.start_ms), end_ms=self.at(word.end_ms))
                for word in unit.words
                if self.holds(word.start_ms, word.end_ms)
            )
            if unit.words and not words:
                continue
            start, end = self.at(unit.start_ms), self.at(unit.end_ms)
            if words:
                start, end = words[0].start_ms, max(word.end_ms for word in words)
            if end > start:
                found.append(replace(unit, start_ms=start, end_ms=end, words=words))
        return found


def room_around(start_ms: int, end_ms: int, units: Sequence[Unit]) -> Room:
    """How far the cuts may lie from the clip's own words before they reach other words."""
    edges = [(word.start_ms, word.end_ms) for unit in units for word in unit.words] + [
        (unit.start_ms, unit.end_ms) for unit in units if not unit.words
    ]
    before = [end for start, end in edges if start < start_ms]
    after = [start for start, end in edges if end > end_ms]
    return Room(
        earliest_ms=min(start_ms, max(before, default=0)),
        first_word_ms=start_ms,
        last_word_ms=end_ms,
        latest_ms=max(end_ms, min(after, default=end_ms + 60_000)),
    )


def take_out(audio: Path, room: Room, folder: Path, name: str) -> Piece:
    """Decode the sound around a clip.

    Raises:
        ToolFailed: ffmpeg can't decode it.
    """
    start = max(0, room.earliest_ms - _AROUND_MS, room.first_word_ms - _HEAD_MS - _AROUND_MS)
    target = folder / f"{name}.wav"
    output = (
        source(audio, start_ms=start, end_ms=min(room.latest_ms, room.last_word_ms + _TAIL_MS) + _AROUND_MS)
        # after a seek AAC begins up to a frame late; without first_pts all of the clip would come 20 ms early
        .audio.filter("aresample", RATE_HZ, first_pts=0, **{"async": 1})
        .output(f"file:{target}", acodec="pcm_s16le", ac=2, map_metadata=-1, fflags="+bitexact")
    )
    run(output, limit_s=_LIMIT_S, what="The listening copy can't be cut")
    import soundfile

    return Piece(target, start, round(soundfile.info(target).frames * 1000 / RATE_HZ))


def cut_points(piece: Piece, room: Room, longest_ms: int) -> tuple[int, int]:
    """Where the clip begins and ends: the quietest frames near its edges, never inside a word.

    Args:
        piece: the sound around the clip.
        room: where it may be cut.
        longest_ms: what the clip may last.

    Returns:
        (start, end) on the recording's clock.
    """
    spare = max(0, longest_ms - (room.last_word_ms - room.first_word_ms))
    last = piece.offset_ms + piece.length_ms
    tail = min(_TAIL_MS, spare, max(0, room.latest_ms - room.last_word_ms))
    end = _quietest(piece, room.last_word_ms, min(last, room.last_word_ms + tail))
    head = min(_HEAD_MS, spare - max(0, end - room.last_word_ms), max(0, room.first_word_ms - room.earliest_ms))
    start = _quietest(piece, max(piece.offset_ms, room.first_word_ms - max(0, head)), room.first_word_ms)
    return start, min(last, end)


def _quietest(piece: Piece, low: int, high: int) -> int:
    if high - low < 2 * FADE_MS:
        return (low + high) // 2 if high > low else low
    middle, reach = (low + high) // 2, (high - low) // 2
    return min(high, max(low, piece.offset_ms + quietest_ms(piece.path, middle - piece.offset_ms, reach)))


def shortened(start_ms: int, end_ms: int, units: Sequence[Unit], least_ms: int, sound: Sound | None = None) -> Cut:
    """The clip without its fillers (um, uh, er ...) and with long pauses cut down to half a second.

    Nothing is taken out where anybody else says something at the time, where people laugh, nor where words have no
    times of their own. Pauses stay where the clip would get shorter than `least_ms`.

    Args:
        start_ms: of the clip, on the recording's clock.
        end_ms: of the clip.
        units: what is said.
        least_ms: how long it has to be.
        sound: tells where people laugh.
    """
    inside = [unit for unit in units if unit.end_ms > start_ms and unit.start_ms < end_ms]
    if any(not unit.words for unit in inside):
        return Cut(((start_ms, end_ms),))
    words = [word for unit in inside for word in unit.words if word.end_ms > start_ms and word.start_ms < end_ms]
    words.sort(key=lambda word: (word.start_ms, word.end_ms))
    said = [word for word in words if word.estimated or not is_filler(word.text)]
    if not said:
        return Cut(((start_ms, end_ms),))
    covered = merge((word.start_ms, word.end_ms) for word in said)
    gone = []
    for (_, quiet), (loud, _) in pairwise(covered):
        fillers = [word for word in words if word.start_ms >= quiet and word.end_ms <= loud and word not in said]
        if fillers:
            begin = min(quiet + _BREATH_MS, *(word.start_ms for word in fillers))
            stop = max(loud - _BREATH_MS, *(word.end_ms for word in fillers))
        elif loud - quiet > _LONG_PAUSE_MS and not (sound and sound.burst_ms(quiet, loud)):
            begin, stop = quiet + _KEPT_PAUSE_MS // 2, loud - _KEPT_PAUSE_MS // 2
        else:
            continue
        if stop - begin >= _LEAST_MS:
            gone.append((begin, stop))
    spare = end_ms - start_ms - least_ms
    spans, at = [], start_ms
    for begin, stop in gone:
        if stop - begin > spare or begin <= at:
            continue
        spare -= stop - begin
        spans.append((at, begin))
        at = stop
    return Cut((*spans, (at, end_ms)))


def joined(piece: Piece, cut: Cut, target: Path) -> Piece:
    """The clip's sound as one piece, with short crossfades where something was taken out.

    Args:
        piece: the sound around the clip.
        cut: what of it is kept.
        target: WAV to write.

    Returns:
        a piece on the clip's own clock.
    """
    import soundfile

    sound: npt.NDArray[np.float32] = soundfile.read(piece.path, dtype="float32", always_2d=True)[0]
    reach = _JOINT_MS * RATE_HZ // 2000
    ramp = np.linspace(0, 1, 2 * reach, dtype=np.float32)[:, None]
    made = np.zeros((0, sound.shape[1]), np.float32)
    for number, (start, end) in enumerate(cut.spans):
        first, last = ((ms - piece.offset_ms) * RATE_HZ // 1000 for ms in (start, end))
        after = reach if number + 1 < len(cut.spans) else 0
        part = sound[max(0, first - (reach if number else 0)) : last + after]
        if number:
            made[-2 * reach :] = made[-2 * reach :] * (1 - ramp) + part[: 2 * reach] * ramp
            part = part[2 * reach :]
        made = np.concatenate([made, part])
    soundfile.write(target, made, RATE_HZ, subtype="PCM_16")
    return Piece(target, 0, round(len(made) * 1000 / RATE_HZ))
