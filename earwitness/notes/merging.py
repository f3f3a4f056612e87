"""Notes on parts put together: in the order of the recording, nothing said twice."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from earwitness.notes.drafting import Sentence
from earwitness.notes.markdown import escape
from earwitness.notes.notes import Chapter, Label
from earwitness.notes.salience import content_terms
from earwitness.notes.sentences import count_words
from earwitness.notes.shapes import Kind, Stretch
from earwitness.words.punctuation import closed
from earwitness.words.transcript import Utterance

_ALIKE = 0.8
_NEAR = 40
"""Sentences before it that one is compared with; parts overlap by less."""
_ABSTRACT_WORDS = 120
_ABSTRACT_SENTENCES = 5
_TITLES = 5


def in_order(
    sentences: Sequence[Sentence], fields: Sequence[str], place: Mapping[str, int]
) -> tuple[list[Sentence], list[Sentence]]:
    """Sentences as they will stand in the notes, and those that only say again what another one says.

    Field after field, each in the order of what it rests on; what is said of one name stands together, where the name
    comes up first.

    Args:
        sentences: of all parts.
        fields: in the order of the notes.
        place: utterance → its number.
    """
    kept: list[Sentence] = []
    again: list[Sentence] = []
    for name in fields:
        inside = [sentence for sentence in sentences if sentence.part == name]
        first: dict[str, int] = {}
        for sentence in inside:
            key = sentence.details.get("name", "").casefold()
            if key:
                first[key] = min(first.get(key, len(place)), _at(sentence, place))
        inside.sort(key=lambda s: (first.get(s.details.get("name", "").casefold(), _at(s, place)), _at(s, place)))
        run: list[Sentence] = []
        for sentence in inside:
            (again if any(_same(sentence, other) for other in run[-_NEAR:]) else run).append(sentence)
        if name == "titles":
            run = run[:_TITLES]
        kept += run
    return kept, again


def _at(sentence: Sentence, place: Mapping[str, int]) -> int:
    return min(place[key] for key in sentence.evidence)


def _same(sentence: Sentence, other: Sentence) -> bool:
    if sentence.text.casefold() == other.text.casefold():
        return True
    one, two = set(content_terms(sentence.text)), set(content_terms(other.text))
    alike = len(one & two) / len(one | two) if one | two else 0.0
    return alike >= _ALIKE and bool(set(sentence.evidence) & set(other.evidence))


def abstract_of(claims: Sequence[str]) -> str:
    """Up to five of the main sentences, from all over the recording, some hundred words."""
    for count in range(min(_ABSTRACT_SENTENCES, len(claims)), 0, -1):
        step = (len(claims) - 1) / max(1, count - 1)
        chosen = [claims[round(number * step)] for number in range(count)]
        if count == 1 or sum(count_words(text) for text in chosen) <= _ABSTRACT_WORDS:
            return " ".join(closed(text) for text in chosen)
    return ""


def story_of(paragraphs: Sequence[Sentence], chapters: Sequence[Chapter], place: Mapping[str, int]) -> str:
    """Markdown: a heading a chapter, paragraphs that end with their citations, such as [u0012]."""
    starts = [place[chapter.first] for chapter in chapters]

    def chapter_of(paragraph: Sentence) -> int:
        return max((n for n, start in enumerate(starts) if start <= _at(paragraph, place)), default=0)

    parts = []
    ordered = sorted(paragraphs, key=lambda paragraph: _at(paragraph, place))
    for number, group in groupby(ordered, key=chapter_of):
        parts.append(f"## {escape(chapters[number].title)}")
        for paragraph in group:
            parts.append(f"{escape(closed(paragraph.text))}{''.join(f' [{key}]' for key in paragraph.evidence)}")
    return "\n\n".join(parts) + "\n"


def labels_of(stretches: Sequence[Stretch], utterances: Sequence[Utterance]) -> list[Label]:
    """Runs of one kind, in order, none twice; utterances that nobody labelled are left out."""
    place = {utterance.id: number for number, utterance in enumerate(utterances)}
    kinds: list[Kind | None] = [None] * len(utterances)
    for stretch in stretches:
        for number in range(place[stretch.first], place[stretch.last] + 1):
            kinds[number] = "private" if stretch.kind == "private" else kinds[number] or stretch.kind
    found = []
    for kind, run in groupby(range(len(kinds)), key=lambda number: kinds[number]):
        numbers = list(run)
        if kind:
            found.append(Label(kind=kind, first=utterances[numbers[0]].id, last=utterances[numbers[-1]].id))
    return found
