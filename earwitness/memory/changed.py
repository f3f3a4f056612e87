"""What a recording changes in what was remembered before it."""

from collections.abc import Mapping, Sequence
from typing import Literal

from earwitness.memory.gather import Gatherer
from earwitness.memory.memory import (
    Change,
    Changes,
    Facts,
    Memory,
    Opened,
    Thread,
    Told,
    Touched,
    key_of,
)
from earwitness.memory.threads import Trace, Tracer
from earwitness.notes.notes import Notes
from earwitness.notes.salience import content_terms

_SAME = 0.6
"""Of the telling words of two threads that are one."""


def changes_in(
    memory: Memory,
    gatherer: Gatherer,
    said: Mapping[str, Trace] | None = None,
    asked: Sequence[str] = (),
) -> Changes:
    """What is new, what came back, and what became of open threads; every line with the utterances that say so.

    Args:
        memory: of the recordings before this one.
        gatherer: reads the notes on this one.
        said: thread → what a chat model said of it, checked; those it was not asked about are followed by their words.
        asked: ids of the threads that the model was asked about.
    """
    told = {key_of(item.name): item for item in gatherer.told}
    before = {key_of(name) for entity in memory.entities for name in (entity.name, *entity.also)}
    tracer = Tracer(gatherer.utterances, [item.name for item in told.values() if item.kind == "speaker"])
    traces: dict[str, Trace] = dict(said or {})
    for thread in memory.open_threads:
        if thread.id not in traces and thread.id not in asked and (trace := tracer.follow(thread)):
            traces[thread.id] = trace
    opened, again = _opened(gatherer.opened, memory.open_threads)
    for thread, item in again:
        if thread.id not in traces:
            traces[thread.id] = Trace(thread, item.evidence[0], item.text, done=False)
    done = [trace for trace in traces.values() if trace.done]
    going_on = [trace for trace in traces.values() if not trace.done]
    return Changes(
        scope=memory.scope,
        earlier=memory.recordings,
        new=[_new(item) for key, item in told.items() if key not in before],
        back=_back(memory, told, gatherer),
        closed=[_of_thread(trace.thread, trace) for trace in _by_age(done, memory)],
        taken_up=[_of_thread(trace.thread, trace) for trace in _by_age(going_on, memory)],
        opened=[
            Change(kind=item.kind, text=item.text, evidence=item.evidence, thread=item.id, secret=item.secret)
            for item in opened
        ],
        still_open=[_of_thread(thread) for thread in memory.open_threads if thread.id not in traces],
    )


def facts_of(notes: Notes, gatherer: Gatherer, changes: Changes | None) -> Facts:
    """What is to be remembered of a recording.

    Args:
        notes: as they are published.
        gatherer: reads them.
        changes: in what was remembered before it; None: nothing was.
    """
    starts = {utterance.id: utterance.start_ms for utterance in gatherer.utterances}
    told = {key_of(item.name): item for item in gatherer.told}
    for change in changes.back if changes else ():
        kind = change.kind
        if kind == "thread" or kind == "action" or kind == "decision" or key_of(change.text) in told:
            continue
        if named := gatherer.named(kind, change.text):
            told[key_of(change.text)] = named
    new = {change.thread for change in changes.opened} if changes else None
    listed: list[tuple[Literal["closed", "taken up"], list[Change]]] = (
        [("closed", changes.closed), ("taken up", changes.taken_up)] if changes else []
    )
    touched = [
        Touched(thread=change.thread, state=state, utterance=change.evidence[0], start_ms=starts[change.evidence[0]])
        for state, found in listed
        for change in found
    ]
    return Facts(
        title=notes.title,
        told=list(told.values()),
        opened=[item for item in gatherer.opened if new is None or item.id in new],
        touched=touched,
    )


def _new(item: Told) -> Change:
    return Change(kind=item.kind, text=item.name, evidence=item.evidence, told=item.text, secret=item.secret)


def _back(memory: Memory, told: Mapping[tuple[str, ...], Told], gatherer: Gatherer) -> list[Change]:
    """Names of before that this recording names: those that the last one did not name come first."""
    found: list[tuple[int, int, Change]] = []
    order = {recording.recording_id: place for place, recording in enumerate(memory.recordings)}
    for entity in memory.entities:
        named = next((told[key] for name in (entity.name, *entity.also) if (key := key_of(name)) in told), None)
        if named is None and entity.kind not in {"topic", "speaker"}:
            named = next(
                (item for name in (entity.name, *entity.also) if (item := gatherer.named(entity.kind, name))), None
            )
        at_table_last_time = entity.kind == "speaker" and order.get(entity.last.recording) == len(order) - 1
        if named is None or at_table_last_time:
            continue
        change = Change(
            kind=entity.kind,
            text=entity.name,
            evidence=named.evidence,
            told=named.text,
            first=entity.first,
            last=entity.last,
            recordings=entity.recordings,
            secret=named.secret,
        )
        found.append((order.get(entity.last.recording, -1), -named.times, change))
    found.sort(key=lambda row: (row[0], row[1], row[2].text))
    return [change for _, _, change in found]


def _opened(items: Sequence[Opened], threads: Sequence[Thread]) -> tuple[list[Opened], list[tuple[Thread, Opened]]]:
    """Threads that are new, and those that say again what is open already."""
    new: list[Opened] = []
    again: list[tuple[Thread, Opened]] = []
    for item in items:
        same = next((thread for thread in threads if _alike(thread.text, item.text)), None)
        if same is None or item.kind == "decision":
            new.append(item)
        else:
            again.append((same, item))
    return new, again


def _alike(one: str, other: str) -> bool:
    first, second = set(content_terms(one)), set(content_terms(other))
    return bool(first) and len(first & second) >= _SAME * len(first | second)


def _of_thread(thread: Thread, trace: Trace | None = None) -> Change:
    return Change(
        kind=thread.kind,
        text=thread.text,
        evidence=[trace.evidence] if trace else [],
        thread=thread.id,
        told=trace.told if trace else "",
        first=thread.opened,
        last=thread.taken_up[-1] if thread.taken_up else thread.opened,
        secret=thread.secret,
    )


def _by_age(traces: Sequence[Trace], memory: Memory) -> list[Trace]:
    order = {thread.id: place for place, thread in enumerate(memory.threads)}
    return sorted(traces, key=lambda trace: order[trace.thread.id])
