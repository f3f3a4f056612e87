"""Everything that is decided about one recording before anybody listens to it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from earwitness.archive.naming import recording_id
from earwitness.archive.reading import Bundle, is_bundle, read_bundle
from earwitness.audio.ffmpeg import ffmpeg_info
from earwitness.clips.brand import brand_of
from earwitness.clips.clip import Given, Learned
from earwitness.clips.find import listing_of
from earwitness.clips.learning import learned_for
from earwitness.clips.rank import choose_ranker
from earwitness.corrections.corrections import FILE as CORRECTIONS
from earwitness.corrections.corrections import Corrections, load_corrections
from earwitness.engines.engine import EngineUse
from earwitness.errors import BadRecording, UsageError
from earwitness.notes.summarize import choose_writer
from earwitness.options import RunOptions, read_options
from earwitness.profiles import resolve
from earwitness.schema import Record
from earwitness.spans import parse_slice
from earwitness.speech.diarize import choose_diarizer
from earwitness.speech.sidecar import find_sidecar
from earwitness.speech.transcribe import choose_recogniser
from earwitness.storage.store import sha256_file
from earwitness.storage.whereabouts import last_seen, remember
from earwitness.tracks.diarize import tracks_engine
from earwitness.tracks.facts import Layout
from earwitness.tracks.layout import digest_for, digest_or_nothing, layout_of, speech_engine
from earwitness.words.cast import Cast, load_cast

HEARING = ("validate", "preprocess", "listen", "diarize", "transcribe", "align")
"""Stages that work on sound: what they found holds whatever is put right afterwards."""


class Job(Record):
    """A recording, the resolved options, and the engines that will work on it."""

    source: Path
    source_name: str
    sha256: str
    recording_id: str
    slice_ms: tuple[int, int] | None
    layout: Layout | None = Field(default=None, description="what its tracks are; None: it is one sound")
    options: RunOptions
    cast: Cast | None
    corrections: Corrections = Field(default_factory=Corrections)
    sidecar: Path | None
    sidecar_sha256: str | None
    engines: dict[str, EngineUse]
    found: bool = Field(default=True, description="False: the recording is gone, there are only its checkpoints")
    brand: dict[str, str] | None = Field(default=None, description="digests of the clips' artwork and font")
    learned: Learned | None = Field(default=None, description="what ratings made of the weights that clips have")
    settled: tuple[str, ...] = Field(
        default=(), description="stages whose part a bundle has, which it must not lose by being made anew"
    )

    def given_for_clips(self, engines: Mapping[str, EngineUse]) -> Given | None:
        """What decides clips beside settings and findings; None: nothing does."""
        heard_by = engines.get("transcribe")
        found = Given(
            brand=self.brand,
            learned=self.learned,
            edges=self.corrections.clips,
            misheard=heard_by is not None and heard_by.name == "bundled",
        )
        return None if found == Given() else found


def check_options(options: RunOptions) -> None:
    """Find out what is wrong with the files that the options name, before anything is started.

    Raises:
        UsageError: the cast, the transcript or the corrections can't be used.
    """
    if options.cast:
        load_cast(options.cast)
    if isinstance(options.corrections, Path):
        load_corrections(options.corrections)
    brand_of(options.clip)
    _given_transcript(options)


def plan_job(path: Path, options: RunOptions) -> Job:
    """Look at a file and settle what will be done with it.

    Args:
        path: a recording, or the bundle of one, which is then made anew in its place with its own settings.
        options: as the user gave them.

    Raises:
        BadRecording: there is no readable file at `path`.
        UsageError: the cast, the transcript or a setting can't be used.
        EngineUnavailable: an engine that was asked for by name can't run here.
    """
    if is_bundle(path):
        return plan_again(path, options)
    resolved = resolve(options)
    layout = layout_of(path, options)
    cast = load_cast(options.cast) if options.cast else None
    sidecar = _given_transcript(resolved) or _sidecar_of(path, resolved)
    digest = _digest(path, layout)
    slice_ms = parse_slice(options.slice) if options.slice else None
    ffmpeg = EngineUse(name="ffmpeg", version=ffmpeg_info().version)
    apart = layout if layout != "mixed" else None
    source_name = path.resolve().name
    name = recording_id(source_name if path.is_dir() else path.name, digest, slice_ms)
    remember(digest, path)
    if sidecar:
        remember(sha256_file(sidecar), sidecar)
    return Job(
        source=path,
        source_name=source_name,
        sha256=digest,
        recording_id=name,
        slice_ms=slice_ms,
        layout=layout,
        options=resolved if apart else _count_from_cast(resolved, cast),
        cast=cast,
        corrections=_corrections(options, options.out / name / CORRECTIONS),
        sidecar=sidecar,
        sidecar_sha256=sha256_file(sidecar) if sidecar else None,
        brand=brand_of(resolved.clip) or None,
        learned=learned_for(resolved.profile.value),
        engines={
            "validate": ffmpeg,
            "preprocess": speech_engine(ffmpeg, layout),
            "listen": ffmpeg,
            "diarize": tracks_engine(apart, resolved.diarize.engine) if apart else choose_diarizer(resolved.diarize),
            "transcribe": choose_recogniser(resolved.transcribe, sidecar),
            "summarize": choose_writer(resolved.summarize),
            **_ranking(resolved),
        },
    )


def plan_again(folder: Path, options: RunOptions) -> Job:
    """Settle how a bundle is made anew, in its place: as it was made, apart from what `options` says otherwise.

    The engines of the stages that listen to sound are those that the bundle names, so that their checkpoints hold even
    where a better engine has come to this machine since.

    Raises:
        UsageError: it is no bundle that can be read, or `options` ask for something that needs a run of its own.
    """
    bundle = read_bundle(folder)
    recorded = bundle.recording
    if folder.absolute().name != recorded.recording_id:
        raise UsageError(
            f"The bundle {folder} was renamed: it is called {recorded.recording_id}.",
            "Give the folder that name again.",
        )
    for name in ("profile", "slice", "transcript", "speakers", "min_speakers", "max_speakers", "tracks"):
        if name in options.model_fields_set and getattr(options, name) not in (None, "auto"):
            raise UsageError(
                f"{name} can't be changed for a bundle, which is {folder}.", "Run the recording itself with it."
            )
    settings = {
        stage: {**given, **_given(options, stage)}
        for stage, given in {"voices": {}, "memory": {}, **recorded.settings}.items()
        if given is not None
    }
    wanted = read_options({"profile": recorded.profile, **settings})
    resolved = resolve(
        wanted.model_copy(
            update={
                "limits": options.limits,
                "budget": options.budget,
                "dry_run": options.dry_run,
                "out": folder.parent,
            }
        )
    )
    layout = recorded.tracks.layout if recorded.tracks else None
    apart = layout if layout != "mixed" else None
    source = last_seen(recorded.source.sha256, partial(digest_or_nothing, layout=layout))
    missing = {part.stage for part in recorded.missing}
    known = {stage: use for stage, use in recorded.engines.items() if stage in HEARING and stage not in missing}
    transcript = known.get("transcribe")
    sidecar = last_seen(transcript.model) if transcript and transcript.name == "sidecar" else None
    ffmpeg = EngineUse(name="ffmpeg", version=ffmpeg_info().version)
    span = recorded.slice
    return Job(
        source=source or Path(recorded.source.name),
        source_name=recorded.source.name,
        sha256=recorded.source.sha256,
        recording_id=recorded.recording_id,
        slice_ms=(round(span.start_s * 1000), round(span.end_s * 1000)) if span else None,
        layout=layout,
        options=resolved,
        cast=load_cast(options.cast) if options.cast else recorded.cast,
        corrections=_corrections(options, folder / CORRECTIONS),
        sidecar=sidecar,
        sidecar_sha256=transcript.model if sidecar and transcript else None,
        brand=brand_of(resolved.clip) or None,
        # who corrects a name wants the same clips; who asks for other clips wants the best that are known now
        learned=learned_for(recorded.profile) if "clip" in options.model_fields_set else listing_of(bundle).learned,
        engines={
            "validate": ffmpeg,
            "preprocess": speech_engine(ffmpeg, layout),
            "listen": ffmpeg,
            **(
                {}
                if "diarize" in known
                else {
                    "diarize": tracks_engine(apart, resolved.diarize.engine)
                    if apart
                    else choose_diarizer(resolved.diarize)
                }
            ),
            **({} if "transcribe" in known else {"transcribe": choose_recogniser(resolved.transcribe, None)}),
            **known,
            "summarize": choose_writer(resolved.summarize),
            **_ranking(resolved),
        },
        found=source is not None,
        settled=tuple(stage for stage in HEARING if stage not in missing),
    )


def found_again(bundle: Bundle, recording: Path) -> None:
    """Note where the recording of a bundle lies now.

    Raises:
        BadRecording: there is no readable file at `recording`.
        UsageError: it is another recording.
    """
    source, tracks = bundle.recording.source, bundle.recording.tracks
    if _digest(recording, tracks.layout if tracks else None) != source.sha256:
        raise UsageError(
            f"{recording} is not the recording of this bundle: its content is another.",
            f"Give the file that was called {source.name} (SHA-256 {source.sha256[:12]}…).",
        )
    remember(source.sha256, recording)


def _given(options: RunOptions, stage: str) -> dict[str, Any]:
    settings: BaseModel = getattr(options, "validate_" if stage == "validate" else stage)
    return settings.model_dump(exclude_unset=True)


def _ranking(options: RunOptions) -> dict[str, EngineUse]:
    ranker = choose_ranker(options)
    return {"rank": ranker} if ranker else {}


def _corrections(options: RunOptions, kept: Path) -> Corrections:
    """Those that were given, else those that the bundle holds."""
    given = options.corrections
    if isinstance(given, Corrections):
        return given
    if given is not None:
        return load_corrections(given)
    return load_corrections(kept) if kept.is_file() else Corrections()


def _digest(path: Path, layout: Layout | None) -> str:
    try:
        return digest_for(path, layout)
    except FileNotFoundError as error:
        raise BadRecording(
            f"There is no file at {path}.", "Give the path of a sound or video file, or of a folder that holds some."
        ) from error
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
