"""Clustering and time lines, on voices made up from directions in space."""

import numpy as np
import pytest

from earwitness.speech.clustering import Rules, Shared, Voices, build_tree, choose_groups, shared_evidence
from earwitness.speech.reconstruction import frame_ms, one_at_a_time, runs, speaking
from earwitness.speech.segmentation import (
    FRAME_SAMPLES,
    FRAMES,
    HOP_FRAMES,
    LOCAL_VOICES,
    window_count,
    with_hysteresis,
)
from earwitness.speech.voice_encoder import unit

NO_EVIDENCE = Shared({}, {})


def _voices(persons: list[int], seed: int = 0, noise: float = 0.4) -> Voices:
    rng = np.random.default_rng(seed)
    centres = np.eye(16)[: max(persons) + 1]
    vectors = unit((centres[persons] + noise * rng.normal(0, 0.25, (len(persons), 16))).astype(np.float32))
    heard = np.full(len(persons), 4.0, np.float32)
    return Voices(np.arange(len(persons)), np.zeros(len(persons), int), vectors, heard, heard * np.float32(0.2))


@pytest.mark.parametrize("persons", [1, 2, 5])
def test_well_separated_voices_are_counted(persons: int) -> None:
    who = [number % persons for number in range(40)]
    voices = _voices(who)
    labels, count = choose_groups(build_tree(voices, NO_EVIDENCE, Rules()), voices, Rules(), 1, 50)
    assert count == persons
    assert labels.tolist() == who


@pytest.mark.parametrize(("least", "most"), [(1, 1), (2, 2), (3, 3), (6, 6), (40, 40)])
def test_bounds_hold_whatever_the_voices_say(least: int, most: int) -> None:
    voices = _voices([number % 3 for number in range(40)])
    labels, count = choose_groups(build_tree(voices, NO_EVIDENCE, Rules()), voices, Rules(), least, most)
    assert count == least
    assert set(labels[labels >= 0].tolist()) == set(range(count))


def test_thousands_of_voices_are_grouped_block_by_block() -> None:
    """As many as four hours give: the block-wise start must not change who is who."""
    who = np.random.default_rng(1).integers(0, 6, 9_000)
    who = np.unique(who, return_inverse=True)[1]
    voices = _voices(who.tolist())
    labels, count = choose_groups(build_tree(voices, NO_EVIDENCE, Rules()), voices, Rules(), 1, 50)
    assert count == 6
    pairs = {(int(one), int(other)) for one, other in zip(who, labels, strict=True) if other >= 0}
    assert len(pairs) == 6
    assert (labels < 0).mean() < 0.01


def test_voices_that_speak_at_other_moments_of_shared_sound_stay_apart() -> None:
    """Two people who sound alike take turns, and every window hears both."""
    windows = 4  # all share some sound
    flags = np.zeros((windows, FRAMES, LOCAL_VOICES), bool)
    first = np.arange(windows * HOP_FRAMES + FRAMES) // 70 % 2 == 0
    for window in range(windows):
        heard = first[window * HOP_FRAMES : window * HOP_FRAMES + FRAMES]
        flags[window, :, 0], flags[window, :, 1] = heard, ~heard
    voices = _voices([0] * (2 * windows), noise=0.2)
    both = Voices(
        np.repeat(np.arange(windows), 2), np.tile([0, 1], windows), voices.vectors, voices.heard_s, voices.seconds
    )
    shared, deaf = shared_evidence(flags), Rules(conflict=0.0)
    assert choose_groups(build_tree(both, shared, deaf), both, deaf, 1, 50)[1] == 1
    labels, count = choose_groups(build_tree(both, shared, Rules()), both, Rules(), 1, 50)
    assert count == 2
    assert labels.tolist() == [0, 1] * windows


def test_agreement_follows_a_voice_from_window_to_window() -> None:
    line = np.zeros((10 * HOP_FRAMES + FRAMES, 1), bool)
    line[100:400] = True
    line[600:800] = True
    flags = np.zeros((10, FRAMES, LOCAL_VOICES), bool)
    for window in range(10):
        flags[window, :, window % 2] = line[window * HOP_FRAMES : window * HOP_FRAMES + FRAMES, 0]
    shared = shared_evidence(flags)
    assert shared.evidence[1][1, 1, 0] == pytest.approx(1.0)
    assert shared.evidence[1][1, 0, 0] == 0.0
    assert shared.weight[1][1, 0, 0] == 0.0


def test_hysteresis_switches_on_high_and_off_low() -> None:
    wave = np.array([0.0, 0.45, 0.6, 0.45, 0.42, 0.3, 0.45, 0.0])[:, None]
    assert with_hysteresis(wave, 0.5, 0.4)[:, 0].tolist() == [False, False, True, True, True, False, False, False]


def test_a_pause_is_closed_unless_somebody_else_speaks_in_it() -> None:
    scores = np.zeros((200, 2), np.float32)
    scores[20:60, 0] = scores[80:120, 0] = scores[150:190, 0] = 0.9
    scores[125:145, 1] = 0.9
    flags = speaking(scores, (0.5, 0.4), (0.35, 0.25), min_gap_ms=800, min_turn_ms=100)
    assert runs(flags[:, 0]) == [(20, 120), (150, 190)]
    assert runs(flags[:, 1]) == [(125, 145)]


def test_quiet_speech_is_a_turn_of_the_likeliest_person_where_nobody_else_speaks() -> None:
    scores = np.zeros((300, 2), np.float32)
    scores[20:60] = 0.38, 0.36
    scores[120:160] = 0.9, 0.38
    scores[220:260] = 0.3, 0.2
    flags = speaking(scores, (0.5, 0.4), (0.35, 0.25), min_gap_ms=0, min_turn_ms=100)
    assert runs(flags[:, 0]) == [(20, 60), (120, 160)]
    assert not flags[:, 1].any()


def test_turns_are_padded_with_silence_only() -> None:
    scores = np.zeros((100, 2), np.float32)
    scores[1:50, 0] = scores[51:90, 1] = 0.9
    scores[50] = 0.1, 0.2
    flags = speaking(scores, (0.5, 0.4), (0.35, 0.25), min_gap_ms=0, min_turn_ms=100, pad_ms=30)
    assert runs(flags[:, 0]) == [(0, 50)]
    assert runs(flags[:, 1]) == [(50, 92)]


def test_of_two_at_once_the_more_likely_is_kept() -> None:
    flags = np.ones((100, 2), bool)
    flags[60:, 0] = False
    scores = np.tile(np.array([[0.9, 0.6]], np.float32), (100, 1))
    alone = one_at_a_time(flags, scores, min_turn_ms=100)
    assert alone.sum(axis=1).max() == 1
    assert runs(alone[:, 0]) == [(0, 60)]
    assert runs(alone[:, 1]) == [(60, 100)]


def test_windows_reach_the_end_of_the_recording() -> None:
    hop = HOP_FRAMES * FRAME_SAMPLES
    ends = (0, 1, 80_000, 80_001, 80_000 + hop, 80_001 + hop)
    assert [window_count(samples) for samples in ends] == [0, 1, 1, 2, 2, 3]
    assert frame_ms(1) - frame_ms(0) in {16, 17}
