"""Choosing moments worth posting: whole sentences, of the right length, that stand on their own.

The length is a condition, not a wish: only stretches within the limits are ever scored.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from earwitness.clips.clip import Learned, Ranking
from earwitness.clips.edges import asked_edges
from earwitness.clips.features import Judge
from earwitness.clips.presets import limits_s
from earwitness.clips.rank import MANY, Ranked, Ranker, ordinary_words, publishable, rank_moments
from earwitness.clips.sound import Sound
from earwitness.clips.telling import context_lacking, description_of, hashtags_for, ranking_told, reason_for, title_of
from earwitness.clips.units import Unit, span_of, straddled, units_of, units_of_turns
from earwitness.corrections.corrections import ClipEdges
from earwitness.notes.notes import Notes
from earwitness.options import Profile
from earwitness.settings import ClipSettings
from earwitness.speech.turns import Turn
from earwitness.words.cast import Speaker
from earwitness.words.formats import clock_text
from earwitness.words.transcript import Utterance

ALIKE = 0.6
"""Two stretches that share more of their content words say the same."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of whole sentences that was chosen."""

    start_ms: int
    """Start of its first word."""
    end_ms: int
    """End of its last word."""
    score: float
    features: dict[str, float] = field(compare=False)
    reason: str = ""
    title: str = ""
    evidence: tuple[str, ...] = ()
    description: str = ""
    hashtags: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    by_hand: bool = False
    """A person set its edges; score and features are those it was chosen with."""
    ranking: Ranking | None = None
    """Where a chat model put it."""


@dataclass(frozen=True, slots=True)
class _Pick:
    """Units that were chosen."""

    score: float
    first: int
    last: int
    features: dict[str, float] = field(compare=False)
    by_hand: bool = False
    ranking: Ranking | None = None
    """With what the model said as it said it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The moments, best first, and why there are none or fewer than asked for."""

    moments: list[Moment]
    reason: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    """What each feature weighed."""
    warnings: tuple[str, ...] = ()


def choose_moments(
    utterances: Sequence[Utterance],
    notes: Notes | None,
    settings: ClipSettings,
    sound: Sound | None = None,
    *,
    turns: Sequence[Turn] = (),
    speakers: Sequence[Speaker] = (),
    profile: Profile = Profile.TABLETOP,
    learned: Learned | None = None,
    edges: Sequence[ClipEdges] = (),
    misheard: bool = False,
    ranker: Ranker | None = None,
) -> Choice:
    """The best stretches, at most `settings.count`; no two overlap or say the same.

    Args:
        utterances: the transcript, with times.
        notes: what the recording is about, if notes were written.
        settings: resolved; `min_s` and `max_s` bound the time from the first word to the last.
        sound: how the recording sounds, if it was listened to.
        turns: who speaks when; what is chosen from where there are no words.
        speakers: who the labels are.
        profile: decides, with the first preset, how much each feature weighs.
        learned: what ratings made of the weights.
        edges: what a person asked of clips that were chosen earlier, and are chosen again.
        misheard: the recogniser mishears many words: no tags are made of them, and clips say so.
        ranker: the chat model that puts the best moments in order; None: their scores do.

    Raises:
        EarwitnessError: the chat model can't be asked, or a budget has no room for that.
    """
    if settings.count == 0:
        return Choice([], "No clips were asked for.")
    units = units_of(utterances)
    unread = not utterances
    if unread:
        units = units_of_turns(turns)
    if not units:
        if unread:
            return Choice([], "There are no words and nobody is heard speaking, so there is no moment to cut out.")
        return Choice([], "The transcript has no times, so no moment can be cut out.")
    low, high = limits_s(settings)
    heard_s = (max(unit.end_ms for unit in units) - units[0].start_ms) / 1000
    if heard_s < low:
        return Choice([], f"There are {heard_s:.1f} s of talk; a clip has at least {low:g} s.")
    limits = (round(low * 1000), round(high * 1000))
    hidden = _private_spans(units, notes)
    candidates = _candidates(units, limits, hidden, clean_edges=True)
    candidates = candidates or _candidates(units, limits, hidden, clean_edges=False)
    if not candidates:
        return Choice([], f"No run of whole sentences lasts between {low:g} and {high:g} s without a cut.")
    judge = Judge(units, notes, sound, speakers, profile)
    weights = weights_of(profile, settings.presets[0] if settings.video and settings.presets else "audio", learned)
    scored = sorted(
        ((score_of(judge.features(first, last), weights), first, last) for first, last in candidates),
        key=lambda item: (-item[0], units[item[1]].start_ms, item[2]),
    )
    best, repeated = _best(scored, judge, settings.count * (MANY if ranker else 1))
    ranked = Ranked(tuple(range(len(best))))
    if ranker:
        ranked = rank_moments([units[first : last + 1] for _, first, last in best], ranker)
    picks, warnings = _as_asked(_picked(best, ranked, judge)[: settings.count], edges, units)
    picks, unheard = _told(picks, units)
    moments = [_moment(judge, units, notes, speakers, profile, pick, misheard=misheard) for pick in picks]
    warnings = [*([ranked.warning] if ranked.warning else []), *unheard, *warnings]
    shortfall = _shortfall(len(moments), settings.count, repeated, unread)
    return Choice(moments, shortfall, {name: round(weight, 4) for name, weight in weights.items()}, tuple(warnings))


