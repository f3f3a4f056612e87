"""ELAN's .eaf, written by pympi (https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf)."""

from collections.abc import Mapping, Sequence
from typing import Any

from earwitness.export.tiers import tiers_of
from earwitness.words.transcript import Utterance

_DATE = "1970-01-01T00:00:00+00:00"
"""The format requires a date; a real one would make the same transcript give other bytes each time."""
_MIME = {".m4a": "audio/mp4", ".flac": "audio/flac"}


def elan_text(utterances: Sequence[Utterance], names: Mapping[str, str], media: str | None) -> str:
    """A tier of utterances a speaker and below it a tier of words (`Name - words`, constraint Included_In).

    Args:
        utterances: with words.
        names: diarization label → display name; also the PARTICIPANT of the tiers.
        media: path of the sound from where the file will lie, e.g. `./listen.m4a`; None for no sound.
    """
    from pympi import Elan

    tiers = tiers_of(utterances, names)
    eaf = Elan.Eaf(author="Earwitness")
    eaf.adocument["DATE"] = _DATE
    eaf.remove_tier("default")
    eaf.remove_linguistic_type("default-lt")
    eaf.add_linguistic_type("utterance")
    eaf.add_linguistic_type("word", constraints="Included_In")
    if media is not None:
        # relative in both places: an absolute path would tell where the bundle lies, and be wrong elsewhere
        eaf.add_linked_file(media, relpath=media, mimetype=_MIME.get(media[media.rfind(".") :], "unknown"))
    for tier in tiers:
        eaf.add_tier(tier.name, ling="utterance", part=tier.speaker)
        eaf.add_tier(tier.words_name, ling="word", parent=tier.name, part=tier.speaker)
        for name, spans in ((tier.name, tier.utterances), (tier.words_name, tier.words)):
            for span in spans:
                eaf.add_annotation(name, span.start_ms, span.end_ms, span.text)
    _order_time_slots(eaf)
    text: str = Elan.to_string(eaf)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _order_time_slots(eaf: Any) -> None:
    """TIME_ORDER lists slots by time; pympi numbers them in the order in which annotations came."""
    ordered = sorted(eaf.timeslots.items(), key=lambda item: (item[1], int(item[0].removeprefix("ts"))))
    renamed = {old: f"ts{number}" for number, (old, _) in enumerate(ordered, start=1)}
    eaf.timeslots = {renamed[old]: time for old, time in ordered}
    for aligned, *_ in eaf.tiers.values():
        for key, (start, end, value, svg) in aligned.items():
            aligned[key] = (renamed[start], renamed[end], value, svg)
