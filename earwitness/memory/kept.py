"""What campaigns, shows and collections remember, on this machine: one file each, for its owner only.

Every recording's own facts are kept apart, and what is remembered before a recording is put together from those of the
recordings before it. So running one again replaces its facts and nothing else, and a forgotten one leaves no trace.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from earwitness.errors import StorageError, UnknownValue, UsageError
from earwitness.home import memory_path
from earwitness.memory.memory import Earlier, Entity, Facts, Memory, Moment, Thread, Told, key_of
from earwitness.schema import SCHEMA_VERSION, Record, is_readable
from earwitness.storage.locks import locked
from earwitness.storage.private import erase_private, write_private

T = TypeVar("T")

_WHAT = "The memory"


class Source(Record):
    """A recording, as memory tells it from others."""

    digest: str = Field(description="of its content and of the part that was asked for: not its name")
    recording_id: str
    name: str = Field(description="its file name, without ending")


class KeptRecording(Record):
    """A recording in the order of its campaign."""

    source: Source
    number: int = Field(description="recordings stand in the order of their numbers, then of their first runs")
    facts: Facts | None = Field(default=None, description="absent: a run began and did not end with a bundle")


class Kept(Record):
    """A file of memory."""

    schema_version: str = SCHEMA_VERSION
    scope: str
    recordings: list[KeptRecording] = Field(default_factory=list, description="in the order of their first runs")
    settled: list[str] = Field(default_factory=list, description="threads that a person called settled")
    renamed: dict[str, str] = Field(default_factory=dict, description="name as it was written → name as it should be")

    @property
    def in_order(self) -> list[KeptRecording]:
        """By number, then by first run."""
        return sorted(self.recordings, key=lambda kept: kept.number)


def recall(scope: str, source: Source, number: int | None = None) -> tuple[Memory, list[str]]:
    """What is remembered of the recordings before one, and what the user should know of it.

    The recording gets its place now, and keeps it: after all that were run before it, or by `number`. What comes after
    it has no say, so running it again later finds the same.

    Args:
        scope: the campaign, show or collection; upper and lower case alike.
        source: the recording.
        number: its number in the scope; None: the one it has, else the next.

    Raises:
        StorageError: the memory can't be read or written.
        UsageError: the scope is no name.
    """
    with locked(_lock(scope)):
        kept = _read(scope)
        known = _recording(kept, source)
        if known is None:
            last = max((other.number for other in kept.recordings), default=0)
            mine = KeptRecording(source=source, number=last + 1 if number is None else number)
            kept = kept.model_copy(update={"recordings": [*kept.recordings, mine]})
            _write(kept)
        elif number not in (None, known.number):
            moved = known.model_copy(update={"number": number})
            others = [moved if other is known else other for other in kept.recordings]
            kept = kept.model_copy(update={"recordings": others})
            _write(kept)
    order = kept.in_order
    place = next(n for n, other in enumerate(order) if other.source.digest == source.digest)
    unfinished = [other.source.name for other in order[:place] if other.facts is None]
    warnings = (
        [
            f"{', '.join(unfinished)} comes before this recording in {kept.scope} and has no bundle yet: what it "
            "tells is not remembered here. Run this recording again when it has one."
        ]
        if unfinished
        else []
    )
    return fold(kept, order[:place]), warnings


def remember(scope: str, source: Source, facts: Facts) -> bool:
    """Keep what a published recording told, in place of what an earlier run of it told; whether that changed anything.

    Raises:
        StorageError: the memory can't be read or written.
    """
    with locked(_lock(scope)):
        kept = _read(scope)
        known = _recording(kept, source)
        if known is None:  # it was forgotten while it was worked on
            return False
        if known.facts == facts:
            return False
        others = [known.model_copy(update={"facts": facts}) if other is known else other for other in kept.recordings]
        _write(kept.model_copy(update={"recordings": others}))
    return True


def all_kept() -> list[Kept]:
    """Every campaign, show and collection that remembers anything, by name.

    Raises:
        StorageError: a file can't be read.
    """
    return sorted(map(_parsed, sorted(memory_path().glob("*.json"))), key=lambda kept: kept.scope.casefold())


def scopes_naming(name: str) -> list[str]:
    """Campaigns, shows and collections whose memory has a name anywhere; files that can't be read are passed over."""
    found = []
    for path in sorted(memory_path().glob("*.json")):
        try:
            kept = _parsed(path)
        except StorageError:
            continue
        if name.casefold() in kept.model_dump_json().casefold():
            found.append(kept.scope)
    return found