def _as_asked(
    picks: Sequence[_Pick], edges: Sequence[ClipEdges], units: Sequence[Unit]
) -> tuple[list[_Pick], list[str]]:
    """What was chosen, with the edges that a person asked for; what they reach into gives way."""
    moved = []
    for pick in picks:
        asked = asked_edges(edges, units, pick.first, pick.last)
        moved.append(replace(pick, first=asked[0], last=asked[1], by_hand=True) if asked else pick)
    by_hand = [pick for pick in moved if pick.by_hand]
    kept = [pick for pick in moved if pick.by_hand or not any(_overlap(units, pick, other) for other in by_hand)]
    warnings = []
    if gone := len(edges) - len(by_hand):
        warnings.append(
            f"{gone} clip{'s' if gone > 1 else ''} that {'were' if gone > 1 else 'was'} extended or trimmed by hand "
            f"{'are' if gone > 1 else 'is'} not among those that were chosen now."
        )
    return kept, warnings


def _picked(best: Sequence[tuple[float, int, int]], ranked: Ranked, judge: Judge) -> list[_Pick]:
    """In the order that was found."""
    found = []
    for number, place in enumerate(ranked.order, 1):
        score, first, last = best[place]
        said = ranked.said.get(place)
        ranking = None if said is None else Ranking(place=number, of=len(ranked.said), said=said)
        found.append(_Pick(score, first, last, judge.features(first, last), ranking=ranking))
    return found


def _told(picks: Sequence[_Pick], units: Sequence[Unit]) -> tuple[list[_Pick], list[str]]:
    """What the model said of each, held against the words that are in it; and how much is left out."""
    told, unheard = [], 0
    ordinary = ordinary_words(units) if any(pick.ranking for pick in picks) else frozenset()
    for pick in picks:
        if pick.ranking and pick.ranking.said:
            said = publishable(pick.ranking.said, units[pick.first : pick.last + 1], ordinary)
            unheard += not said
            told.append(replace(pick, ranking=pick.ranking.model_copy(update={"said": said})))
        else:
            told.append(pick)
    if not unheard:
        return told, []
    return told, [
        f"What the chat model said of {unheard} clip{'s' if unheard > 1 else ''} is left out: it has names, numbers or "
        "quotations that nobody says there, or is not one sentence."
    ]


def _overlap(units: Sequence[Unit], one: _Pick, other: _Pick) -> bool:
    (a, b), (c, d) = (span_of(units, pick.first, pick.last) for pick in (one, other))
    return a < d and b > c


def weights_of(profile: Profile, preset: str, learned: Learned | None = None) -> dict[str, float]:
    """Feature → weight, for a genre and the platform that is posted to, with what ratings made of it."""
    table = _table()
    found = dict(table["base"])
    for factors in (table["genre"].get(profile.value, {}), table["platform"].get(preset, {})):
        found = {name: weight * factors.get(name, 1.0) for name, weight in found.items()}
    taught = learned.factors if learned else {}
    return {name: weight * taught.get(name, 1.0) for name, weight in found.items()}


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "weights.toml").read_text("utf-8"))


