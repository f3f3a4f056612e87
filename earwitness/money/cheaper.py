"""What a stage goes on with when a budget has no room for the engine it has."""

from typing import NamedTuple

from earwitness.engines.engine import EngineUse
from earwitness.errors import BudgetExceeded, EngineUnavailable, PriceUnknown
from earwitness.money.budget import Budget
from earwitness.settings import SummarizeSettings, TranscribeSettings

_ENGINES = frozenset({"whisperx", "bundled"})


class Cheaper(NamedTuple):
    """Settings and engine of another try."""

    settings: TranscribeSettings | SummarizeSettings
    engine: EngineUse


def cheaper(
    settings: TranscribeSettings | SummarizeSettings,
    engine: EngineUse,
    budget: Budget,
    why: BudgetExceeded | PriceUnknown,
) -> Cheaper | None:
    """The next of the chain that the budget states; None at its end, or where it says to stop.

    Args:
        settings: of the stage, which was refused.
        engine: what it has.
        budget: says how to go on.
        why: what refused it.
    """
    if budget.at_limit == "stop":
        return None
    chain = budget.cheaper_transcribe if isinstance(settings, TranscribeSettings) else budget.cheaper_summarize
    place = chain.index(_name(settings, engine)) + 1 if _name(settings, engine) in chain else 0
    for name in chain[place:]:
        try:
            if isinstance(settings, TranscribeSettings):
                found = _recogniser(settings, engine, name)
            else:
                found = _writer(settings, name)
        except EngineUnavailable:
            continue
        if found is not None:
            return Cheaper(found.settings, found.engine.model_copy(update={"degraded": True, "reason": why_not(why)}))
    return None


def why_not(why: BudgetExceeded | PriceUnknown) -> str:
    """Without amounts: it stands in the bundle, which must not change because something else was bought meanwhile."""
    if isinstance(why, PriceUnknown):
        return "the price of what was asked for is not known, and the budget is in dollars"
    return f"the budget ({why.details['scope']}_{why.details['measure']}) has no room for what was asked for"


def _name(settings: TranscribeSettings | SummarizeSettings, engine: EngineUse) -> str:
    if isinstance(settings, TranscribeSettings):
        return settings.hosted_model if engine.name == "openai" else engine.name
    return (settings.model or "") if engine.name == "chat" else engine.name


def _recogniser(settings: TranscribeSettings, engine: EngineUse, name: str) -> Cheaper | None:
    from earwitness.speech.transcribe import choose_recogniser

    if name in _ENGINES:
        other = settings.model_copy(update={"engine": name})
    elif engine.name == "openai":
        other = settings.model_copy(update={"engine": "openai", "hosted_model": name})
    else:
        return None
    return Cheaper(other, choose_recogniser(other, None))


def _writer(settings: SummarizeSettings, name: str) -> Cheaper:
    from earwitness.notes.summarize import choose_writer

    given = {"engine": "extractive"} if name == "extractive" else {"engine": "chat", "model": name}
    other = settings.model_copy(update=given)
    return Cheaper(other, choose_writer(other))
