"""Erasing a voice: its print, what names somebody by it, and all embeddings that diarization left.

Three things lie on this machine (and in the store that it shares):

* the print itself;
* checkpoints of later stages in which that person is named, or suspected, by voice. Their keys carry a mark for each
  person (`marked`), so that they are found whatever is in them, films included;
* one embedding a speaker in every checkpoint of *diarize*. Which of them are this person's can't be told without the
  print, nor for sure with it: so all of them go. Nothing but naming reads them, and it makes new ones when it needs
  them; the turns stay, so no stage that listens to sound runs again.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import Field

from earwitness.errors import UnknownValue, UsageError
from earwitness.home import checkpoints_path, store_path
from earwitness.schema import Record, digest_of
from earwitness.storage.checkpoints import files_named, is_of_a_stage, stored_files, write_checkpoint
from earwitness.storage.gate import gate
from earwitness.storage.leases import living_leases
from earwitness.storage.needed import all_needs
from earwitness.storage.remote import RemoteStore, remote_store
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.voices.enrolled import enrolled_voices, remove_print
from earwitness.voices.voiceprint import trace_of

_MARK = re.compile(r"^[a-z]+-voices((?:-[0-9a-f]{8})+|-many)-[0-9a-f]{64}$")
_MOST_MARKS = 16
"""More would make a file name too long: such a checkpoint goes with anybody."""


class Forgotten(Record):
    """What was erased, and what is left that can't be."""

    name: str
    prints: int = Field(ge=0, description="voice prints that were erased: 1, or 0 where only traces were left")
    checkpoints: int = Field(ge=0, description="finished stages that named or suspected this person by voice")
    files: int = Field(ge=0, description="stored files that only those named, and files of embeddings")
    embeddings: int = Field(ge=0, description="finished diarizations whose embeddings were erased, anybody's")
    bundles: list[str] = Field(description="bundles made on this machine that name or suspect this person by voice")
    runs: int = Field(ge=0, description="runs in progress, which may have read the print before")


def marked(stage: str, digest: str, traces: Iterable[str]) -> str:
    """The key of a checkpoint that rests on voices.

    Args:
        stage: its name.
        digest: of what decides the checkpoint, 64 hex digits.
        traces: of the people whose voices it rests on (`earwitness.voices.voiceprint.trace_of`); none: nobody's.
    """
    people = sorted(set(traces))
    if not people:
        return f"{stage}-{digest}"
    return f"{stage}-voices-{'-'.join(people) if len(people) <= _MOST_MARKS else 'many'}-{digest}"


def rests_on(key: str, trace: str) -> bool:
    """Whether a checkpoint names or suspects a person by voice."""
    match = _MARK.match(key)
    return match is not None and (match[1] == "-many" or trace in match[1].split("-"))


def forget_voice(name: str) -> Forgotten:
    """Erase a person's voice from this machine, and from the store that it shares. Safe to repeat.

    Raises:
        UnknownValue: nobody of that name is enrolled, and nothing is left of them; lists who is.
        StorageError: something can't be erased; what was erased so far stays so.
        StoreUnreachable: the shared store does not answer: run it again later.
    """
    trace = trace_of(name)
    remote = remote_store()
    places: list[_Place] = [_Here(), *([_There(remote)] if remote else [])]
    there = remove_print(name)
    bundles = [needs.bundle for _, needs in all_needs() if needs.is_there and _any(needs.keys, trace)]
    if not there and not bundles and not any(_any(place.finished(), trace) for place in places):
        names = [item.name for item in enrolled_voices()[0]]
        if not names:
            raise UsageError(f"There is no voice of {name!r}: nobody is enrolled.", "See earwitness voices add --help.")
        raise UnknownValue.of("voice", name, names)
    nothing = _no_embeddings()
    checkpoints, files, embeddings = 0, 0, 0
    for place in places:
        removed, gone, emptied = _erase(place, trace, nothing)
        checkpoints, files, embeddings = checkpoints + removed, files + gone, embeddings + emptied
    return Forgotten(
        name=name,
        prints=int(there),
        checkpoints=checkpoints,
        files=files,
        embeddings=embeddings,
        bundles=sorted(bundles),
        runs=len(living_leases()),
    )


