"""Everything that is decided about one recording before anybody listens to it."""

from pathlib import Path

from earwitness.archive.naming import recording_id
from earwitness.audio.ffmpeg import ffmpeg_info
from earwitness.engines.engine import EngineUse
from earwitness.errors import BadRecording, UsageError
from earwitness.options import RunOptions, parse_slice
from earwitness.profiles import resolve
from earwitness.schema import Record
from earwitness.speech.diarize import choose_diarizer
from earwitness.speech.sidecar import find_sidecar
from earwitness.speech.transcribe import choose_recogniser
from earwitness.storage.store import sha256_file
from earwitness.words.cast import Cast, load_cast


class Job(Record):
    """A recording, the resolved options, and the engines that will work on it."""

    source: Path
    sha256: str
    recording_id: str
    slice_ms: tuple[int, int] | None
    options: RunOptions
    cast: Cast | None
    sidecar: Path | None
    sidecar_sha256: str | None
    engines: dict[str, EngineUse]


def check_options(options: RunOptions) -> None:
    """Find out what is wrong with the files that the options name, before anything is started.

    Raises:
        UsageError: the cast or the transcript can't be used.
    """
    if options.cast:
        load_cast(options.cast)
    _given_transcript(options)


def plan_job(path: Path, options: RunOptions) -> Job:
    """Look at a file and settle what will be done with it.

    Raises:
        BadRecording: there is no readable file at `path`.
        UsageError: the cast, the transcript or a setting can't be used.
        EngineUnavailable: an engine that was asked for by name can't run here.
    """
    resolved = resolve(options)
    cast = load_cast(options.cast) if options.cast else None
    sidecar = _given_transcript(resolved) or _sidecar_of(path, resolved)
    digest = _digest(path)
    slice_ms = parse_slice(options.slice) if options.slice else None
    ffmpeg = EngineUse(name="ffmpeg", version=ffmpeg_info().version)
    return Job(
        source=path,
        sha256=digest,
        recording_id=recording_id(path.name, digest, slice_ms),
        slice_ms=slice_ms,
        options=_count_from_cast(resolved, cast),
        cast=cast,
        sidecar=sidecar,
        sidecar_sha256=sha256_file(sidecar) if sidecar else None,
        engines={
            "validate": ffmpeg,
            "preprocess": ffmpeg,
            "listen": ffmpeg,
            "diarize": choose_diarizer(resolved.diarize),
            "transcribe": choose_recogniser(resolved.transcribe, sidecar),
        },
    )


def _digest(path: Path) -> str:
    remedy = "Give the path of a sound or video file, or of a folder that holds some."
    if path.is_dir():
        raise BadRecording(f"{path} is a folder that holds no recording.", remedy)
    try:
        return sha256_file(path)
    except FileNotFoundError as error:
        raise BadRecording(f"There is no file at {path}.", remedy) from error
    except OSError as error:
        raise BadRecording(f"{path} can't be read ({error.strerror}).", "Check its permissions.") from error


def _given_transcript(options: RunOptions) -> Path | None:
    path = options.transcript
    if path is None:
        return None
    if not path.is_file():
        raise UsageError(f"There is no transcript at {path}.", "Give the path of an existing file.")
    if options.transcribe.engine in {"whisperx", "bundled"}:
        raise UsageError(
            f"A transcript was given, but transcribe.engine is {options.transcribe.engine!r}, which would ignore it.",
            "Leave out one of the two.",
        )
    return path


def _sidecar_of(path: Path, options: RunOptions) -> Path | None:
    wanted = options.transcribe.engine
    found = find_sidecar(path) if options.transcribe.find_sidecar and wanted in {"auto", "sidecar"} else None
    if wanted == "sidecar" and found is None:
        raise UsageError(
            f"transcribe.engine is 'sidecar', but there is no transcript beside {path}.",
            "Give one with --transcript, or name it after the recording.",
        )
    return found


def _count_from_cast(options: RunOptions, cast: Cast | None) -> RunOptions:
    settings = options.diarize
    known = (settings.speakers, settings.min_speakers, settings.max_speakers)
    if cast is None or not cast.complete or not cast.members or any(value is not None for value in known):
        return options
    return options.model_copy(update={"diarize": settings.model_copy(update={"speakers": len(cast.members)})})
