"""How stages tell how far they are, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """Receives the share of a stage that is done."""

    def __call__(self, share: float, note: str = "") -> None:
        """Report progress.

        Args:
            share: 0 to 1, never less than before.
            note: what is being done, for people ("embedding 120 of 300 windows").
        """


def no_progress(share: float, note: str = "") -> None:
    """The default listener: nobody."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """Map a sub-step's 0..1 onto `start..end` of the whole."""

    def report(share: float, note: str = "") -> None:
        progress(start + (end - start) * min(1.0, max(0.0, share)), note)

    return report


def naming(who: str, progress: Progress) -> Progress:
    """Progress whose notes begin with what is at work, where it is one of several."""

    def report(share: float, note: str = "") -> None:
        progress(share, f"{who}: {note}" if note else who)

    return report
