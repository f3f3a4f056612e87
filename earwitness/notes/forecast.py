"""What notes by a chat model will cost, before the model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from earwitness.money.prices import Usage, cost_of
from earwitness.notes.chat import questions_for
from earwitness.options import Profile
from earwitness.services.chat_model import address_of, provider_of
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Utterance

# Tokenizers make a token of some four bytes of English and JSON: 3.3 of dense JSON, 4.6 of prose.
BYTES_A_TOKEN = 3.8
TOKENS_SPREAD = (0.83, 1.2)
# Of the answer: a point of some 18 words has 100 letters, and some 40 more of JSON with what it cites
_TOKENS_A_WORD = 2.0
_OTHER_SECTIONS = 0.5
"""People, places, quotes, chapters ... beside the main section, which is 1."""
_ANSWER_FRAME = 60
ANSWER_SPREAD = (0.5, 1.8)
"""Models keep to a wanted length as badly as that."""


@dataclass(frozen=True, slots=True)
class NotesForecast:
    """Micro-dollars; all None where the price is not known."""

    questions: int
    low: int | None
    likely: int | None
    high: int | None


def forecast_notes(
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    cast: Cast | None,
    profile: Profile,
    settings: SummarizeSettings,
) -> NotesForecast:
    """The price of the notes that `earwitness.notes.chat.write` would make; nobody is asked.

    Args:
        utterances: the transcript.
        speakers: who the labels are.
        cast: the cast file, if any.
        profile: decides the prompts.
        settings: resolved.

    Raises:
        UsageError: the model's window is too small for anything, or the user's prices can't be read.
    """
    questions = questions_for(utterances, speakers, cast, profile, settings) if utterances else []
    _, model = provider_of(settings.model or "")
    told = 1 + _OTHER_SECTIONS + (1 if settings.story else 0)

    def price(read_as: float, written_as: float) -> int | None:
        costs = []
        for question in questions:
            read = round(read_as * question.bytes / BYTES_A_TOKEN)
            written = round(written_as * (_TOKENS_A_WORD * told * question.words + _ANSWER_FRAME))
            usage = Usage(input_tokens=read, output_tokens=min(written, question.most_tokens))
            costs.append(cost_of(address_of(settings), [model], usage))
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    low, high = zip(TOKENS_SPREAD, ANSWER_SPREAD, strict=True)
    return NotesForecast(len(questions), price(*low), price(1, 1), price(*high))
