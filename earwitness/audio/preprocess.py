"""The second stage: the copy that the speech engines hear. Mostly the decoded copy itself.

Recognisers are trained on untreated sound and lose words to careless cleaning, so filters run only where the verdict
asks for them, only those that an issue asks for, and only if the result measures better than the original.
"""

from pathlib import Path
from typing import Any

from earwitness.audio.decode import decoding_limit_s, in_long_frames
from earwitness.audio.facts import SPEECH_RATE_HZ, Enhancement, IssueCode, Metrics, Preprocessed, Validated, Verdict
from earwitness.audio.ffmpeg import run, source
from earwitness.audio.measure import Meter
from earwitness.audio.pcm import iter_speech, speech_duration_ms
from earwitness.audio.quality import Reading, assess, speech_level_dbfs
from earwitness.progress import Progress, no_progress, part_of
from earwitness.settings import PreprocessSettings, ValidateSettings
from earwitness.storage.store import keep, workspace

_BLOCK_S = 1.6
_FLAC_BLOCK = 4_096
_HIGH_PASS_HZ = 70
_DENOISE_DB = 12
_DECLIP_HEADROOM_DB = 8
_LEVEL_LUFS = -23.0
_MOST_GAIN_DB = 60.0
_CEILING = 0.89
# afftdn gives its sound late by its window less its advance: 600 - 200 samples at 16 kHz (libavfilter/af_afftdn.c).
_AFFTDN_DELAY = 400
_WORTH_IT = 0.01
"""A score that rises by less than this is chance, and the original is the safer choice."""


def preprocess(validated: Validated, settings: PreprocessSettings, progress: Progress = no_progress) -> Preprocessed:
    """Give the speech copy: the decoded one unchanged, or an enhanced one where the verdict asks for it.

    Args:
        validated: result of *validate*.
        settings: `never` and `always` override the verdict.
        progress: told the share that is done.

    Raises:
        ToolFailed: ffmpeg died or stalled.
        StorageError: the store can't be read or written.
    """
    original = validated.decoded
    duration_ms = speech_duration_ms(original.path)
    wanted = settings.enhance == "always" or (
        settings.enhance == "auto" and validated.quality.verdict is Verdict.ENHANCE
    )
    if not wanted:
        progress(1.0, "the recording needs no cleaning")
        return Preprocessed(speech=original, duration_ms=duration_ms)

    before = measure_speech(original.path, part_of(progress, 0, 0.2))
    steps = plan(validated, before, always=settings.enhance == "always")
    with workspace("preprocess") as folder:
        target = Path(folder) / "speech.flac"
        _apply(original.path, target, [step for _, step in steps], duration_ms, part_of(progress, 0.2, 0.8))
        after = measure_speech(target, part_of(progress, 0.8, 1.0))
        # Cleaning can't bring back a band that is missing: where its edge moves, that is no gain.
        comparable = after.model_copy(update={"bandwidth_hz": before.bandwidth_hz})
        helped = _score(comparable, duration_ms) >= _score(before, duration_ms) + _WORTH_IT
        speech = keep(target) if helped else original
    names = [name for name, _ in steps]
    progress(1.0, f"{', '.join(names)}: {'better' if helped else 'no better, so the original is used'}")
    enhancement = Enhancement(steps=names, before=before, after=after, helped=helped)
    return Preprocessed(speech=speech, duration_ms=duration_ms, enhancement=enhancement)


Step = tuple[str, dict[str, Any]]


def plan(validated: Validated, before: Metrics, *, always: bool) -> list[tuple[str, list[Step]]]:
    """Which filters the issues ask for, in the order in which they run.

    Args:
        validated: whose issues count.
        before: measurements of the speech copy.
        always: small issues count too; without any, rumble is removed and the level set.

    Returns:
        (name for people, ffmpeg filters with their options) a step.
    """
    issues = {issue.code for issue in validated.quality.issues if always or issue.severity != "info"}
    steps: list[tuple[str, list[Step]]] = []
    if issues & {IssueCode.DC_OFFSET, IssueCode.NOISE} or always:
        steps.append((f"high-pass {_HIGH_PASS_HZ} Hz", [("highpass", {"f": _HIGH_PASS_HZ})]))
    if IssueCode.CLIPPING in issues:
        # Restored peaks rise above the level at which they were cut off: make room for them first.
        room = ("volume", {"volume": f"-{_DECLIP_HEADROOM_DB}dB", "precision": "double"})
        steps.append(("de-clip", [room, ("adeclip", {})]))
    if IssueCode.NOISE in issues:
        floor = min(-20.0, max(-80.0, before.noise_floor_dbfs if before.noise_floor_dbfs is not None else -50.0))
        denoise = ("afftdn", {"nr": _DENOISE_DB, "nf": round(floor), "tn": 1})
        steps.append((f"denoise {_DENOISE_DB} dB", [denoise, ("atrim", {"start_sample": _AFFTDN_DELAY})]))
    gain = _gain_db(before)
    if (IssueCode.QUIET in issues or always) and abs(gain) >= 1:
        limiter = {"limit": _CEILING, "level": 0, "latency": 1}
        volume = {"volume": f"{gain:.2f}dB", "precision": "float"}
        steps.append((f"level {gain:+.1f} dB", [("volume", volume), ("alimiter", limiter)]))
    return steps


def measure_speech(path: Path, progress: Progress = no_progress) -> Metrics:
    """Measure a 16 kHz mono file, with the same meter that *validate* uses."""
    meter = Meter(SPEECH_RATE_HZ, 1)
    total = max(1, speech_duration_ms(path))
    for start, samples in iter_speech(path, _BLOCK_S):
        meter.feed(samples[:, None])
        progress(min(1.0, start / SPEECH_RATE_HZ * 1000 / total))
    return meter.finish().metrics


def _gain_db(metrics: Metrics) -> float:
    loudness = metrics.loudness_lufs if metrics.loudness_lufs is not None else speech_level_dbfs(metrics)
    return 0.0 if loudness is None else min(_MOST_GAIN_DB, _LEVEL_LUFS - loudness)


def _score(metrics: Metrics, duration_ms: int) -> float:
    return assess(metrics, Reading(duration_ms=duration_ms), ValidateSettings()).score


def _apply(path: Path, target: Path, steps: list[list[Step]], duration_ms: int, progress: Progress) -> None:
    import ffmpeg
    import soundfile

    audio: Any = in_long_frames(source(path).audio)
    for step in steps:
        for name, options in step:
            audio = ffmpeg.filter(audio, name, **options)
    # Some filters hold samples back: the copy must stay as long as the original, or every time shifts.
    audio = audio.filter("apad").filter("atrim", end_sample=soundfile.info(str(path)).frames)

    def on_time(ms: int) -> None:
        progress(min(1.0, ms / max(1, duration_ms)), f"cleaned {ms // 1000} s")

    audio = audio.filter("aformat", channel_layouts="mono", sample_rates=SPEECH_RATE_HZ, sample_fmts="s16")
    # The encoder takes frames as they come as its blocks, up to sizes that players refuse.
    output = audio.filter("asetnsamples", n=_FLAC_BLOCK, p=0).output(
        f"file:{target}", acodec="flac", map_metadata=-1, fflags="+bitexact", **{"flags:a": "+bitexact"}
    )
    run(
        output,
        limit_s=decoding_limit_s(duration_ms),
        on_time=on_time,
        what="Cleaning the sound failed",
    )