class _Place(Protocol):
    """Where checkpoints and stored files lie."""

    def finished(self) -> list[str]: ...
    def read(self, key: str) -> bytes | None: ...
    def write(self, key: str, content: bytes, empty: FileRef) -> None: ...
    def remove(self, keys: Iterable[str], digests: set[str]) -> int: ...


def _erase(place: _Place, trace: str, nothing: FileRef) -> tuple[int, int, int]:
    """(checkpoints removed, files removed, diarizations emptied)."""
    going = {key for key in place.finished() if rests_on(key, trace)}
    dying: set[str] = set()
    living: set[str] = set()
    emptied = 0
    for key in place.finished():
        content = place.read(key)
        if content is None:
            continue
        if key in going:
            dying |= files_named(content)
            continue
        if key.startswith("diarize-") and (without := _without_embeddings(content, nothing)):
            content, held = without
            dying.add(held)
            place.write(key, content, nothing)
            emptied += 1
        living |= files_named(content)
    return len(going), place.remove(going, dying - living), emptied


def _without_embeddings(content: bytes, nothing: FileRef) -> tuple[bytes, str] | None:
    """(the checkpoint with no embeddings, digest of the file that held them); None if it has none, or is damaged."""
    try:
        record = json.loads(content)
        result = json.loads(record["result"])
        data = result["data"]
        held = str(data["embeddings"]["sha256"])
        data.pop("seal", None)
    except (ValueError, KeyError, TypeError):
        return None  # it can't be read, so it is never used; what it names goes when it is cleaned
    if held == nothing.sha256:
        return None
    data["embeddings"] = nothing.model_dump(mode="json")
    data["seal"] = digest_of(data)
    record["result"] = json.dumps(result)
    return json.dumps(record).encode(), held


def _no_embeddings() -> FileRef:
    with workspace("forget") as folder:
        path = Path(folder) / "embeddings.npz"
        np.savez(path)
        return keep(path)


class _Here:
    """This machine."""

    def finished(self) -> list[str]:
        folder = checkpoints_path()
        return sorted(path.name for path in folder.iterdir() if is_of_a_stage(path.name)) if folder.is_dir() else []

    def read(self, key: str) -> bytes | None:
        try:
            return (checkpoints_path() / key).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, key: str, content: bytes, empty: FileRef) -> None:
        write_checkpoint(key, content)

    def remove(self, keys: Iterable[str], digests: set[str]) -> int:
        with gate(alone=True):
            for key in keys:
                (checkpoints_path() / key).unlink(missing_ok=True)
            files = stored_files(digests)
            for path in files:
                path.unlink(missing_ok=True)
        return len(files)


class _There:
    """The store that several machines share."""

    def __init__(self, remote: RemoteStore) -> None:
        self._remote = remote

    def finished(self) -> list[str]:
        names = (file.name.removeprefix("checkpoints/") for file in self._remote.files())
        return sorted(name for name in names if "/" not in name and is_of_a_stage(name))

    def read(self, key: str) -> bytes | None:
        return self._remote.read(f"checkpoints/{key}")

    def write(self, key: str, content: bytes, empty: FileRef) -> None:
        self._remote.upload(empty.path, f"store/{empty.path.relative_to(store_path()).as_posix()}")
        self._remote.write(f"checkpoints/{key}", content)

    def remove(self, keys: Iterable[str], digests: set[str]) -> int:
        for key in keys:
            self._remote.remove(f"checkpoints/{key}")
        found = [name for name in self._files() if Path(name).stem in digests]
        for name in found:
            self._remote.remove(name)
        return len(found)

    def _files(self) -> Iterator[str]:
        return (file.name for file in self._remote.files() if file.name.startswith("store/"))


def _any(keys: Iterable[str], trace: str) -> bool:
    return any(rests_on(key, trace) for key in keys)
