"""What a run will take, before it is started."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from earwitness.audio.facts import Validated
from earwitness.engines.engine import EngineUse
from earwitness.money.forecast import forecast_costs
from earwitness.options import RunOptions
from earwitness.result import Estimate
from earwitness.tracks.facts import TracksValidated

# Seconds of work a second of sound: the slower of two runs of the demo's scene (254 s) on two cores, rounded up. The
# first recording of a process also loads the models (the start below). What was not timed there counts as _UNKNOWN.
_WORK_PER_SECOND = {
    ("diarize", "bundled"): 0.4,
    ("diarize", "tracks"): 0.05,
    ("transcribe", "sidecar"): 0.01,
    ("transcribe", "bundled"): 0.3,
    ("align", "bundled"): 0.2,
    ("summarize", "extractive"): 0.005,
}
_UNKNOWN = 1.0
_SPEECH_STAGES = ("diarize", "transcribe", "align", "summarize")
_STARTING_S = 60.0
# of the same runs, a clip of half a minute with a picture, and one of sound only
_VIDEO_CLIP_S, _SOUND_CLIP_S = 32.0, 3.5
_VIDEO_CLIP_BYTES, _SOUND_CLIP_BYTES = 4_000_000, 500_000
# 16 kHz FLAC of speech and the listening copy
_BYTES_PER_SECOND = 18_000 + 9_000
_PAGE_BYTES = 3_000_000
# decoding, voice activity and muting; two copies a track, and its share of the mix
_WORK_A_TRACK = 0.05
_BYTES_A_TRACK = 50_000


def estimate(
    validated: Validated, engines: Mapping[str, EngineUse], options: RunOptions, transcript: Path | None = None
) -> Estimate:
    """Time, storage and cost of everything that follows *validate*; rough, and on the high side.

    Args:
        validated: the recording.
        engines: what was chosen so far; the aligner is taken to be the bundled one.
        options: resolved.
        transcript: of the whole recording, if there is one.

    Raises:
        UsageError: the user's prices can't be read.
    """
    clips = options.clip
    length_s = validated.facts.duration_ms / 1000
    tracks = len(validated.tracks) if isinstance(validated, TracksValidated) else 0
    chosen = {"align": "bundled", "summarize": "extractive"} | {stage: use.name for stage, use in engines.items()}
    work = {stage: _WORK_PER_SECOND.get((stage, chosen[stage]), _UNKNOWN) for stage in _SPEECH_STAGES}
    unknown = [stage for stage in _SPEECH_STAGES if (stage, chosen[stage]) not in _WORK_PER_SECOND]
    # diarize and transcribe run side by side
    rate = max(work["diarize"], work["transcribe"]) + work["align"] + work["summarize"] + _WORK_A_TRACK * tracks
    possible = min(clips.count, int(length_s // clips.min_s)) * (len(clips.presets) if clips.video else 1)
    clip_s, clip_bytes = (_VIDEO_CLIP_S, _VIDEO_CLIP_BYTES) if clips.video else (_SOUND_CLIP_S, _SOUND_CLIP_BYTES)
    costs = forecast_costs(validated, engines, options, transcript)
    price = "; ".join(f"{cost.stage}: {cost.basis}" for cost in costs) or "no paid service is among the engines"
    basis = f"rough: rates of two runs of the demo's scene on two cores; {price}"
    if unknown:
        basis += f"; never timed, so taken to be as slow as the recording is long: {', '.join(unknown)}"
    return Estimate(
        seconds=round(_STARTING_S + rate * length_s + clip_s * possible, 1),
        # everything lies in the store and in the bundle
        storage_bytes=2 * round(_BYTES_PER_SECOND * length_s + clip_bytes * possible + _PAGE_BYTES)
        + round(_BYTES_A_TRACK * tracks * length_s),
        cost_usd=_together(cost.likely_usd for cost in costs),
        cost_low_usd=_together(cost.low_usd for cost in costs),
        cost_high_usd=_together(cost.high_usd for cost in costs),
        costs=costs,
        basis=basis,
    )


def _together(amounts: Iterable[float | None]) -> float:
    return round(sum(amount or 0.0 for amount in amounts), 6)
