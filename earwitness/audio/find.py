"""Which recordings a path stands for."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from earwitness.errors import BadRecording

_ENDINGS = (
    ".3gp .aac .ac3 .aif .aifc .aiff .amr .ape .au .avi .caf .dts .flac .flv .gsm .m2ts .m4a .m4b .m4v .mka .mkv .mov "
    ".mp2 .mp3 .mp4 .mpc .mpeg .mpg .mts .oga .ogg .ogv .opus .ra .rf64 .rm .snd .spx .tta .w64 .wav .wave .webm .wma "
    ".wmv .wv"
)
MEDIA_SUFFIXES = frozenset(_ENDINGS.split())
"""Endings that are looked for in a folder; a file named outright may have any."""

_MANIFEST = "manifest-sha256.txt"


def _by_number(name: str) -> tuple[list[str | int], str]:
    """`session 2` before `session 10`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)], name


def check_name(path: Path) -> None:
    """Whether a file's name can be written down: results, manifests and pages are UTF-8.

    Raises:
        BadRecording: its bytes are not UTF-8 (old archives and memory sticks hold such names).
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise BadRecording(
            f"The name of {path} is not UTF-8: the marks stand for bytes that are no text.",
            "Rename it, or the folder that is spelled so (convmv -f latin1 -t utf8 does it for many).",
        ) from error


def recordings_in(folder: Path, also: Callable[[Path], bool] = lambda path: False) -> list[Path]:
    """Every recording below a folder, sorted; hidden files, links and finished bundles are passed over.

    Args:
        folder: to look through.
        also: whether a file with another ending is one too.

    Raises:
        BadRecording: there is none.
    """
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        if _MANIFEST in files:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith((".", "@", "__MACOSX")))
        for name in sorted(files, key=_by_number):
            path = Path(parent) / name
            if name.startswith(".") or path.is_symlink():
                continue
            if path.suffix.lower() in MEDIA_SUFFIXES or also(path):
                found.append(path)
    if not found:
        raise BadRecording(
            f"The folder {folder} holds no recording.",
            f"Put sound or video files into it (known endings: {' '.join(sorted(MEDIA_SUFFIXES))}).",
        )
    return found


def expand(paths: Iterable[Path], *, whole_folders: bool = False) -> list[Path]:
    """Folders become their recordings; anything else stays, found or not, each path once.

    An empty folder stays too: processing it reports what is wrong, and the rest of the batch goes on.

    Args:
        paths: files and folders.
        whole_folders: a folder is one recording, with one file a speaker.
    """
    from earwitness.tracks.find import holds_tracks

    result: dict[Path, None] = {}
    for path in paths:
        try:
            result.update(
                dict.fromkeys(recordings_in(path, holds_tracks) if path.is_dir() and not whole_folders else [path])
            )
        except BadRecording:
            result[path] = None
    return list(result)
