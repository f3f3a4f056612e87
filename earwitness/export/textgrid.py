"""Praat TextGrid, written by praatio (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html)."""

from collections.abc import Mapping, Sequence
from typing import Any

from earwitness.export.tiers import tiers_of
from earwitness.words.transcript import Utterance


def textgrid_text(utterances: Sequence[Utterance], names: Mapping[str, str], duration_ms: int) -> str:
    """Two interval tiers a speaker: `Name` with utterances and `Name - words`, as forced aligners call it.

    Args:
        utterances: with words.
        names: diarization label → display name.
        duration_ms: of the recording; words may end later.
    """
    from praatio.utilities import textgrid_io

    tiers = tiers_of(utterances, names)
    end_ms = max([duration_ms, 1, *(span.end_ms for tier in tiers for span in tier.utterances)])
    both = [item for tier in tiers for item in ((tier.name, tier.utterances), (tier.words_name, tier.words))]
    grid: dict[str, Any] = {
        "xmin": 0,
        "xmax": end_ms / 1000,
        "tiers": [
            {
                "class": "IntervalTier",
                "name": name,
                "xmin": 0,
                "xmax": end_ms / 1000,
                "entries": [(span.start_ms / 1000, span.end_ms / 1000, span.text) for span in spans],
            }
            for name, spans in both
        ],
    }
    text: str = textgrid_io.getTextgridAsStr(grid, "long_textgrid", includeBlankSpaces=True)
    return text