def kept_of(scope: str) -> Kept:
    """What one remembers.

    Raises:
        UnknownValue: it remembers nothing; lists those that do.
        StorageError: it can't be read.
    """
    if not _path(scope).is_file():
        raise UnknownValue.of("campaign, show or collection", scope, [kept.scope for kept in all_kept()])
    return _read(scope)


def whole_memory(kept: Kept) -> Memory:
    """All of it."""
    return fold(kept, kept.in_order)


def forget(scope: str, recording: str | None = None) -> list[KeptRecording]:
    """Erase everything that is remembered, or what one recording told; gives what was erased.

    Args:
        scope: the campaign, show or collection.
        recording: its id, or its name.

    Raises:
        UnknownValue: there is none of that name; lists those that there are.
        StorageError: it can't be erased.
    """

    def erase(kept: Kept) -> tuple[Kept | None, list[KeptRecording]]:
        if recording is None:
            return None, kept.recordings
        gone = _called(kept, recording)
        left = [other for other in kept.recordings if other is not gone]
        return kept.model_copy(update={"recordings": left}) if left else None, [gone]

    return _altered(scope, erase)


def rename(scope: str, old: str, new: str) -> None:
    """Write a name otherwise from now on, such as one that was misheard; two names become one if `new` is known too.

    Raises:
        UnknownValue: nobody and nothing of that name is remembered; lists what is.
        UsageError: the new name is empty.
        StorageError: it can't be written.
    """
    shown = " ".join(new.split())
    if not key_of(shown) or len(shown) > 200:
        raise UsageError(f"{new[:40]!r} is no name.", "Give a name of 1 to 200 characters.")

    def alter(kept: Kept) -> tuple[Kept, None]:
        entities = whole_memory(kept).entities
        known = {key_of(name): entity for entity in entities for name in (entity.name, *entity.also)}
        entity = known.get(key_of(old))
        if entity is None:
            raise UnknownValue.of("name", old, [entity.name for entity in entities if entity.kind != "speaker"])
        names = [entity.name, *entity.also]
        return kept.model_copy(update={"renamed": {**kept.renamed, **dict.fromkeys(names, shown)}}), None

    _altered(scope, alter)


def settle(scope: str, thread: str) -> Thread:
    """Call a thread settled: from now on no recording is told of it.

    Args:
        scope: the campaign, show or collection.
        thread: its id.

    Raises:
        UnknownValue: there is no such thread; lists those that are open.
        StorageError: it can't be written.
    """

    def alter(kept: Kept) -> tuple[Kept, Thread]:
        threads = {item.id: item for item in whole_memory(kept).threads}
        if thread not in threads:
            raise UnknownValue.of("thread", thread, threads)
        return kept.model_copy(update={"settled": [*kept.settled, thread]}), threads[thread]

    return _altered(scope, alter)


