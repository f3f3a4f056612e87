"""A transcript as tiers, one a speaker, for formats in which nothing may overlap within a tier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from earwitness.export.harmless import display, distinct, one_line
from earwitness.words.transcript import Utterance
from earwitness.words.utterances import one_at_a_time

UNKNOWN = "Unknown speaker"


@dataclass(frozen=True, slots=True)
class Span:
    """Text from `start_ms` to `end_ms`, which is later."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Tier:
    """What one speaker says; two where a speaker's utterances overlap, as those of merged voices may."""

    name: str
    """Display name, distinct from those of other tiers."""
    words_name: str
    """Of the tier of words below it."""
    speaker: str
    """Display name."""
    utterances: list[Span] = field(default_factory=list)
    words: list[Span] = field(default_factory=list)
    """Each within one of the utterances."""


def tiers_of(utterances: Sequence[Utterance], names: Mapping[str, str]) -> list[Tier]:
    """Tiers in order of the speakers' first words, one a diarization label.

    Within a tier nothing overlaps; speakers overlap each other freely. Words without length get a millisecond, which
    formats with intervals need.

    Args:
        utterances: with words.
        names: diarization label → display name.
    """
    lanes: dict[tuple[str, int], list[tuple[Span, list[Span]]]] = {}
    spoken = [(u.speaker or "", words) for u in utterances if (words := _spans(u))]
    for label, words in sorted(spoken, key=lambda item: (item[1][0].start_ms, _end(item[1]), item[0])):
        number = 0
        while (lane := lanes.get((label, number))) and lane[-1][0].end_ms > words[0].start_ms:
            number += 1
        whole = Span(words[0].start_ms, _end(words), " ".join(word.text for word in words))
        lanes.setdefault((label, number), []).append((whole, words))
    shown = {label: display(label, names) if label else UNKNOWN for label, _ in lanes}
    own = distinct(shown)
    titles = [own[label] + (f" ({number + 1})" if number else "") for label, number in lanes]
    tops = distinct({str(n): title for n, title in enumerate(titles)})
    below = distinct({n: f"{title} - words" for n, title in tops.items()}, taken=tops.values())
    return [
        Tier(
            name=tops[str(n)],
            words_name=below[str(n)],
            speaker=shown[label],
            utterances=[whole for whole, _ in lane],
            words=[word for _, words in lane for word in words],
        )
        for n, ((label, _), lane) in enumerate(lanes.items())
    ]


def _spans(utterance: Utterance) -> list[Span]:
    ordered = sorted((word for word in utterance.words if one_line(word.text)), key=lambda word: word.start_ms)
    longer = [replace(word, speaker=None, end_ms=max(word.end_ms, word.start_ms + 1)) for word in ordered]
    return [Span(word.start_ms, word.end_ms, one_line(word.text)) for word in one_at_a_time(longer)]


def _end(spans: Sequence[Span]) -> int:
    return max(span.end_ms for span in spans)
