"""Recognition with PocketSphinx, for when nothing better is here: needs no network, and is often wrong."""

from collections.abc import Sequence
from pathlib import Path

from earwitness.audio.pcm import read_speech
from earwitness.engines.sphinx import Sphinx
from earwitness.progress import Progress, no_progress
from earwitness.speech.segments import RoughWord, Segment, SkippedSpan
from earwitness.speech.windows import listening_windows

WINDOW_MS = 15_000
UNRELIABLE = (
    "The words were recognised by the bundled recogniser, which gets many of them wrong. "
    "Give a transcript, or make a Whisper model available, for text that can be relied on."
)


def recognise(
    speech: Path, spans: Sequence[tuple[int, int]], progress: Progress = no_progress
) -> tuple[list[Segment], list[SkippedSpan]]:
    """English words with times and confidences, utterance by utterance.

    Args:
        speech: 16 kHz mono file.
        spans: voice activity in ms.
        progress: told after every window.

    Returns:
        a segment a window of speech, and the windows in which no word was heard.
    """
    sphinx = Sphinx(listen=True)
    segments: list[Segment] = []
    skipped: list[SkippedSpan] = []
    windows = listening_windows(speech, spans, WINDOW_MS)
    for number, (start, end) in enumerate(windows, 1):
        heard = sphinx.recognise(read_speech(speech, start, end))
        progress(number / len(windows), f"recognising {number} of {len(windows)}")
        if not heard:
            skipped.append(SkippedSpan(start_ms=start, end_ms=end, reason="no words recognised in this speech"))
            continue
        words = [
            RoughWord(text=w.token, start_ms=start + w.start_ms, end_ms=min(end, start + w.end_ms), score=w.score)
            for w in heard
        ]
        segments.append(
            Segment(
                text=" ".join(word.text for word in words),
                start_ms=start,
                end_ms=end,
                confidence=round(sum(w.score for w in heard) / len(heard), 3),
                words=words,
            )
        )
    return segments, skipped
