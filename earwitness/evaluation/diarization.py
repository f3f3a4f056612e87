"""Diarization error rate: the one function behind `earwitness eval`, the bench and the figures that we publish.

Computed by pyannote.metrics (Bredin 2017, https://www.isca-archive.org/interspeech_2017/bredin17_interspeech.html).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from earwitness.evaluation.scores import DiarizationScore, SpeakerTime
from earwitness.spans import Span
from earwitness.speech.turns import Turn


def whole_file(duration_ms: int, reference: Iterable[Turn] = ()) -> list[Span]:
    """All of a recording, and of a reference that runs on beyond its end."""
    end_ms = max([duration_ms, *(turn.end_ms for turn in reference)])
    return [(0, end_ms)] if end_ms else []


def diarization_score(
    reference: Sequence[Turn], found: Sequence[Turn], scored: Iterable[Span], collar_ms: int = 0
) -> DiarizationScore:
    """Compare turns. Overlap is scored; a speaker's own turns that overlap count once.

    Args:
        reference: as people heard it.
        found: as diarized; names need not be those of the reference.
        scored: stretches that count; nothing outside them does.
        collar_ms: left out on either side of each boundary of the reference (NIST's 250 is 250).
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    uem = Timeline([Segment(start / 1000, end / 1000) for start, end in scored]).support()
    theirs, ours = _annotation(reference), _annotation(found)
    # pyannote's collar is the whole width around a boundary
    metric = DiarizationErrorRate(collar=2 * collar_ms / 1000, skip_overlap=False)
    parts = metric(theirs, ours, uem=uem, detailed=True)
    mapping: dict[str, str] = metric.optimal_mapping(theirs, ours, uem=uem)
    missed, false_alarm, confusion = (float(parts[key]) for key in ("missed detection", "false alarm", "confusion"))
    total = float(parts["total"])
    times, times_found = dict(theirs.crop(uem).chart()), dict(ours.crop(uem).chart())
    return DiarizationScore(
        error_rate=round((missed + false_alarm + confusion) / total, 6) if total > 0 else None,
        missed_s=round(missed, 3),
        false_alarm_s=round(false_alarm, 3),
        confusion_s=round(confusion, 3),
        speech_s=round(total, 3),
        collar_s=collar_ms / 1000,
        speakers_reference=len(times),
        speakers_found=len(times_found),
        speaker_count_error=len(times_found) - len(times),
        speakers=_speakers(times, times_found, mapping),
    )


def _annotation(turns: Iterable[Turn]) -> Any:
    from pyannote.core import Annotation, Segment

    made = Annotation()
    for number, turn in enumerate(turns):
        made[Segment(turn.start_ms / 1000, turn.end_ms / 1000), number] = turn.speaker
    # pyannote counts a speaker twice whose own turns overlap
    return made.support()


def _speakers(times: dict[str, float], found: dict[str, float], mapping: dict[str, str]) -> list[SpeakerTime]:
    """By time spoken in the reference; then those found beyond it."""
    of = {name: label for label, name in mapping.items()}
    rows = [
        SpeakerTime(
            reference=name,
            found=of.get(name),
            reference_s=round(float(times[name]), 3),
            found_s=round(float(found.get(of.get(name, ""), 0.0)), 3),
        )
        for name in sorted(times, key=lambda name: (-times[name], name))
    ]
    extra = sorted((label for label in found if label not in mapping), key=lambda label: (-found[label], label))
    return rows + [
        SpeakerTime(reference=None, found=label, reference_s=0.0, found_s=round(float(found[label]), 3))
        for label in extra
    ]
