"""What a run will take, before it is started."""

from collections.abc import Mapping

from earwitness.audio.facts import Validated
from earwitness.engines.engine import EngineUse
from earwitness.result import Estimate

# Seconds of work a second of sound on two cores, each measured on this project's own benches and rounded up. Engines
# that were never timed here count as slow as the slowest that was.
_WORK_PER_SECOND = {
    ("diarize", "bundled"): 0.15,
    ("transcribe", "sidecar"): 0.02,
    ("transcribe", "bundled"): 0.5,
    ("align", "bundled"): 0.15,
    ("summarize", "extractive"): 0.005,
    ("clip", "ffmpeg"): 0.05,
}
_UNKNOWN = 1.0
_SPEECH_STAGES = ("diarize", "transcribe", "align", "summarize", "clip")
_STARTING_S = 30.0
# 16 kHz FLAC of speech ~ 1 MB a minute, the listening copy 0.5 MB, both in the store and in the bundle
_BYTES_PER_SECOND = 2 * (18_000 + 8_000)


def estimate(validated: Validated, engines: Mapping[str, EngineUse]) -> Estimate:
    """Time, storage and cost of everything that follows *validate*."""
    length_s = validated.facts.duration_ms / 1000
    work = {
        stage: _WORK_PER_SECOND.get((stage, engines[stage].name), _UNKNOWN)
        if stage in engines
        else max(value for (name, _), value in _WORK_PER_SECOND.items() if name == stage)
        for stage in _SPEECH_STAGES
    }
    # diarize and transcribe run side by side
    rate = max(work["diarize"], work["transcribe"]) + work["align"] + work["summarize"] + work["clip"]
    return Estimate(
        seconds=round(_STARTING_S + rate * length_s, 1),
        storage_bytes=round(_BYTES_PER_SECOND * length_s) + 2_000_000,
        cost_usd=0.0,
        basis="rates measured on two cores for the bundled engines; no paid service is among the chosen engines",
    )
