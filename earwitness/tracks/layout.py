"""What the tracks of a recording are: a speaker each, or not."""

from pathlib import Path

from earwitness.engines.engine import EngineUse
from earwitness.errors import BadRecording, UsageError
from earwitness.options import RunOptions
from earwitness.tracks.facts import Layout
from earwitness.tracks.find import find_tracks, is_zip
from earwitness.tracks.preprocess import METHOD


def layout_of(path: Path, options: RunOptions) -> Layout | None:
    """How a recording is taken apart; None: it is one sound, in which everybody speaks.

    Args:
        path: a file or folder.
        options: whose `tracks` counts. `auto` takes a zip of sound files for one file a speaker; a zip with a single
            one holds everybody.

    Raises:
        UsageError: what was asked for does not go with this kind of file.
        BadRecording: a zip can't be read or holds no sound file.
    """
    wanted = options.tracks
    if path.is_dir() and wanted == "speakers":
        find_tracks(path)
        return "speakers"
    if is_zip(path):
        if wanted == "channels":
            raise UsageError(
                f"tracks is channels, but {path.name} is a zip of sound files.",
                "Leave it out, or give a sound file whose channels are a speaker each.",
            )
        count = len(find_tracks(path))
        return "mixed" if wanted == "mixed" or (wanted == "auto" and count == 1) else "speakers"
    if path.is_dir() or not path.is_file():
        return None
    if wanted == "speakers":
        raise UsageError(
            f"tracks is speakers, but {path.name} is one file.",
            "Give a zip or folder with one sound file a speaker, or --tracks channels if each channel is one.",
        )
    return "channels" if wanted == "channels" else None


def speech_engine(ffmpeg: EngineUse, layout: Layout | None) -> EngineUse:
    """What makes the copies that the speech engines hear: how a track's own speech is found counts too."""
    return ffmpeg if layout in (None, "mixed") else ffmpeg.model_copy(update={"model": f"tracks, method {METHOD}"})


def digest_for(path: Path, layout: Layout | None) -> str:
    """What a recording is known by: the digest of its bytes, or of all its tracks where they are files.

    Raises:
        BadRecording: it can't be read.
        OSError: there is no such file, or it can't be read.
    """
    from earwitness.storage.store import sha256_file
    from earwitness.tracks.find import digest_of_tracks

    if layout in ("speakers", "mixed"):
        return digest_of_tracks(path)
    if path.is_dir():
        raise BadRecording(
            f"{path} is a folder that holds no recording.",
            "Give the path of a sound or video file, or of a folder that holds some.",
        )
    return sha256_file(path)


def digest_or_nothing(path: Path, layout: Layout | None) -> str:
    """The same, where a path that can't be read just is not the recording: empty then."""
    try:
        return digest_for(path, layout)
    except BadRecording:
        return ""
