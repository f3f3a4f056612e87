"""What a run will take, before it is started."""

from collections.abc import Mapping

from earwitness.audio.facts import Validated
from earwitness.engines.engine import EngineUse
from earwitness.options import ClipSettings
from earwitness.result import Estimate
from earwitness.speech.openai_recogniser import ADDRESS

# Seconds of work a second of sound: the slower of two runs of the demo's scene (254 s) on two cores, rounded up. The
# first recording of a process also loads the models (the start below). What was not timed there counts as _UNKNOWN.
_WORK_PER_SECOND = {
    ("diarize", "bundled"): 0.4,
    ("transcribe", "sidecar"): 0.01,
    ("align", "bundled"): 0.2,
    ("summarize", "extractive"): 0.005,
}
_UNKNOWN = 1.0
_USD_PER_MINUTE = {"whisper-1": 0.006, "gpt-4o-transcribe": 0.006, "gpt-4o-mini-transcribe": 0.003}
"""Of https://api.openai.com, by https://openai.com/api/pricing as we last knew it; other services are not priced."""
_SPEECH_STAGES = ("diarize", "transcribe", "align", "summarize")
_STARTING_S = 60.0
# of the same runs, a clip of half a minute with a picture, and one of sound only
_VIDEO_CLIP_S, _SOUND_CLIP_S = 32.0, 3.5
_VIDEO_CLIP_BYTES, _SOUND_CLIP_BYTES = 4_000_000, 500_000
# 16 kHz FLAC of speech and the listening copy
_BYTES_PER_SECOND = 18_000 + 9_000
_PAGE_BYTES = 3_000_000


def estimate(validated: Validated, engines: Mapping[str, EngineUse], clips: ClipSettings) -> Estimate:
    """Time, storage and cost of everything that follows *validate*; rough, and on the high side.

    Args:
        validated: the recording.
        engines: what was chosen so far; the aligner is taken to be the bundled one.
        clips: resolved.
    """
    length_s = validated.facts.duration_ms / 1000
    chosen = {"align": "bundled", "summarize": "extractive"} | {stage: use.name for stage, use in engines.items()}
    work = {stage: _WORK_PER_SECOND.get((stage, chosen[stage]), _UNKNOWN) for stage in _SPEECH_STAGES}
    unknown = [stage for stage in _SPEECH_STAGES if (stage, chosen[stage]) not in _WORK_PER_SECOND]
    # diarize and transcribe run side by side
    rate = max(work["diarize"], work["transcribe"]) + work["align"] + work["summarize"]
    possible = min(clips.count, int(length_s // clips.min_s))
    clip_s, clip_bytes = (_VIDEO_CLIP_S, _VIDEO_CLIP_BYTES) if clips.video else (_SOUND_CLIP_S, _SOUND_CLIP_BYTES)
    cost_usd, price = _cost(engines, length_s)
    basis = f"rough: rates of two runs of the demo's scene on two cores; {price}"
    if unknown:
        basis += f"; never timed, so taken to be as slow as the recording is long: {', '.join(unknown)}"
    return Estimate(
        seconds=round(_STARTING_S + rate * length_s + clip_s * possible, 1),
        # everything lies in the store and in the bundle
        storage_bytes=2 * round(_BYTES_PER_SECOND * length_s + clip_bytes * possible + _PAGE_BYTES),
        cost_usd=cost_usd,
        basis=basis,
    )


def _cost(engines: Mapping[str, EngineUse], length_s: float) -> tuple[float, str]:
    """Dollars at most (silence is not sent), and what to know about them."""
    use, writer = engines.get("transcribe"), engines.get("summarize")
    notes = f"; what {writer.model} asks for the notes is not counted" if writer and writer.name == "chat" else ""
    if use is None or use.name != "openai":
        return 0.0, notes.removeprefix("; ") or "no paid service is among the engines"
    model, _, address = use.model.partition(" at ")
    rate = _USD_PER_MINUTE.get(model) if address == ADDRESS else None
    if rate is None:
        return 0.0, f"what {model} at {address} costs is not known here and not counted{notes}"
    return round(rate * length_s / 60, 4), f"{model} at ${rate:g} a minute of sound; silence is not sent{notes}"
