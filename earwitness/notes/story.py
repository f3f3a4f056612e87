"""The recording told as a story: the narrator's sentences and the characters' own words, scene by scene."""

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

from earwitness.notes.scenes import Scene
from earwitness.notes.sentences import Sentence
from earwitness.notes.wording import RULES_TALK
from earwitness.words.punctuation import closed
from earwitness.words.transcript import Utterance

_LINES = 3
"""Lines of dialogue a scene, beyond the sentences that the notes have anyway."""
_NEAR = 6
"""Utterances on either side of a chosen sentence in which such lines are looked for."""


class Source(Protocol):
    """What a story is told from."""

    utterances: Sequence[Utterance]
    sentences: list[Sentence]
    narrators: set[str | None]

    @property
    def scores(self) -> list[float]:
        """How much each sentence tells."""

    def speaker_of(self, sentence: int) -> str | None:
        """Label of the sentence's speaker."""

    def quote(self, sentence: int) -> str | None:
        """`Name: "the sentence"`, or None where it can't be quoted."""


def tell(source: Source, scenes: Sequence[Scene], titles: Sequence[str], chosen: Sequence[int]) -> str:
    """Markdown: a heading a scene, paragraphs that end with their citations, such as [u0012].

    Args:
        source: the transcript.
        scenes: all of them, in order.
        titles: of the scenes.
        chosen: the sentences of the notes, ascending.
    """
    parts = []
    for scene, title in zip(scenes, titles, strict=True):
        inside = [index for index in chosen if scene.first <= source.sentences[index].utterance <= scene.last]
        if inside:
            parts.append("\n\n".join([f"## {_plain(title)}", *_paragraphs(source, scene, inside)]))
    return "\n\n".join(parts) + "\n"


def _paragraphs(source: Source, scene: Scene, chosen: Sequence[int]) -> list[str]:
    order = sorted({*chosen, *_dialogue(source, scene, chosen)})
    paragraphs = []
    for narrated, group in groupby(order, key=lambda index: source.speaker_of(index) in source.narrators):
        if not narrated:
            paragraphs += [_spoken(source, index) for index in group]
            continue
        run = list(group)
        for start in range(0, len(run), 4):
            piece = run[start : start + 4]
            paragraphs.append(
                " ".join(_plain(closed(source.sentences[i].text)) for i in piece) + _citations(source, piece)
            )
    return paragraphs


def _spoken(source: Source, index: int) -> str:
    line = source.quote(index) or source.sentences[index].text
    return _plain(line) + _citations(source, [index])


def _dialogue(source: Source, scene: Scene, chosen: Sequence[int]) -> list[int]:
    """The most telling lines of the players around what the notes tell."""
    told = set(chosen)
    near = {
        utterance
        for index in chosen
        for utterance in range(source.sentences[index].utterance - _NEAR, source.sentences[index].utterance + _NEAR + 1)
        if scene.first <= utterance <= scene.last
    }
    lines = [
        index
        for index, sentence in enumerate(source.sentences)
        if sentence.utterance in near
        and index not in told
        and source.speaker_of(index) not in source.narrators
        and 5 <= sentence.words <= 30
        and not RULES_TALK.search(sentence.text)
        and "--" not in sentence.raw
        and source.quote(index) is not None
    ]
    return sorted(lines, key=lambda index: (-source.scores[index], index))[:_LINES]


def _citations(source: Source, sentences: Sequence[int]) -> str:
    ids = dict.fromkeys(source.utterances[source.sentences[index].utterance].id for index in sentences)
    return "".join(f" [{key}]" for key in ids)


def _plain(text: str) -> str:
    """Words that Markdown would take for markup are shown as they are."""
    from earwitness.notes.markdown import escape

    return escape(text)
