"""Clips that a person extends or trims: by whole sentences, as an input that is kept with the bundle's corrections."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from earwitness.archive.reading import Bundle
from earwitness.clips.clip import Clip
from earwitness.clips.find import clip_named, clips_of
from earwitness.clips.presets import limits_s
from earwitness.clips.units import Unit, span_of, straddled, units_of, units_of_turns
from earwitness.corrections.corrections import ClipEdges, Corrections
from earwitness.errors import UsageError
from earwitness.settings import ClipSettings
from earwitness.words.transcript import utterances_of

_CUT_MS = 700
"""A cut lies this near to the word that it belongs to: room for a breath, and what a re-run may move."""
_GRAZE_MS = 60
_SHORTEST_S, _LONGEST_S = 3.0, 900.0
_FARTHEST_MS = round(_LONGEST_S * 1000)
"""Whoever sets edges by hand is not held to the limits of choosing, only to what can be made and posted."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a clip will begin and end with."""

    corrections: Corrections
    clip: str
    opens: str
    closes: str
    seconds: float


def moved(bundle: Bundle, name: str, before: int, after: int) -> Moved:
    """Extend or trim a clip.

    Args:
        bundle: whose clip it is.
        name: of the clip, e.g. clip-2.
        before: sentences that are added before its first one; taken away if negative.
        after: sentences that are added after its last one; taken away if negative.

    Returns:
        All corrections of the bundle with this one among them.

    Raises:
        UsageError: there is no such clip, no such sentence, nothing left of it, or it would overlap another clip, or
            be longer than its presets take.
    """
    clip = clip_named(bundle, name)
    words = bundle.words()
    units = units_of(utterances_of(words)) if words else units_of_turns(bundle.turns())
    first, last = _inside(units, clip.start_s, clip.end_s)
    if not first <= last:
        raise UsageError(f"No sentence lies in {clip.id}.", "Run the recording again to mend the bundle.")
    start = _start_moved(units, first, last, before)
    end = _end_moved(units, first, last, after)
    if end < start:
        raise UsageError(
            f"Nothing of {clip.id} would be left.", f"Take away fewer: it has {last - first + 1} sentences."
        )
    begin_ms, end_ms = span_of(units, start, end)
    _refuse_what_cant_be_posted(bundle, clip, begin_ms, end_ms)
    kept, was = list(bundle.corrections.clips), (clip.start_s, clip.end_s)
    for earlier in bundle.corrections.clips:
        if _same(round(earlier.start_s * 1000), round(earlier.end_s * 1000), *(round(at * 1000) for at in was)):
            kept.remove(earlier)
            was = (earlier.was_start_s, earlier.was_end_s)
    if (start, end) != _inside(units, *was):
        kept.append(
            ClipEdges(was_start_s=was[0], was_end_s=was[1], start_s=begin_ms / 1000, end_s=end_ms / 1000)
        )  # fmt: skip
    return Moved(
        corrections=bundle.corrections.model_copy(update={"clips": kept}),
        clip=clip.id,
        opens=units[start].text,
        closes=units[end].text,
        seconds=(end_ms - begin_ms) / 1000,
    )


def asked_edges(edges: Sequence[ClipEdges], units: Sequence[Unit], first: int, last: int) -> tuple[int, int] | None:
    """The units that a chosen stretch should have instead; None where nobody asked for others, or they are gone."""
    start_ms, end_ms = span_of(units, first, last)
    for edge in edges:
        if not _same(start_ms, end_ms, round(edge.was_start_s * 1000), round(edge.was_end_s * 1000)):
            continue
        start, end = round(edge.start_s * 1000), round(edge.end_s * 1000)
        starts = [n for n, unit in enumerate(units) if abs(unit.start_ms - start) <= _CUT_MS]
        ends = [n for n, unit in enumerate(units) if abs(unit.end_ms - end) <= _CUT_MS]
        if starts and ends:
            begin = min(starts, key=lambda n: abs(units[n].start_ms - start))
            stop = min(ends, key=lambda n: abs(units[n].end_ms - end))
            if begin <= stop:
                return begin, stop
    return None


def _same(start_ms: int, end_ms: int, other_start_ms: int, other_end_ms: int) -> bool:
    return abs(start_ms - other_start_ms) <= _CUT_MS and abs(end_ms - other_end_ms) <= _CUT_MS


def _inside(units: Sequence[Unit], start_s: float, end_s: float) -> tuple[int, int]:
    """First and last unit between two cuts; the last before the first where there is none."""
    start, end = round(start_s * 1000) - _GRAZE_MS, round(end_s * 1000) + _GRAZE_MS
    inside = [n for n, unit in enumerate(units) if unit.start_ms >= start and unit.end_ms <= end]
    return (inside[0], inside[-1]) if inside else (0, -1)


def _start_moved(units: Sequence[Unit], first: int, last: int, by: int) -> int:
    """The unit to begin with: no other sentence is cut there."""
    earliest = bisect_left(units, units[last].end_ms - _FARTHEST_MS, key=lambda unit: unit.start_ms)
    clean = [
        n
        for n in range(min(first, earliest), last + 1)
        if n == first or not straddled(units, units[n].start_ms, words_only=False)
    ]
    return clean[_moved_place(clean.index(first) - by, len(clean), by, "before it", first, last)]


def _end_moved(units: Sequence[Unit], first: int, last: int, by: int) -> int:
    latest = bisect_left(units, units[first].start_ms + _FARTHEST_MS, key=lambda unit: unit.start_ms)
    clean = [
        n
        for n in range(first, latest)
        if n == last
        or (units[n].end_ms == span_of(units, first, n)[1] and not straddled(units, units[n].end_ms, words_only=False))
    ]
    return clean[_moved_place(clean.index(last) + by, len(clean), by, "after it", first, last)]


def _moved_place(place: int, count: int, by: int, where: str, first: int, last: int) -> int:
    if 0 <= place < count:
        return place
    if by > 0:
        far = by + place if where == "before it" else by - (place - count + 1)
        raise UsageError(f"There are {max(0, far)} sentences {where} that can be added.", "Ask for as many at most.")
    raise UsageError("Nothing of the clip would be left.", f"Take away fewer: it has {last - first + 1} sentences.")


def _refuse_what_cant_be_posted(bundle: Bundle, clip: Clip, start_ms: int, end_ms: int) -> None:
    recorded = bundle.recording.settings.get("clip") or {}
    known = {name: recorded[name] for name in ("presets", "video") if recorded.get(name) is not None}
    low, high = limits_s(ClipSettings.model_validate({**known, "min_s": _SHORTEST_S, "max_s": _LONGEST_S}))
    seconds = (end_ms - start_ms) / 1000
    if not low <= seconds <= high:
        raise UsageError(
            f"{clip.id} would last {seconds:.1f} s.", f"A clip of these presets has {low:g} to {high:g} s."
        )
    for other in clips_of(bundle):
        if other.id != clip.id and start_ms / 1000 < other.end_s and end_ms / 1000 > other.start_s:
            raise UsageError(
                f"{clip.id} would overlap {other.id} ({other.start_s:.1f} to {other.end_s:.1f} s).",
                f"Trim {other.id} first, or ask for fewer sentences.",
            )
