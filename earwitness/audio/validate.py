"""The first stage: can this be heard, and how well? One streaming pass, whatever the length."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from earwitness.audio.decode import Part, decode_and_measure, decoding_limit_s, even_mix, write_speech
from earwitness.audio.endings import Ending, ending_of
from earwitness.audio.facts import IssueCode, RecordingFacts, Validated, Verdict
from earwitness.audio.ffmpeg import Report
from earwitness.audio.find import check_name
from earwitness.audio.lookalike import EXPORT_AGAIN
from earwitness.audio.measure import Measured
from earwitness.audio.probe import Probed, probe
from earwitness.audio.quality import Reading, assess
from earwitness.errors import BadRecording, EarwitnessError, UsageError
from earwitness.progress import Progress, no_progress, part_of
from earwitness.settings import ValidateSettings
from earwitness.storage.store import keep, sha256_file, workspace

_LOST_ENOUGH = 0.01
_DEAD_DB = 60.0
_ESTIMATED_CONTAINERS = frozenset(
    {"aac", "ac3", "eac3", "dts", "gsm", "g722", "amr", "loas", "mpeg", "mpegts", "truehd"}
)
_MAX_TAGS = 64
_MAX_TAG_CHARS = 1_000


def validate_recording(
    path: Path,
    settings: ValidateSettings,
    slice_ms: tuple[int, int] | None = None,
    progress: Progress = no_progress,
) -> Validated:
    """Decode a recording whole, measure it, and write the 16 kHz mono copy in the same pass.

    What can be read but is not worth it (silence, too short) comes back with verdict `reject`: see
    `refuse_if_unusable`.

    Args:
        path: an audio or video file.
        settings: thresholds of the verdict.
        slice_ms: only this part, (start, end) in milliseconds.
        progress: told the decoded share.

    Raises:
        BadRecording: missing, unreadable, empty, not audio, without an audio track, or without one usable sample.
        ToolFailed: ffmpeg died or stalled.
        StorageError: the store can't be written.
        EngineUnavailable: there is no ffmpeg.
    """
    before = _check_file(path)
    check_name(path)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256") as background:
        digest = background.submit(sha256_file, path)
        probed = probe(path)
        if slice_ms is not None:
            _check_slice(slice_ms)
        with workspace("validate") as folder:
            decoded = _decode_best_track(path, probed, slice_ms, Path(folder) / "speech.flac", progress)
            copy = keep(decoded.speech)
        sha256 = digest.result()
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise BadRecording(f"{path.name} changed while it was read.", "Wait until it is complete, then run again.")
    track = probed.audio[decoded.track]
    measured = decoded.measured
    duration_ms = measured.samples * 1000 // track.sample_rate_hz
    ending = ending_of(path)
    declared = ending.declared_ms or track.duration_ms or probed.duration_ms
    facts = RecordingFacts(
        sha256=sha256,
        size=before.st_size,
        container=probed.container,
        codec=track.codec,
        sample_rate_hz=track.sample_rate_hz,
        channels=track.channels,
        bit_rate_bps=probed.bit_rate_bps or track.bit_rate_bps,
        has_video=probed.has_video,
        declared_duration_ms=declared,
        duration_ms=duration_ms,
        slice_ms=slice_ms,
        decode_errors=decoded.report.errors,
        tags=_bounded(probed.tags),
        audio_tracks=len(probed.audio),
        audio_track=decoded.track,
        mixdown=decoded.mix.weights,
        nonfinite_samples=measured.nonfinite,
    )
    reading = _reading(facts, decoded, ending)
    progress(1.0, f"measured {duration_ms / 1000:.0f} s")
    return Validated(
        facts=facts,
        quality=assess(measured.metrics, reading, settings),
        decoded=copy,
        warnings=_about_channels(measured.apart),
    )


def _about_channels(apart: tuple[int, ...]) -> list[str]:
    if not apart:
        return []
    numbers = " and ".join(str(channel + 1) for channel in apart)
    return [
        f"Channels {numbers} hardly ever sound together, as if each had its own speaker. If that is so, run with "
        "--tracks channels: who speaks is then known and need not be found out."
    ]


def refuse_if_unusable(validated: Validated) -> None:
    """Stop here if the verdict is `reject`.

    Raises:
        BadRecording: says what is wrong with the recording.
    """
    if validated.quality.verdict is not Verdict.REJECT:
        return
    serious = [issue for issue in validated.quality.issues if issue.severity == "serious"]
    found = " ".join(issue.message for issue in serious or validated.quality.issues)
    codes = {issue.code for issue in serious}
    if IssueCode.SILENCE in codes and IssueCode.SHORT not in codes:
        remedy = "Check that the right track or file was exported, and that its microphone was on."
    elif IssueCode.SHORT in codes and IssueCode.DAMAGED in codes:
        remedy = "Give a whole copy: most of this one is missing."
    elif IssueCode.SHORT in codes:
        remedy = "Give a longer recording, or lower validate.min_duration_s."
    else:
        remedy = "Give a better copy, or lower validate.min_score to try it all the same."
    raise BadRecording(
        f"The recording can't be used. {found}", remedy, score=validated.quality.score, issues=sorted(codes)
    )


def _check_file(path: Path) -> os.stat_result:
    try:
        stat = path.stat()
        if path.is_dir():
            raise BadRecording(f"{path} is a folder.", "Give a recording, or run on the folder to take all in it.")
        if not path.is_file():
            raise BadRecording(f"{path} is not a regular file.", "Copy its sound into a file first.")
        with path.open("rb") as file:
            first = file.read(1)
    except FileNotFoundError as error:
        raise BadRecording(f"There is no file {path}.", "Check the path; relative paths start here.") from error
    except OSError as error:
        raise BadRecording(
            f"{path} can't be read ({error.strerror or error}).", "Check its permissions and its disk."
        ) from error
    if not first:
        raise BadRecording(f"{path.name} is empty.", "Copy or export it again.")
    return stat


def _check_slice(slice_ms: tuple[int, int]) -> None:
    start, end = slice_ms
    if not 0 <= start < end:
        raise UsageError(f"The slice {start}-{end} ms is empty.", "Give a start before its end.")


@dataclass(frozen=True)
class Mix:
    """How channels become one."""

    weights: list[float]
    dead: tuple[int, ...] = ()
    note: str = ""
    lost: float = 0.0


@dataclass(frozen=True)
class _Decoded:
    track: int
    measured: Measured
    report: Report
    mix: Mix
    speech: Path
    track_note: str


def _decode_best_track(
    path: Path, probed: Probed, slice_ms: tuple[int, int] | None, target: Path, progress: Progress
) -> _Decoded:
    """Decode the default track; while it is silent or breaks, the next one."""
    order = sorted(range(len(probed.audio)), key=lambda index: not probed.audio[index].default)
    silent: _Decoded | None = None
    failed: EarwitnessError | None = None
    for tried, index in enumerate(order):
        report = part_of(progress, tried / len(order), (tried + 1) / len(order))
        try:
            decoded = _decode(path, probed, index, slice_ms, target.with_stem(f"speech{index}"), report)
        except BadRecording as error:
            failed = failed or error
            continue
        if decoded.measured.speech_dbfs is not None:
            return decoded
        silent = silent or decoded
    if silent is not None:
        return silent
    assert failed is not None  # there is at least one track, and it either was decoded or failed
    raise failed


def _decode(
    path: Path, probed: Probed, index: int, slice_ms: tuple[int, int] | None, target: Path, progress: Progress
) -> _Decoded:
    track = probed.audio[index]
    start, end = slice_ms or (None, None)
    part = Part(path, index, start, end)
    declared = track.duration_ms or probed.duration_ms
    expected = declared if slice_ms is None else slice_ms[1] - slice_ms[0]
    limit_s = decoding_limit_s(declared or 0)
    measured, report = decode_and_measure(part, track, target, expected_ms=expected, limit_s=limit_s, progress=progress)
    if not measured.samples:
        if slice_ms is not None and declared is not None and slice_ms[0] >= declared:
            raise BadRecording(
                f"The slice starts at {slice_ms[0] / 1000:.1f} s, but {path.name} lasts {declared / 1000:.1f} s.",
                "Give a slice inside the recording.",
            )
        damaged = report.errors > 0 or bool(report.returncode)
        why = "its header can be read, but what follows is damaged" if damaged else "it has a header and no samples"
        raise BadRecording(f"No sound could be decoded from {path.name}: {why}.", EXPORT_AGAIN, technical=report.reason)
    if measured.nonfinite >= measured.samples * track.channels:
        raise BadRecording(
            f"No sample of {path.name} is a number (a fault of the program that made it).",
            "Export it again, as 16-bit WAV for instance.",
        )
    mix = choose_mix(measured, even_mix(track))
    over = max(1.0, 10 ** ((measured.metrics.peak_dbfs or 0) / 20))
    if over > 1.0:  # floats over full scale: turned down, not cut off
        mix = Mix([weight / over for weight in mix.weights], mix.dead, mix.note, mix.lost)
    if mix.weights != even_mix(track):
        write_speech(part, track, mix.weights, target, limit_s=limit_s)
    if not target.is_file():  # less sound than a sample at 16 kHz
        raise BadRecording(f"No sound could be decoded from {path.name}.", EXPORT_AGAIN)
    note = "" if index == 0 else f"Track {index + 1} of {len(probed.audio)} is used."
    return _Decoded(index, measured, report, mix, target, note)


def choose_mix(measured: Measured, even: list[float]) -> Mix:
    """Weights for the mono copy that lose no channel and cancel nothing.

    An even mix, unless a channel is dead (left out) or channels cancel each other (their difference, or the one
    channel that holds most).

    Args:
        measured: what the meter found.
        even: weights of the even mix; channels with weight 0 (low-frequency effects) are never used.
    """
    levels = {
        channel: level for channel, level in enumerate(measured.channel_dbfs) if level is not None and even[channel] > 0
    }
    live = [channel for channel, level in levels.items() if level > max(levels.values()) - _DEAD_DB]
    dead = tuple(channel for channel, weight in enumerate(even) if weight > 0 and channel not in live)
    if not live:
        return Mix(even)
    weights = [1 / len(live) if channel in live else 0.0 for channel in range(len(even))]
    lost = measured.lost_share
    if not lost or len(live) == 1 or lost["average"] <= _LOST_ENOUGH:
        return Mix(weights, dead)
    loudest_first = sorted(live, key=lambda channel: -levels[channel])
    names = [name for name in ("average", "difference", *map(str, loudest_first)) if name in lost]
    best = min(names, key=lambda name: lost[name])  # the first of equals
    share = f"{lost['average']:.0%}"
    if best == "average":
        text = f"Its channels cancel each other in {share} of the sound, and no other mix keeps more."
        return Mix(weights, dead, text, lost[best])
    if best == "difference":
        text = (
            f"Its channels are in antiphase: a plain mix would cancel {share} of the sound; one of them is turned over."
        )
        return Mix([0.5, -0.5], dead, text, lost[best])
    text = f"Its channels cancel each other in {share} of the sound: only channel {int(best) + 1} is used."
    return Mix([float(channel == int(best)) for channel in range(len(even))], dead, text, lost[best])


def _reading(facts: RecordingFacts, decoded: _Decoded, ending: Ending) -> Reading:
    report = decoded.report
    return Reading(
        duration_ms=facts.duration_ms,
        declared_ms=facts.declared_duration_ms if facts.slice_ms is None else None,
        estimated=facts.container in _ESTIMATED_CONTAINERS,
        decode_errors=report.errors,
        ending=ending.note,
        streamed=ending.streamed,
        nonfinite=facts.nonfinite_samples,
        dead_channels=decoded.mix.dead,
        mix_note=decoded.mix.note,
        mix_lost=decoded.mix.lost,
        other_tracks=facts.audio_tracks - 1,
        track_note=decoded.track_note,
    )


def _bounded(tags: dict[str, str]) -> dict[str, str]:
    """Tags as text of bounded size, in a fixed order."""
    names = sorted(tags)[:_MAX_TAGS]
    return {name[:100]: tags[name][:_MAX_TAG_CHARS].replace("\0", "") for name in names}
