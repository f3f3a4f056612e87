"""What a recogniser gives back."""

from typing import NamedTuple

from earwitness.speech.languages import LanguageSample
from earwitness.speech.segments import Segment, SkippedSpan


class Heard(NamedTuple):
    """Of one recording, in order."""

    segments: list[Segment]
    skipped: list[SkippedSpan]
    """Speech in which no words were recognised."""
    language: str
    """ISO 639-1; "und" when unknown."""
    samples: list[LanguageSample]
    """What the language was decided by; none where it was given."""
    warnings: list[str]