def fold(kept: Kept, recordings: Sequence[KeptRecording]) -> Memory:
    """What some recordings tell together, one after another."""
    names = {key_of(old): new for old, new in kept.renamed.items()}
    entities: dict[tuple[str, ...], Entity] = {}
    threads: dict[str, Thread] = {}
    earlier = []
    for recording in recordings:
        if recording.facts is None:
            continue
        source, facts = recording.source, recording.facts
        earlier.append(Earlier(recording_id=source.recording_id, name=source.name, title=facts.title))
        named: set[tuple[str, ...]] = set()
        for told in facts.told:
            name = _final(told.name, names)
            key = key_of(name)
            entities[key] = _with(entities.get(key), told, name, source, again=key in named)
            named.add(key)
        for item in facts.opened:
            moment = _moment(source, item.evidence[0], item.start_ms)
            if (before := threads.get(item.id)) is None:
                threads[item.id] = Thread(
                    id=item.id, kind=item.kind, text=item.text, details=item.details, opened=moment, secret=item.secret
                )
            else:
                threads[item.id] = before.model_copy(
                    update={
                        "taken_up": [*before.taken_up, moment],
                        "closed": None,
                        "secret": item.secret and before.secret,
                    }
                )
        for touch in facts.touched:
            if (thread := threads.get(touch.thread)) is None:
                continue  # the recording that opened it was forgotten, or tells something else now
            moment = _moment(source, touch.utterance, touch.start_ms)
            threads[thread.id] = thread.model_copy(
                update={"closed": moment} if touch.state == "closed" else {"taken_up": [*thread.taken_up, moment]}
            )
    return Memory(
        scope=kept.scope,
        recordings=earlier,
        entities=list(entities.values()),
        threads=[thread for thread in threads.values() if thread.id not in kept.settled],
    )


def _with(entity: Entity | None, told: Told, name: str, source: Source, *, again: bool) -> Entity:
    first = _moment(source, told.evidence[0], told.first_ms)
    last = _moment(source, told.last, told.last_ms)
    also = [told.name] if told.name != name else []
    if entity is None:
        return Entity(
            kind=told.kind,
            name=name,
            also=also,
            first=first,
            last=last,
            recordings=1,
            times=told.times,
            secret=told.secret,
        )
    return entity.model_copy(
        update={
            "kind": entity.kind if told.kind == "name" else told.kind,
            "also": list(dict.fromkeys([*entity.also, *also])),
            "last": last,
            "recordings": entity.recordings + (0 if again else 1),
            "times": entity.times + told.times,
            "secret": entity.secret and told.secret,
        }
    )


def _final(name: str, names: dict[tuple[str, ...], str]) -> str:
    seen: set[tuple[str, ...]] = set()
    while (key := key_of(name)) in names and key not in seen:
        seen.add(key)
        name = names[key]
    return name


def _moment(source: Source, utterance: str, start_ms: int | None) -> Moment:
    return Moment(recording=source.recording_id, name=source.name, utterance=utterance, start_ms=start_ms)


def _recording(kept: Kept, source: Source) -> KeptRecording | None:
    return next((other for other in kept.recordings if other.source.digest == source.digest), None)


def _called(kept: Kept, name: str) -> KeptRecording:
    found = [other for other in kept.recordings if name in (other.source.recording_id, other.source.name)]
    if len(found) != 1:
        raise UnknownValue.of("recording", name, [other.source.recording_id for other in kept.recordings])
    return found[0]


def _altered(scope: str, alter: Callable[[Kept], tuple[Kept | None, T]]) -> T:
    with locked(_lock(scope)):
        after, answer = alter(kept_of(scope))
        if after is not None:
            _write(after)
            return answer
        erase_private(_path(scope), _WHAT)
        return answer


def _lock(scope: str) -> str:
    return f"memory-{_path(scope).stem}"


def _path(scope: str) -> Path:
    tidy = " ".join(scope.split()).casefold()
    if not tidy or len(tidy) > 200:
        raise UsageError(f"{scope[:40]!r} is no name of a campaign, show or collection.", "Give 1 to 200 characters.")
    return memory_path() / f"{hashlib.sha256(tidy.encode()).hexdigest()[:24]}.json"


def _read(scope: str) -> Kept:
    path = _path(scope)
    return _parsed(path) if path.is_file() else Kept(scope=" ".join(scope.split()))


def _parsed(path: Path) -> Kept:
    try:
        kept = Kept.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:  # never the error's text: it quotes what it read
        raise StorageError(
            f"What is remembered in {path} can't be read ({type(error).__name__}).",
            "Put a copy of it back, or remove it: then run the recordings again, the earliest first.",
        ) from error
    if not is_readable(kept.schema_version):
        raise StorageError(
            f"What is remembered of {kept.scope} was written by another version of Earwitness.",
            f"Use that version, or remove {path}.",
        )
    return kept


def _write(kept: Kept) -> None:
    write_private(_path(kept.scope), kept.model_dump_json(indent=1).encode(), _WHAT)
