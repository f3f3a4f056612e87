"""What a recording will cost, by stage and model, before any of it is paid."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from earwitness.audio.facts import Validated
from earwitness.engines.engine import EngineUse
from earwitness.errors import BadTranscript
from earwitness.money.prices import MICRO, Usage, cost_of
from earwitness.options import RunOptions
from earwitness.result import StageCost
from earwitness.speech.second_hearing import MOST_SHARE
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance

_WORDS_A_MINUTE = 150
"""Of talk; slow speakers say 110, fast ones 190."""
_TALK_SPREAD = (0.7, 1.3)
_LINE = "and then we went to the harbour, because somebody had told us about it."
"""An utterance of usual length: 14 words."""
_SERVICES = frozenset({"openai", "assemblyai"})


def forecast_costs(
    validated: Validated, engines: Mapping[str, EngineUse], options: RunOptions, transcript: Path | None
) -> list[StageCost]:
    """One entry for each stage that is done by somebody who may charge for it.

    Args:
        validated: the recording.
        engines: that were chosen.
        options: resolved.
        transcript: of the whole recording, if there is one; the price of notes goes by it.

    Raises:
        UsageError: the user's prices can't be read.
    """
    found = []
    if (use := engines.get("transcribe")) and use.name in _SERVICES:
        found.append(_transcription(validated, use, twice=options.transcribe.hear_again == "always"))
    if (use := engines.get("summarize")) and use.name == "chat":
        found.append(_notes(validated, use, options, transcript))
    return found


def _transcription(validated: Validated, use: EngineUse, *, twice: bool) -> StageCost:
    models, _, address = use.model.partition(" at ")
    whole_ms = validated.facts.duration_ms
    spoken_ms = round(whole_ms * (1 - validated.quality.metrics.silence_share))
    most_ms = round(whole_ms * (1 + (MOST_SHARE if twice else 0)))
    low, high = (cost_of(address, models.split(", "), Usage(audio_ms=length)) for length in (spoken_ms, most_ms))
    basis = "silence is not sent"
    if use.name == "assemblyai":
        basis += "; names of a cast to listen for may cost extra"
    if twice:
        basis += f"; up to {MOST_SHARE:.0%} of it is sent once more"
    return _cost("transcribe", models, address, (low, high, high), basis)


def _notes(validated: Validated, use: EngineUse, options: RunOptions, transcript: Path | None) -> StageCost:
    from earwitness.notes.forecast import forecast_notes

    model, _, address = use.model.partition(" at ")
    said = _read(transcript)
    basis = "by the transcript that there is" if said else f"if {_WORDS_A_MINUTE} words a minute are said"
    words = round(_WORDS_A_MINUTE * validated.facts.duration_ms / 60_000)
    told = [
        forecast_notes(said or _talk(round(words * share)), _SPEAKERS, None, options.profile, options.summarize)
        for share in (1.0, *([] if said else _TALK_SPREAD))
    ]
    basis += f"; {told[0].questions} questions to the model"
    return _cost("summarize", model, address, (told[1 % len(told)].low, told[0].likely, told[-1].high), basis)


def _cost(
    stage: str, model: str, address: str, micro: tuple[int | None, int | None, int | None], basis: str
) -> StageCost:
    low, likely, high = (None if value is None else value / MICRO for value in micro)
    if likely is None:
        basis = f"what {model} at {address} costs is not known here and not counted (docs/costs.md)"
    return StageCost(stage=stage, model=model, low_usd=low, likely_usd=likely, high_usd=high, basis=basis)


_SPEAKERS = [Speaker(label=f"SPEAKER_{n:02d}", name=f"SPEAKER_{n:02d}", named_by="nobody") for n in range(2)]


def _read(transcript: Path | None) -> list[Utterance]:
    from earwitness.speech.sidecar import read_transcript

    try:
        segments = read_transcript(transcript) if transcript else []
    except BadTranscript:
        return []  # transcribing will say so
    return _utterances([segment.text for segment in segments])


def _talk(words: int) -> list[Utterance]:
    return _utterances([_LINE] * max(1, round(words / len(_LINE.split()))))


def _utterances(texts: Sequence[str]) -> list[Utterance]:
    return [Utterance(f"u{n:04d}", _SPEAKERS[n % 2].label, None, None, text) for n, text in enumerate(texts, 1)]
