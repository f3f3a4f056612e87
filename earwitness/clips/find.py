"""The clips of a finished bundle, by the names that people give them."""

from earwitness.archive.reading import Bundle
from earwitness.clips.clip import Clip, ClipList
from earwitness.errors import UsageError


def listing_of(bundle: Bundle) -> ClipList:
    """`clips.json` of a bundle; empty where it has none.

    Raises:
        UsageError: it is damaged.
    """
    path = bundle.folder / "clips.json"
    try:
        return ClipList.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ClipList(clips=[], reason="The bundle has no clips.")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read ({error}).", "Run the recording again to mend the bundle.") from error


def clips_of(bundle: Bundle) -> list[Clip]:
    """All clips, best first.

    Raises:
        UsageError: `clips.json` is damaged.
    """
    return listing_of(bundle).clips


def clip_named(bundle: Bundle, name: str) -> Clip:
    """A clip by its id (clip-2), or its number (2).

    Raises:
        UsageError: there is none; lists those that are there.
    """
    listing = listing_of(bundle)
    for clip in listing.clips:
        if name.casefold() in (clip.id, clip.id.removeprefix("clip-")):
            return clip
    there = ", ".join(clip.id for clip in listing.clips)
    raise UsageError(f"There is no clip {name!r}.", f"Clips of this bundle: {there}." if there else listing.reason)
