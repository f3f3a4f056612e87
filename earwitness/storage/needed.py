"""Which finished stages a bundle rests on: as long as it is there, correcting it computes nothing again."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from earwitness.archive.place import MANIFEST
from earwitness.errors import StorageError
from earwitness.home import home
from earwitness.schema import Record, digest_of
from earwitness.storage.gate import gate
from earwitness.storage.whole import write_whole


class Needs(Record):
    """What a bundle was made of."""

    bundle: str = Field(description="its folder")
    keys: list[str] = Field(description="of the checkpoints of its stages")

    @property
    def is_there(self) -> bool:
        """Whether the bundle is."""
        return (Path(self.bundle) / MANIFEST).is_file()


def note_needs(bundle: Path, keys: Iterable[str]) -> None:
    """Note what a bundle was made of, in the place of what was noted before.

    Raises:
        StorageError: the note can't be written.
    """
    needs = Needs(bundle=str(bundle.resolve()), keys=sorted(set(keys)))
    path = _folder() / f"{bundle.name}-{digest_of(needs.bundle)[:8]}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gate():
            write_whole(path, needs.model_dump_json(indent=1).encode())
    except OSError as error:
        raise StorageError(
            f"{path} can't be written ({error.strerror or error}).",
            "Free some space or point EARWITNESS_HOME at a writable folder.",
        ) from error


def needed_by_bundles() -> set[str]:
    """Keys of the checkpoints that bundles of this machine rest on."""
    return {key for _, needs in all_needs() if needs.is_there for key in needs.keys}


def all_needs() -> Iterator[tuple[Path, Needs]]:
    """Every note, with its file."""
    for path in sorted(_folder().glob("*.json")):
        try:
            yield path, Needs.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue  # it protects nothing; the next run that makes this bundle writes it anew


def _folder() -> Path:
    return home() / "bundles"
