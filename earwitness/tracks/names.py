"""Speakers' names out of the names of their files, as recorders write them. Nothing else is read from these."""

import re
from collections import Counter
from collections.abc import Sequence

_NUMBERED = re.compile(r"^\d{1,3}\s*[-_. ]\s*(?=\S)")
"""Craig, Reaper, Audacity: 1-alice.flac, 02_bob.wav."""
_ZOOM = re.compile(r"^audio(?=[^\W\d_])(.*?\D)\d{6,}$")
"""Zoom: audioAliceSmith11234567890.m4a; a number of the participant and one of the meeting."""
_DISCORD = re.compile(r"(#\d{1,4}|_0|_\d{4})$")
"""What Discord sets behind names that several people have."""
_SAYS_NOTHING = frozenset(
    "audio track tr trk spur mic mike microphone input in ch chan channel speaker spk voice recording rec zoom file "
    "mono stereo left right l r raw a b c".split()
)
"""Words that name a place in a recorder and nobody."""
_LONGEST = 80


def natural(text: str) -> list[tuple[bool, int, str]]:
    """A key by which track 2 comes before track 10."""
    return [
        (not part.isdigit(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", text) if part
    ]


def speaker_names(sources: Sequence[str]) -> list[str | None]:
    """Who the tracks are by their paths; None where a path names nobody, or two tracks would have one name.

    Numbers of tracks, what recorders add, and what all paths have in common are left out: `1-alice.flac` and
    `2-bob.flac` are alice and bob, and so are `riverside_alice_episode-4.wav` and `riverside_bob_episode-4.wav`, and
    `alice/audio.wav` and `bob/audio.wav`.

    Args:
        sources: paths inside the zip or folder, `/` between folders.
    """
    stems = [source.rsplit(".", 1)[0] if "." in source.rsplit("/", 1)[-1] else source for source in sources]
    files = [stem.rsplit("/", 1)[-1] for stem in stems]
    if len(set(files)) == 1 and len(files) > 1:  # folders tell them apart
        stems = ["/".join(stem.split("/")[:-1]) for stem in stems]
        files = [stem.rsplit("/", 1)[-1] for stem in stems]
    numbered = all(_NUMBERED.match(file) or _ZOOM.match(file) for file in files)
    found = [_one(file) for file in (files if numbered or len(files) < 2 else _without_common(files))]
    counts = Counter(name.casefold() for name in found if name)
    return [name if name and counts[name.casefold()] == 1 else None for name in found]


def _without_common(files: Sequence[str]) -> list[str]:
    parts = [re.split(r"(_+|\s+-\s+|\s+)", file) for file in files]
    shortest = min(map(len, parts))
    first = 0
    while first < shortest - 1 and len({part[first] for part in parts}) == 1:
        first += 1
    last = 0
    while last < shortest - 1 - first and len({part[-1 - last] for part in parts}) == 1:
        last += 1
    return ["".join(part[first : len(part) - last]).strip("_ -") for part in parts]


def _one(file: str) -> str | None:
    if zoom := _ZOOM.match(file):
        # the names of people are run together: AliceSmith
        file = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", zoom[1])
    else:
        file = _DISCORD.sub("", _NUMBERED.sub("", file))
    name = " ".join(file.replace("_", " ").split()).strip(" -.")
    words = re.findall(r"[^\W\d_]+", name.casefold())
    return name[:_LONGEST].rstrip() if any(word not in _SAYS_NOTHING for word in words) else None
