"""What a chat model is told of earlier recordings, and what it says became of their open threads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from earwitness.errors import printable
from earwitness.memory.memory import Memory, Thread, key_of
from earwitness.memory.threads import Trace, Tracer
from earwitness.notes.checking import Checker
from earwitness.notes.notes import Dropped
from earwitness.notes.parts import Part, tokens_of
from earwitness.notes.shapes import Followed
from earwitness.words.transcript import Utterance

HEADING = "Earlier threads"
_MOST_SHARE = 0.1
"""Of the model's window. The newest threads are handed over, then the names of last time; the rest is told by words."""
_SHOWN = 300


@dataclass(slots=True)
class Threads:
    """The open threads that a model is asked about, and what it says of them.

    Args:
        memory: of the recordings before this one.
        utterances: of this one.
        window: of the model, in tokens.
        speakers: names of the people who speak.
    """

    memory: Memory
    utterances: Sequence[Utterance]
    window: int
    speakers: Sequence[str]
    handed: dict[str, Thread] = field(init=False)
    """By the short id that the model knows it by."""
    data: dict[str, Any] = field(init=False)
    """As it is handed over."""
    said: dict[str, Trace] = field(default_factory=dict)
    """Thread → what was said of it last, checked."""

    def __post_init__(self) -> None:
        room = round(_MOST_SHARE * self.window)
        self.handed, threads = {}, []
        for number, thread in enumerate(reversed(self.memory.open_threads), 1):
            shown = {"id": f"t{number}", "text": printable(thread.text)[:_SHOWN], "opened in": thread.opened.name}
            room -= tokens_of(json.dumps(shown, ensure_ascii=False)) + 2
            if room < 0:
                break
            threads.append(shown)
            self.handed[f"t{number}"] = thread
        names = []
        for entity in reversed(self.memory.entities):
            room -= tokens_of(entity.name) + 5
            if room < 0:
                break
            if entity.kind != "speaker":
                names.append(printable(entity.name))
        self.data = {"names": names, "threads": threads}

    @property
    def asked(self) -> list[str]:
        """Ids of the threads that were handed over."""
        return [thread.id for thread in self.handed.values()]

    def take(self, answer: dict[str, Any], part: Part, checker: Checker) -> list[Dropped]:
        """Keep what an answer says of earlier threads and this part of the transcript carries; gives the rest.

        A thread is done only if the sentence that says so passes every check; else it is at most taken up, in the words
        that were said.
        """
        listed = answer.get("earlier")
        dropped = []
        tracer = Tracer(self.utterances, self.speakers)
        for item in listed if isinstance(listed, list) else []:
            try:
                followed = Followed.model_validate(item)
            except ValidationError:
                dropped.append(_drop(str(item), [], "it is not of the shape asked for"))
                continue
            thread = self.handed.get(followed.thread)
            if thread is None:
                dropped.append(_drop(followed.text, followed.evidence, "no such thread was handed over"))
                continue
            verdict = checker.sentence(followed.text, followed.evidence, part.handed)
            if verdict.dropped:
                dropped.append(_drop(followed.text, followed.evidence, verdict.dropped))
            elif not tracer.speaks_of(thread, verdict.evidence):
                why = "its evidence has nothing to do with the thread"
                dropped.append(_drop(followed.text, followed.evidence, why))
            else:
                said = next(u.text for u in self.utterances if u.id == verdict.evidence[0])
                told = said[:_SHOWN] if verdict.doubt else followed.text
                done = followed.state == "done" and not verdict.doubt
                before = self.said.get(thread.id)
                if before is None or done or not before.done:
                    self.said[thread.id] = Trace(thread, verdict.evidence[0], _line(told), done)
        return dropped


def remembered_words(memory: Memory | None) -> frozenset[str]:
    """Every word of the names that are remembered."""
    entities = memory.entities if memory else []
    return frozenset(word for entity in entities for name in (entity.name, *entity.also) for word in key_of(name))


def _drop(text: str, cited: Sequence[str], reason: str) -> Dropped:
    shown = [_line(key)[:20] for key in cited[:30]]
    return Dropped(text=_line(text)[:_SHOWN], section=HEADING, cited=shown, reason=reason)


def _line(text: str) -> str:
    return " ".join(printable(text).split())
