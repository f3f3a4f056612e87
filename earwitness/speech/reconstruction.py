"""From named local voices of overlapping windows back to one time line of turns."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.speech.segmentation import (
    FIRST_FRAME_CENTRE,
    FRAME_SAMPLES,
    FRAMES,
    HOP_FRAMES,
    Activity,
    Flags,
    with_hysteresis,
)
from earwitness.speech.turns import Turn

Integers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


def person_scores(activity: Activity, named: Integers, persons: int) -> Scores:
    """Average what all windows say about each moment.

    Args:
        activity: shape (windows, FRAMES, LOCAL_VOICES).
        named: person of each local voice, shape (windows, LOCAL_VOICES), -1 for none.
        persons: how many there are.

    Returns:
        probability that a person speaks, shape (frames of the recording, persons).
    """
    windows = len(activity)
    total = np.zeros(((windows - 1) * HOP_FRAMES + FRAMES, persons), np.float32)
    cover = np.zeros((len(total), 1), np.float32)
    for window in range(windows):
        span = slice(window * HOP_FRAMES, window * HOP_FRAMES + FRAMES)
        cover[span] += 1
        for local in np.flatnonzero(named[window] >= 0):
            total[span, named[window, local]] += activity[window, :, local].astype(np.float32)
    return total / cover


def speaking(
    scores: Scores,
    usual: tuple[float, float],
    quiet: tuple[float, float],
    *,
    min_gap_ms: int,
    min_turn_ms: int,
    pad_ms: int = 0,
) -> Flags:
    """Decide who speaks when.

    Pauses up to `min_gap_ms` in which nobody else speaks are closed, then bursts under `min_turn_ms` are dropped, then
    turns grow by `pad_ms` at both ends where nobody speaks.

    Args:
        scores: as `person_scores`.
        usual: onset and offset.
        quiet: the same where nobody speaks by the usual ones; the likeliest person alone may.
        min_gap_ms: of a pause within a turn.
        min_turn_ms: of a turn.
        pad_ms: of silence that belongs to a turn.
    """
    flags = with_hysteresis(scores, *usual)
    if not flags.size:
        return flags
    _fill_silence(flags, scores, with_hysteresis(scores, *quiet))
    anybody = np.logical_or.reduce(flags, axis=1)
    for person in range(flags.shape[1]):
        for start, end in runs(~flags[:, person]):
            short = start and end < len(flags) and _frames_ms(end - start) <= min_gap_ms
            if short and not anybody[start:end].any():
                flags[start:end, person] = True
        for start, end in runs(flags[:, person]):
            if _frames_ms(end - start) < min_turn_ms:
                flags[start:end, person] = False
    grown = flags.copy()
    for person in range(flags.shape[1]):
        for start, end in runs(flags[:, person]):
            grown[max(0, start - _frames(pad_ms)) : end + _frames(pad_ms), person] = True
    _fill_silence(flags, scores, grown)
    return flags


def _fill_silence(flags: Flags, scores: Scores, candidates: Flags) -> None:
    """Where nobody speaks, let the likeliest of the candidates."""
    likeliest = np.where(candidates, scores, -1.0).argmax(axis=1)[:, None] == np.arange(scores.shape[1])
    flags |= candidates & likeliest & ~np.logical_or.reduce(flags, axis=1, keepdims=True)


def one_at_a_time(flags: Flags, scores: Scores, min_turn_ms: int) -> Flags:
    """Of several who speak at once keep the most likely; bursts under `min_turn_ms` go to a neighbouring turn."""
    if not flags.shape[1]:
        return flags.copy()
    winner = np.where(flags.any(axis=1), np.where(flags, scores, -1.0).argmax(axis=1), -1)
    for start, end in _same(winner):
        before = winner[start - 1] if start else -1
        after = winner[end] if end < len(winner) else -1
        if winner[start] >= 0 and _frames_ms(end - start) < min_turn_ms:
            for other in (before, after):  # only somebody who is heard there at all
                if other >= 0 and flags[start:end, other].all():
                    winner[start:end] = other
                    break
    alone: Flags = winner[:, None] == np.arange(flags.shape[1])
    return alone


def turns_of(flags: Flags, duration_ms: int, labels: Iterable[str]) -> list[Turn]:
    """Runs of frames as turns, by start, end and speaker."""
    turns = []
    for person, label in enumerate(labels):
        for start, end in runs(flags[:, person]):
            start_ms, end_ms = max(0, frame_ms(start)), min(duration_ms, frame_ms(end))
            if end_ms > start_ms:
                turns.append(Turn(start_ms=start_ms, end_ms=end_ms, speaker=label))
    return sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms, turn.speaker))


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, end) of every run of True."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def frame_ms(frame: int) -> int:
    """Where a frame begins: half a step before its centre."""
    return (FIRST_FRAME_CENTRE - FRAME_SAMPLES // 2 + frame * FRAME_SAMPLES) * 1000 // SPEECH_RATE_HZ


def _frames_ms(frames: int) -> float:
    return frames * FRAME_SAMPLES * 1000 / SPEECH_RATE_HZ


def _frames(duration_ms: int) -> int:
    return round(duration_ms * SPEECH_RATE_HZ / 1000 / FRAME_SAMPLES)


def _same(values: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(values)) + 1
    bounds = [0, *edges.tolist(), len(values)]
    return list(pairwise(bounds))
