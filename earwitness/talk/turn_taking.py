"""Who holds the floor: turns, pauses, overlaps and interruptions, counted from when people speak and nothing else.

States of a conversation as M. Heldner and J. Edlund (Pauses, gaps and overlaps in conversations, Journal of Phonetics
38(4), 2010) define them: overlap that ends in a change of speaker is *between* speakers, overlap inside another's talk
is *within*. docs/speakers.md says what each count means.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from earwitness.spans import Span
from earwitness.speech.turns import Turn

PAUSE_MS = 300
"""A silence of one speaker up to this long, in which nobody else begins, is no end of speech (NIST joins segments so
in RT-09)."""
BACKCHANNEL_MS = 1_000
"""Talk inside another's talk up to this long is a listener's "mhm"; up to this long it ends no monologue either."""
HELD_MS = 1_000
"""Who has not held the floor for so long was not interrupted: both only began at once."""
CLASH_MS = 250
"""Shorter overlap is an ordinary change of speaker: the median one is about 200 ms (Levinson and Torreira 2015), and
diarization is not surer of its edges."""
TAKEN_MS = 500
"""So long the interrupter goes on, the other silent, before the floor counts as taken."""
BREATH_MS = 3_000
"""A longer silence ends a monologue."""
FEWEST_GAPS = 3


@dataclass(frozen=True, slots=True)
class Spurt:
    """Speech of one person without a pause."""

    start_ms: int
    end_ms: int
    speaker: str


@dataclass(slots=True)
class Floor:
    """What one speaker does with the floor."""

    speaking_ms: int = 0
    overlap_ms: int = 0
    turns: int = 0
    backchannels: int = 0
    attempts: int = 0
    interruptions_made: int = 0
    interruptions_suffered: int = 0
    gaps_ms: list[int] = field(default_factory=list)
    """From the end of the speaker before to each turn; negative: overlap."""
    monologue: Span | None = None

    @property
    def median_gap_ms(self) -> float | None:
        """Floor transfer offset; None: too few changes of speaker to say."""
        return median(self.gaps_ms) if len(self.gaps_ms) >= FEWEST_GAPS else None


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """How the floor goes round."""

    floors: Mapping[str, Floor]
    """Label → what that speaker does; sorted by label."""
    alone: Mapping[str, list[Span]]
    """Label → when only that speaker speaks."""
    speech_ms: int
    """Time in which somebody speaks."""
    overlap_ms: int
    """Time in which at least two do."""
    changes: int


def take_turns(turns: Iterable[Turn]) -> TurnTaking:
    """Count who does what with the floor.

    Args:
        turns: in any order; speakers may overlap each other and themselves.
    """
    speech = _speech(turns)
    floors = {speaker: Floor(speaking_ms=sum(end - start for start, end in speech[speaker])) for speaker in speech}
    alone: dict[str, list[Span]] = {speaker: [] for speaker in speech}
    somebody = several = 0
    for start, end, active in _who_when(speech):
        somebody += end - start
        if len(active) == 1:
            alone[active[0]].append((start, end))
            continue
        several += end - start
        for speaker in active:
            floors[speaker].overlap_ms += end - start
    spurts = spurts_of(speech)
    inside = _inside(spurts)
    for spurt in inside:
        if spurt.end_ms - spurt.start_ms <= BACKCHANNEL_MS:
            floors[spurt.speaker].backchannels += 1
        else:
            floors[spurt.speaker].attempts += 1
    held = [spurt for spurt in spurts if spurt not in inside]
    changes = _count_turns(held, floors)
    _count_interruptions(held, spurts, floors)
    for speaker in floors:
        floors[speaker].monologue = _longest_monologue(speaker, spurts, inside)
    return TurnTaking(floors=floors, alone=alone, speech_ms=somebody, overlap_ms=several, changes=changes)


def spurts_of(speech: Mapping[str, Sequence[Span]]) -> list[Spurt]:
    """Speech with short pauses bridged; by start, and of those that start together the longer first."""
    starts = sorted((start, speaker) for speaker, spans in speech.items() for start, _ in spans)
    found = []
    for speaker, spans in speech.items():
        joined: list[Span] = []
        for start, end in spans:
            if joined and start - joined[-1][1] <= PAUSE_MS and not _begins(starts, speaker, joined[-1][1], start):
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        found += [Spurt(start, end, speaker) for start, end in joined]
    return sorted(found, key=lambda spurt: (spurt.start_ms, -spurt.end_ms, spurt.speaker))


def _begins(starts: Sequence[tuple[int, str]], speaker: str, since_ms: int, until_ms: int) -> bool:
    """Whether somebody else begins to speak in a pause: what follows it is then not the same stretch of speech."""
    first, last = bisect_left(starts, (since_ms, "")), bisect_left(starts, (until_ms, ""))
    return any(other != speaker for _, other in starts[first:last])


def _speech(turns: Iterable[Turn]) -> dict[str, list[Span]]:
    speech: dict[str, list[Span]] = {}
    for turn in sorted(turns, key=lambda turn: (turn.speaker, turn.start_ms, turn.end_ms)):
        spans = speech.setdefault(turn.speaker, [])
        if spans and turn.start_ms <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], turn.end_ms))
        else:
            spans.append((turn.start_ms, turn.end_ms))
    return speech


def _who_when(speech: Mapping[str, Sequence[Span]]) -> Iterator[tuple[int, int, list[str]]]:
    """Stretches in which the same people speak, at least one of them."""
    edges = sorted(
        edge
        for speaker, spans in speech.items()
        for start, end in spans
        for edge in ((start, True, speaker), (end, False, speaker))
    )
    active: set[str] = set()
    since = 0
    for at, begins, speaker in edges:
        if active and at > since:
            yield since, at, sorted(active)
        if begins:
            active.add(speaker)
        else:
            active.discard(speaker)
        since = at


def _inside(spurts: Sequence[Spurt]) -> set[Spurt]:
    """Spurts that lie wholly in one of another speaker: they never hold the floor."""
    found = set()
    latest: dict[str, int] = {}
    for spurt in spurts:
        if any(end >= spurt.end_ms for speaker, end in latest.items() if speaker != spurt.speaker):
            found.add(spurt)
        latest[spurt.speaker] = spurt.end_ms
    return found


def _count_turns(held: Sequence[Spurt], floors: Mapping[str, Floor]) -> int:
    """None of `held` lies inside another, so they end in the order in which they start."""
    before: Spurt | None = None
    changes = 0
    for spurt in held:
        if before is None or before.speaker != spurt.speaker:
            floors[spurt.speaker].turns += 1
            if before is not None:
                changes += 1
                floors[spurt.speaker].gaps_ms.append(spurt.start_ms - before.end_ms)
        before = spurt
    return changes


def _count_interruptions(held: Sequence[Spurt], spurts: Sequence[Spurt], floors: Mapping[str, Floor]) -> None:
    starts: dict[str, list[int]] = {}
    for spurt in spurts:
        starts.setdefault(spurt.speaker, []).append(spurt.start_ms)
    turn_began = 0
    for number in range(1, len(held)):
        victim, spurt = held[number - 1], held[number]
        if number == 1 or held[number - 2].speaker != victim.speaker:
            turn_began = victim.start_ms
        if victim.speaker == spurt.speaker:
            continue
        stopped = victim.end_ms
        if (
            spurt.start_ms - turn_began >= HELD_MS
            and stopped - spurt.start_ms >= CLASH_MS
            and spurt.end_ms - stopped >= TAKEN_MS
            and not any(stopped < start < stopped + TAKEN_MS for start in starts[victim.speaker])
        ):
            floors[spurt.speaker].interruptions_made += 1
            floors[victim.speaker].interruptions_suffered += 1


def _longest_monologue(speaker: str, spurts: Sequence[Spurt], inside: set[Spurt]) -> Span | None:
    longest: Span | None = None
    run: Span | None = None
    for spurt in spurts:
        if spurt in inside:
            continue
        if spurt.speaker == speaker:
            if run is not None and spurt.start_ms - run[1] <= BREATH_MS:
                run = (run[0], spurt.end_ms)
            else:
                run = (spurt.start_ms, spurt.end_ms)
            if longest is None or run[1] - run[0] > longest[1] - longest[0]:
                longest = run
        elif spurt.end_ms - spurt.start_ms > BACKCHANNEL_MS:
            run = None
    return longest
