"""Formats with a line a word or an utterance: CTM, STM, TSV and Audacity's labels."""

import csv
import io
from collections.abc import Mapping, Sequence

from earwitness.archive.tables import rttm_names
from earwitness.export.harmless import display, one_line, one_token, unlike_nist_markup
from earwitness.words.transcript import Utterance, Word

TSV_COLUMNS = ("start", "end", "speaker", "word", "score", "utterance")
"""The first four are those of word-level references, so that an export can be one."""
_NOBODY = "unknown"
_RESERVED = {_NOBODY, "inter_segment_gap"}
"""Speakers' names that mean nobody in particular in STM."""


def ctm_text(words: Sequence[Word], recording_id: str) -> str:
    """NIST CTM: `recording 1 start duration word confidence`, by start; the format has no speakers.

    Source: https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
    """
    lines = []
    for word in sorted(words, key=lambda w: (w.start_ms, w.end_ms)):
        if text := unlike_nist_markup(one_token(word.text)):
            start, length = word.start_ms / 1000, max(0, word.end_ms - word.start_ms) / 1000
            lines.append(f"{recording_id} 1 {start:.3f} {length:.3f} {text} {word.score:.3f}\n")
    return "".join(lines)


def stm_text(utterances: Sequence[Utterance], names: Mapping[str, str], recording_id: str) -> str:
    """NIST STM: `recording 1 speaker start end words`, an utterance a line, by start; names lose their blanks.

    Source: https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
    """
    shown = _speaker_columns(utterances, names)
    lines = []
    for utterance in _by_start(utterances):
        if text := unlike_nist_markup(one_line(utterance.text)):
            speaker = shown[utterance.speaker] if utterance.speaker is not None else _NOBODY
            start, end = (utterance.start_ms or 0) / 1000, (utterance.end_ms or 0) / 1000
            lines.append(f"{recording_id} 1 {speaker} {start:.3f} {end:.3f} {text}\n")
    return "".join(lines)


def _speaker_columns(utterances: Sequence[Utterance], names: Mapping[str, str]) -> dict[str, str]:
    labels = {utterance.speaker for utterance in utterances if utterance.speaker is not None}
    shown = rttm_names(labels, {label: display(label, names) for label in labels})
    return {label: f"{name}_" if name.lower() in _RESERVED else name for label, name in shown.items()}


def tsv_text(words: Sequence[Word], names: Mapping[str, str]) -> str:
    """A row a word, with a header; seconds to the millisecond; the speaker is empty where nobody could be named."""
    out = io.StringIO()
    table = csv.writer(out, "excel-tab", lineterminator="\n")
    table.writerow(TSV_COLUMNS)
    for word in words:
        speaker = "" if word.speaker is None else display(word.speaker, names)
        times = f"{word.start_ms / 1000:.3f}", f"{word.end_ms / 1000:.3f}"
        table.writerow([*times, speaker, one_line(word.text), f"{word.score:.3f}", word.utterance])
    return out.getvalue()


def audacity_text(utterances: Sequence[Utterance], names: Mapping[str, str]) -> str:
    """A label track: `start<tab>end<tab>Name: text`, an utterance a label; labels may overlap.

    Source: https://manual.audacityteam.org/man/importing_and_exporting_labels.html
    """
    lines = []
    for utterance in _by_start(utterances):
        name = "" if utterance.speaker is None else display(utterance.speaker, names) + ": "
        start, end = (utterance.start_ms or 0) / 1000, (utterance.end_ms or 0) / 1000
        lines.append(f"{start:.6f}\t{end:.6f}\t{name}{one_line(utterance.text)}\n")
    return "".join(lines)


def _by_start(utterances: Sequence[Utterance]) -> list[Utterance]:
    return sorted(utterances, key=lambda u: (u.start_ms or 0, u.end_ms or 0, u.id))
