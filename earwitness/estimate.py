"""What a run will take, before it is started."""

from collections.abc import Mapping

from earwitness.audio.facts import Validated
from earwitness.engines.engine import EngineUse
from earwitness.options import ClipSettings, TranscribeSettings
from earwitness.result import Estimate
from earwitness.speech import assemblyai_recogniser, openai_recogniser
from earwitness.speech.second_hearing import MOST_SHARE
from earwitness.tracks.facts import TracksValidated

# Seconds of work a second of sound: the slower of two runs of the demo's scene (254 s) on two cores, rounded up. The
# first recording of a process also loads the models (the start below). What was not timed there counts as _UNKNOWN.
_WORK_PER_SECOND = {
    ("diarize", "bundled"): 0.4,
    ("diarize", "tracks"): 0.05,
    ("transcribe", "sidecar"): 0.01,
    ("align", "bundled"): 0.2,
    ("summarize", "extractive"): 0.005,
}
_UNKNOWN = 1.0
_USD_PER_MINUTE = {
    openai_recogniser.ADDRESS: {"whisper-1": 0.006, "gpt-4o-transcribe": 0.006, "gpt-4o-mini-transcribe": 0.003},
    assemblyai_recogniser.ADDRESS: {
        "universal-3-5-pro": 0.21 / 60,
        "universal-3-pro": 0.21 / 60,
        "universal-2": 0.15 / 60,
    },
}
"""By https://openai.com/api/pricing and https://www.assemblyai.com/pricing (October 2026); nobody else is priced."""
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
    validated: Validated, engines: Mapping[str, EngineUse], clips: ClipSettings, transcribe: TranscribeSettings
) -> Estimate:
    """Time, storage and cost of everything that follows *validate*; rough, and on the high side.

    Args:
        validated: the recording.
        engines: what was chosen so far; the aligner is taken to be the bundled one.
        clips: resolved.
        transcribe: whether a hosted service may be asked twice.
    """
    length_s = validated.facts.duration_ms / 1000
    tracks = len(validated.tracks) if isinstance(validated, TracksValidated) else 0
    chosen = {"align": "bundled", "summarize": "extractive"} | {stage: use.name for stage, use in engines.items()}
    work = {stage: _WORK_PER_SECOND.get((stage, chosen[stage]), _UNKNOWN) for stage in _SPEECH_STAGES}
    unknown = [stage for stage in _SPEECH_STAGES if (stage, chosen[stage]) not in _WORK_PER_SECOND]
    # diarize and transcribe run side by side
    rate = max(work["diarize"], work["transcribe"]) + work["align"] + work["summarize"] + _WORK_A_TRACK * tracks
    possible = min(clips.count, int(length_s // clips.min_s))
    clip_s, clip_bytes = (_VIDEO_CLIP_S, _VIDEO_CLIP_BYTES) if clips.video else (_SOUND_CLIP_S, _SOUND_CLIP_BYTES)
    cost_usd, price = _cost(engines, length_s, twice=transcribe.hear_again == "always")
    basis = f"rough: rates of two runs of the demo's scene on two cores; {price}"
    if unknown:
        basis += f"; never timed, so taken to be as slow as the recording is long: {', '.join(unknown)}"
    return Estimate(
        seconds=round(_STARTING_S + rate * length_s + clip_s * possible, 1),
        # everything lies in the store and in the bundle
        storage_bytes=2 * round(_BYTES_PER_SECOND * length_s + clip_bytes * possible + _PAGE_BYTES)
        + round(_BYTES_A_TRACK * tracks * length_s),
        cost_usd=cost_usd,
        basis=basis,
    )


def _cost(engines: Mapping[str, EngineUse], length_s: float, *, twice: bool) -> tuple[float, str]:
    """Dollars at most (silence is not sent), and what to know about them."""
    use, writer = engines.get("transcribe"), engines.get("summarize")
    notes = f"; what {writer.model} asks for the notes is not counted" if writer and writer.name == "chat" else ""
    if use is None or use.name not in {"openai", "assemblyai"}:
        return 0.0, notes.removeprefix("; ") or "no paid service is among the engines"
    models, _, address = use.model.partition(" at ")
    prices = _USD_PER_MINUTE.get(address, {})
    if not prices or any(model not in prices for model in models.split(", ")):
        return 0.0, f"what {models} at {address} costs is not known here and not counted{notes}"
    rate = max(prices[model] for model in models.split(", "))
    note = f"{models} at ${rate:g} a minute of sound; silence is not sent"
    if use.name == "assemblyai":
        note += "; names of a cast to listen for may cost extra"
    if twice:
        rate *= 1 + MOST_SHARE
        note += f"; up to {MOST_SHARE:.0%} of it is sent once more"
    return round(rate * length_s / 60, 4), note + notes
