"""Put together what a run found out: the input of *publish*."""

from typing import Any

from earwitness.archive.findings import Findings
from earwitness.audio.facts import ListeningCopy, Preprocessed, Validated
from earwitness.clips.clip import Clipped
from earwitness.notes.notes import Summarized
from earwitness.settings import StageSettings, VoiceSettings
from earwitness.show.make import Shown
from earwitness.speech.segments import Transcribed
from earwitness.speech.turns import Diarized
from earwitness.talk.talk import Talk
from earwitness.voices.hear import Named
from earwitness.words.transcript import Aligned
from tasks.run import Run

STAGES = (
    "validate_",
    "preprocess",
    "listen",
    "diarize",
    "transcribe",
    "align",
    "voices",
    "summarize",
    "clip",
    "show",
    "publish",
)


def gather(
    run: Run,
    validated: Validated,
    preprocessed: Preprocessed,
    listening: ListeningCopy | None,
    diarized: Diarized | None,
    transcribed: Transcribed | None,
    aligned: Aligned | None,
    talk: Talk | None,
    named: Named,
    summarized: Summarized | None,
    clipped: Clipped | None,
    shown: Shown | None,
) -> Findings:
    """Everything that the bundle is made from, what is missing included."""
    if run.job is None:
        raise ValueError("a run has findings only after it was planned")
    return Findings(
        recording_id=run.job.recording_id,
        source_name=run.job.source_name,
        profile=run.options.profile.value,
        settings={name.strip("_"): _recorded(getattr(run.options, name)) for name in STAGES} | _remembered(run),
        engines=run.engines_in_order(),
        validated=validated,
        preprocessed=preprocessed,
        listening=listening,
        diarized=diarized,
        transcribed=transcribed,
        aligned=aligned,
        talk=talk,
        cast=run.job.cast,
        corrections=run.job.corrections,
        speakers=named.speakers,
        voice_doubts=named.doubts,
        summarized=summarized,
        clipped=clipped,
        shown=shown,
        missing=run.missing,
        warnings=run.warnings,
    )


def _remembered(run: Run) -> dict[str, Any]:
    """Where nothing is remembered, there is nothing to record."""
    memory = run.options.memory
    return {"memory": memory.model_dump(mode="json")} if memory.scope else {}


def _recorded(settings: StageSettings | VoiceSettings) -> dict[str, Any]:
    left_out = settings.UNKEYED - settings.RECORDED if isinstance(settings, StageSettings) else ()
    return settings.model_dump(mode="json", exclude=set(left_out))
