"""What a recording will cost, by stage and model, before any of it is paid."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from earwitness.audio.facts import Validated
from earwitness.clips.presets import limits_s
from earwitness.clips.rank import MANY, question
from earwitness.clips.units import Unit
from earwitness.engines.engine import EngineUse
from earwitness.errors import BadTranscript
from earwitness.money.prices import MICRO, Usage, cost_of
from earwitness.options import RunOptions
from earwitness.result import StageCost
from earwitness.settings import ClipSettings
from earwitness.speech.second_hearing import MOST_SHARE
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance

_WORDS_A_MINUTE = 150
"""Of talk; slow speakers say 110, fast ones 190."""
_TALK_SPREAD = (0.7, 1.3)
_LINE = "and then we went to the harbour, because somebody had told us about it."
"""An utterance of usual length: 14 words."""
_USUAL_CLIP_S = 35.0
"""What the weights like best."""
_TOKENS_A_MOMENT = 45
"""Of the answer: an id and a sentence of some 20 words, as JSON."""
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
    if use := engines.get("rank"):
        found.append(_ranking(validated, use, options.clip))
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


def _ranking(validated: Validated, use: EngineUse, clips: ClipSettings) -> StageCost:
    """One question on the best moments, of which there are as many, and as long, as the recording has room for."""
    model, _, address = use.model.partition(" at ")
    length_s = validated.facts.duration_ms / 1000
    low_s, high_s = limits_s(clips)
    usual_s = min(max(_USUAL_CLIP_S, low_s), high_s)

    def moments(shortest_s: float) -> int:
        return min(MANY * clips.count, int(length_s // shortest_s))

    most = moments(low_s)
    told = (
        _ranking_price(address, model, moments(high_s), low_s, "low"),
        _ranking_price(address, model, moments(usual_s), usual_s, "likely"),
        _ranking_price(address, model, most, min(high_s, length_s / max(1, most)), "high"),
    )
    return _cost("clip", model, address, told, f"one question on up to {most} moments, if a model is to rank them")


def _ranking_price(
    address: str, model: str, moments: int, seconds: float, how: Literal["low", "likely", "high"]
) -> int | None:
    from earwitness.notes.forecast import ANSWER_SPREAD, BYTES_A_TOKEN, TOKENS_SPREAD
    from earwitness.services.chat_model import provider_of

    if moments < 2:
        return 0
    said = _talk(round(seconds * _WORDS_A_MINUTE / 60))
    units = [Unit(0, round(seconds * 1000), one.text, one.speaker, one.id, (), ends_sentence=True) for one in said]
    letters = sum(len(text.encode()) for _, text in question([units] * moments))
    read_as, written_as = {
        "low": (TOKENS_SPREAD[0], ANSWER_SPREAD[0]),
        "likely": (1.0, 1.0),
        "high": (TOKENS_SPREAD[1], ANSWER_SPREAD[1]),
    }[how]
    usage = Usage(
        input_tokens=round(read_as * letters / BYTES_A_TOKEN),
        output_tokens=round(written_as * _TOKENS_A_MOMENT * moments),
    )
    return cost_of(address, [provider_of(model)[1]], usage)


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
