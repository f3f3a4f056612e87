"""Bundles on disk, made from words and turns that a test thinks up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earwitness.archive.bundle import compose_bundle, place_bundle
from earwitness.archive.reading import Bundle, read_bundle
from earwitness.speech.turns import Turn
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Word
from tests.archive.factory import make_findings, words_ref


def placed_bundle(
    out: Path, words: Sequence[Word], turns: Sequence[Turn], names: Mapping[str, str], **changes: Any
) -> Bundle:
    """Compose, place and read a bundle; `changes` go to `make_findings`."""
    usual = make_findings()
    assert usual.aligned is not None
    assert usual.diarized is not None
    values: dict[str, Any] = {
        "aligned": usual.aligned.model_copy(update={"words": words_ref(list(words)), "word_count": len(words)}),
        "diarized": usual.diarized.model_copy(update={"turns": list(turns), "exclusive": list(turns)}),
        "speakers": [Speaker(label=label, name=name, named_by="cast") for label, name in names.items()],
        "settings": {"publish": {"report": False}},
        "summarized": None,
        "clipped": None,
    }
    folder, _ = place_bundle(compose_bundle(make_findings(**{**values, **changes})), out)
    return read_bundle(folder)
