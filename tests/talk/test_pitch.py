"""The pitch tracker on sounds whose pitch is known."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.talk.pitch import HOP, SPAN, frame_count, steady, track_pitch

RATE = 16_000
Sound = npt.NDArray[np.float32]


def harmonics(hz: float, numbers: range, seconds: float = 1.0, slope: float = 1.0) -> Sound:
    """A stack of harmonics; the n-th has the level 1/n^slope and a phase of its own."""
    time = np.arange(round(seconds * RATE)) / RATE
    total = sum(np.sin(2 * np.pi * hz * n * time + n * n) / n**slope for n in numbers if hz * n < RATE / 2)
    return (0.1 * np.asarray(total)).astype(np.float32)


def noise(seconds: float, level: float, seed: int = 7) -> Sound:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def cents(found: npt.NDArray[np.float32], hz: float) -> npt.NDArray[np.float64]:
    off: npt.NDArray[np.float64] = np.abs(1200 * np.log2(found.astype(np.float64) / hz))
    return off


@settings(max_examples=40)
@given(hz=st.floats(70, 480), loud=st.floats(0.02, 1.0))
def test_a_pure_tone_is_heard_to_a_twentieth_of_a_semitone_however_loud(hz: float, loud: float) -> None:
    found = track_pitch((loud * harmonics(hz, range(1, 2))).astype(np.float32)).pitch_hz
    assert not np.isnan(found).any()
    assert cents(found, hz).max() < 5


@settings(max_examples=30)
@given(hz=st.floats(70, 450), slope=st.floats(0.0, 2.0))
def test_a_stack_of_harmonics_has_the_pitch_of_its_fundamental(hz: float, slope: float) -> None:
    found = track_pitch(harmonics(hz, range(1, 12), slope=slope)).pitch_hz
    heard = found[~np.isnan(found)]
    assert len(heard) >= 0.9 * len(found)
    assert np.median(cents(heard, hz)) < 10


@pytest.mark.parametrize("hz", [80, 110, 170, 240])
def test_a_missing_fundamental_is_heard_all_the_same(hz: int) -> None:
    """As over the telephone, which passes nothing below 300 Hz."""
    first = 300 // hz + 1
    found = track_pitch(harmonics(hz, range(first, first + 8), slope=0.5)).pitch_hz
    heard = found[~np.isnan(found)]
    assert len(heard) >= 0.8 * len(found)
    assert cents(heard, hz).max() < 20


@pytest.mark.parametrize("hz", [90, 130, 220])
def test_a_strong_second_harmonic_does_not_lift_the_pitch_by_an_octave(hz: int) -> None:
    trap = harmonics(hz, range(1, 8)) + 3 * harmonics(2 * hz, range(1, 2))
    found = track_pitch(trap).pitch_hz
    heard = found[~np.isnan(found)]
    assert len(heard) >= 0.8 * len(found)
    assert cents(heard, hz).max() < 50


@pytest.mark.parametrize("hz", [130, 200, 330])
def test_a_faint_subharmonic_does_not_drop_the_pitch_by_an_octave(hz: int) -> None:
    trap = harmonics(hz, range(1, 8)) + 0.05 * harmonics(hz / 2, range(1, 2))
    found = track_pitch(trap.astype(np.float32)).pitch_hz
    assert np.nanmax(cents(found, hz)) < 50


@pytest.mark.parametrize("hz", [640, 1_000, 1_700])
def test_a_tone_above_the_range_is_no_voice_an_octave_or_more_below(hz: int) -> None:
    assert np.isnan(track_pitch(harmonics(hz, range(1, 2))).pitch_hz).all()


def test_a_voice_in_noise_ten_decibels_below_keeps_its_pitch() -> None:
    voice = harmonics(150, range(1, 10))
    hiss = noise(1.0, float(np.sqrt(np.mean(voice**2))) / 10**0.5)
    found = track_pitch(voice + hiss).pitch_hz
    heard = found[~np.isnan(found)]
    assert len(heard) >= 0.3 * len(found)
    assert np.median(cents(heard, 150)) < 20


def test_noise_and_silence_are_no_voice() -> None:
    for sound in (noise(3, 0.1), np.zeros(3 * RATE, np.float32), np.full(3 * RATE, 0.2, np.float32)):
        pitch, level = track_pitch(sound)
        who = np.zeros(len(pitch), np.int16)
        assert steady(pitch, who).mean() < 0.02
        assert len(level) == frame_count(len(sound))


def test_a_glide_is_followed() -> None:
    time = np.arange(2 * RATE) / RATE
    hz = 120 * 2 ** (time / 2)  # an octave in two seconds
    sound = (0.2 * np.sin(2 * np.pi * np.cumsum(hz) / RATE)).astype(np.float32)
    found = track_pitch(sound).pitch_hz
    expected = hz[np.arange(len(found)) * HOP + SPAN // 2]
    assert np.max(np.abs(12 * np.log2(found / expected))) < 0.5
    assert steady(found, np.zeros(len(found), np.int16)).all()


def test_levels_are_those_of_the_samples() -> None:
    quiet, loud = track_pitch(0.1 * harmonics(200, range(1, 2))), track_pitch(harmonics(200, range(1, 2)))
    assert loud.level_dbfs == pytest.approx(20 * np.log10(0.1 / np.sqrt(2)), abs=0.3)
    assert loud.level_dbfs - quiet.level_dbfs == pytest.approx(20, abs=0.01)
    assert track_pitch(np.zeros(RATE, np.float32)).level_dbfs[0] == -np.inf


def test_only_wanted_frames_are_computed_and_they_are_the_same() -> None:
    sound = harmonics(180, range(1, 6)) + noise(1.0, 0.01)
    everything = track_pitch(sound)
    wanted = np.arange(len(everything.pitch_hz)) % 3 == 0
    some = track_pitch(sound, wanted)
    assert np.array_equal(some.pitch_hz[wanted], everything.pitch_hz[wanted], equal_nan=True)
    assert np.isnan(some.pitch_hz[~wanted]).all()


@given(samples=st.integers(0, 5_000))
def test_every_frame_lies_inside_the_sound(samples: int) -> None:
    pitch, level = track_pitch(np.zeros(samples, np.float32))
    assert len(pitch) == len(level) == frame_count(samples)
    assert len(pitch) == 0 or (len(pitch) - 1) * HOP + SPAN <= samples
    assert len(pitch) * HOP + SPAN > samples


def test_jumps_and_sparks_are_not_steady() -> None:
    gap = np.nan
    pitch = np.array([100, 102, 104, 210, gap, 150, gap, 120, 121, gap, 90, 91, 92, 93], np.float32)
    who = np.array([0] * 12 + [1] * 2, np.int16)
    kept = steady(pitch, who)
    assert list(np.flatnonzero(kept)) == [0, 1, 2]
    assert not steady(pitch, np.full(14, -1, np.int16)).any()
    assert len(steady(np.zeros(0, np.float32), np.zeros(0, np.int16))) == 0