def score_of(features: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Weighted mean of the features that were measured, 0..1, three decimals."""
    total = sum(weights[name] for name in features) or 1.0
    return round(sum(weights[name] * value for name, value in features.items()) / total, 3)


def _private_spans(units: Sequence[Unit], notes: Notes | None) -> list[tuple[int, int]]:
    """When something is said that must not get out."""
    private = set(notes.private) if notes else set()
    return [(unit.start_ms, unit.end_ms) for unit in units if unit.utterance in private]


def _candidates(
    units: Sequence[Unit], limits: tuple[int, int], hidden: Sequence[tuple[int, int]], *, clean_edges: bool
) -> list[tuple[int, int]]:
    """(first, last) unit of every stretch within the limits whose edges cut nobody's sentence (or at least no word).

    None has a part of what is hidden.
    """
    starts_ok = [not straddled(units, unit.start_ms, words_only=not clean_edges) for unit in units]
    ends_ok = [not straddled(units, unit.end_ms, words_only=not clean_edges) for unit in units]
    found = []
    for first, opening in enumerate(units):
        if not starts_ok[first]:
            continue
        end = 0
        for last in range(first, len(units)):
            if units[last].start_ms - opening.start_ms > limits[1]:
                break
            is_end = units[last].end_ms >= end
            end = max(end, units[last].end_ms)
            if any(begin < end and until > opening.start_ms for begin, until in hidden):
                break
            if is_end and ends_ok[last] and limits[0] <= end - opening.start_ms <= limits[1]:
                found.append((first, last))
    return found


def _best(
    scored: Sequence[tuple[float, int, int]], judge: Judge, count: int
) -> tuple[list[tuple[float, int, int]], int]:
    """The best that neither overlap nor repeat one another, and how many were passed over as repeating."""
    chosen: list[tuple[float, int, int]] = []
    spans: list[tuple[int, int]] = []
    repeated = 0
    for score, first, last in scored:
        start, end = judge.span(first, last)
        if any(end > other[0] and start < other[1] for other in spans):
            continue
        if any(judge.likeness((first, last), (a, b)) > ALIKE for _, a, b in chosen):
            repeated += 1
            continue
        chosen.append((score, first, last))
        spans.append((start, end))
        if len(chosen) == count:
            break
    return chosen, repeated


def _shortfall(found: int, wanted: int, repeated: int, unread: bool) -> str:
    said = []
    if found < wanted:
        what = "turns" if unread else "sentences"
        other = "says anything else" if repeated else "is left"
        said.append(f"{found} of {wanted}: no other stretch of whole {what} of that length {other}.")
    if unread:
        said.append("There are no words: these were chosen by who speaks and how it sounds, and have no captions.")
    return " ".join(said)


def _moment(
    judge: Judge,
    units: Sequence[Unit],
    notes: Notes | None,
    speakers: Sequence[Speaker],
    profile: Profile,
    pick: _Pick,
    *,
    misheard: bool,
) -> Moment:
    first, last, features = pick.first, pick.last, pick.features
    start, end = judge.span(first, last)
    names = {speaker.label: speaker.name for speaker in speakers if speaker.named_by != "nobody"}
    said = any(unit.text for unit in units[first : last + 1])
    return Moment(
        start_ms=start,
        end_ms=end,
        score=pick.score,
        by_hand=pick.by_hand,
        features={name: round(value, 3) for name, value in features.items()},
        reason=reason_for(judge.features(first, last), sum(judge.told.cited[first : last + 1]), (end - start) / 1000)
        + ranking_told(pick.ranking)
        + (" A person set where it begins and ends." if pick.by_hand else ""),
        ranking=pick.ranking,
        title=title_of(judge, units, first, last) or f"At {clock_text(start)}",
        evidence=tuple(dict.fromkeys(u.utterance for u in units[first : last + 1] if u.utterance)),
        description=description_of(judge, units, first, last, notes, speakers),
        hashtags=tuple(hashtags_for([] if misheard else units, first, last, _table()["tags"].get(profile.value, ())))
        if said
        else (),
        lacks=tuple(context_lacking(judge, units, first, last, names, misheard=misheard)),
    )
