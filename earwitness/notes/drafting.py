"""What a chat model answered about one part, item by item: kept, doubted or dropped, each with the reason."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from earwitness.errors import printable
from earwitness.notes.checking import Checker, Verdict
from earwitness.notes.notes import Dropped
from earwitness.notes.parts import Part
from earwitness.notes.sentences import split_sentences
from earwitness.notes.shapes import ITEMS, Action, Chapter, Entity, Point, Quote, Shape, Stretch

_SHOWN = 300
_MARKS = re.compile(r"[\"“”«»]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One that may be published."""

    part: str
    """The field of the answer it comes from, e.g. `recap`."""
    text: str
    evidence: tuple[str, ...]
    doubt: str = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """Everything that one answer gave."""

    title: Sentence | None = None
    sentences: list[Sentence] = field(default_factory=list)
    story: list[Sentence] = field(default_factory=list)
    """Paragraphs."""
    chapters: list[Chapter] = field(default_factory=list)
    """With the ids of utterances that exist."""
    stretches: list[Stretch] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


class Drafter:
    """Reads answers.

    Args:
        checker: of the recording.
        headings: field of the answer → heading in the notes.
    """

    def __init__(self, checker: Checker, headings: dict[str, str]) -> None:
        self.checker = checker
        self._headings = headings

    def draft(self, answer: dict[str, Any], part: Part) -> Draft:
        """What may be published of an answer, and what not."""
        draft = Draft()
        handed, own = part.handed, frozenset(part.own)
        for point in self._items(draft, "title", [answer.get("title")], Point):
            verdict = self.checker.sentence(point.text, point.evidence, handed, title=True)
            if self._passes(draft, "title", point, verdict) and not verdict.doubt:
                draft.title = Sentence("title", _line(point.text), verdict.evidence)
        for name in self._headings:
            for item in self._items(draft, name, answer.get(name), ITEMS.get(name, Point)):
                draft.sentences += self._sentences(draft, name, item, handed)
        for point in self._items(draft, "story", answer.get("story") or [], Point):
            told = list(self._plain(draft, "story", point, point.text, handed))
            if told:
                cited = dict.fromkeys(key for sentence in told for key in sentence.evidence)
                draft.story.append(Sentence("story", " ".join(sentence.text for sentence in told), tuple(cited)))
        for chapter in self._items(draft, "chapters", answer.get("chapters") or [], Chapter):
            if first := self.checker.ids([chapter.first], own):
                draft.chapters.append(chapter.model_copy(update={"first": first[0]}))
        for stretch in self._items(draft, "kinds", answer.get("kinds") or [], Stretch):
            first, last = (self.checker.ids([key], own) for key in (stretch.first, stretch.last))
            if first and last:
                draft.stretches.append(stretch.model_copy(update={"first": first[0], "last": last[0]}))
        return draft

    def _items(self, draft: Draft, name: str, listed: Any, kind: type[Shape]) -> Iterator[Any]:
        for item in listed if isinstance(listed, list) else []:
            try:
                yield kind.model_validate(item)
            except ValidationError:
                if item:
                    draft.dropped.append(self._drop(name, str(item), [], "it is not of the shape asked for"))

    def _sentences(self, draft: Draft, name: str, item: Point, handed: Collection[str]) -> list[Sentence]:
        if isinstance(item, Quote):
            verdict = self.checker.quote(item.text, item.speaker, item.evidence, handed)
            if not self._passes(draft, name, item, verdict):
                return []
            words = _MARKS.sub("'", _line(item.text).strip('"“”«» '))
            return [Sentence(name, words, verdict.evidence, verdict.doubt)]
        if isinstance(item, Entity):
            named = item.text if item.name.casefold() in item.text.casefold() else f"{item.name}: {item.text}"
            return list(self._plain(draft, name, item, named, handed, {"name": _line(item.name)}))
        if isinstance(item, Action):
            return self._action(draft, name, item, handed)
        if name == "titles":
            verdict = self.checker.sentence(item.text, item.evidence, handed, title=True)
            passes = self._passes(draft, name, item, verdict)
            return [Sentence(name, _line(item.text), verdict.evidence, verdict.doubt)] if passes else []
        return list(self._plain(draft, name, item, item.text, handed))

    def _plain(
        self,
        draft: Draft,
        name: str,
        item: Point,
        text: str,
        handed: Collection[str],
        details: dict[str, str] | None = None,
    ) -> Iterator[Sentence]:
        """Sentence by sentence: one that is wrong takes no other with it."""
        for sentence in _whole_sentences(text):
            verdict = self.checker.sentence(sentence, item.evidence, handed)
            if self._passes(draft, name, item.model_copy(update={"text": sentence}), verdict):
                yield Sentence(name, _line(sentence), verdict.evidence, verdict.doubt, dict(details or {}))

    def _action(self, draft: Draft, name: str, item: Action, handed: Collection[str]) -> list[Sentence]:
        found = list(self._plain(draft, name, item, item.text, handed))
        if not found:
            return []
        evidence = found[0].evidence
        details: dict[str, str] = {}
        if item.owner and not self.checker.is_owner(item.owner, evidence):
            why = f"that {item.owner[:60]} will do it is not in its evidence"
            draft.dropped.append(self._drop(name, f"{item.text} (owner: {item.owner})", item.evidence, why))
        elif item.owner:
            details["owner"] = _line(item.owner)
        if item.due and not self.checker.is_said(item.due, evidence):
            why = f"“{item.due[:60]}” is not in its evidence"
            draft.dropped.append(self._drop(name, f"{item.text} (due: {item.due})", item.evidence, why))
        elif item.due:
            details["due"] = _line(item.due)
        first = found[0]
        told = "; ".join(f"{key}: {value}" for key, value in details.items())
        text = f"{first.text.rstrip('.')} ({told})." if told else first.text
        return [Sentence(name, text, evidence, first.doubt, details), *found[1:]]

    def _passes(self, draft: Draft, name: str, item: Point, verdict: Verdict) -> bool:
        if verdict.dropped:
            draft.dropped.append(self._drop(name, item.text, item.evidence, verdict.dropped))
        return not verdict.dropped

    def _drop(self, name: str, text: str, cited: Sequence[str], reason: str) -> Dropped:
        heading = self._headings.get(name, name.capitalize())
        shown = [_line(key)[:20] for key in cited[:30]]
        return Dropped(text=_line(text)[:_SHOWN], section=heading, cited=shown, reason=_line(reason))


def _line(text: str) -> str:
    return " ".join(printable(text).split())


def _whole_sentences(text: str) -> list[str]:
    """Sentences; what stands in quotation marks stays together."""
    found: list[str] = []
    for piece in split_sentences(text):
        if found and (found[-1].count('"') % 2 or found[-1].count("“") > found[-1].count("”")):
            found[-1] += f" {piece}"
        else:
            found.append(piece)
    return found
