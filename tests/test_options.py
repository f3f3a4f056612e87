"""Options: one model, readable errors, profiles that give way to the user."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.errors import UsageError
from earwitness.options import Profile, RunOptions, read_options
from earwitness.profiles import resolve
from earwitness.spans import parse_slice
from tests.options_page import PAGE, render


@pytest.mark.parametrize("profile", list(Profile))
def test_every_profile_settles_every_open_setting(profile: Profile) -> None:
    resolved = resolve(RunOptions(profile=profile))
    for stage in (resolved.summarize, resolved.clip):
        for name, field in type(stage).model_fields.items():
            if "as the profile says" in (field.description or ""):
                assert getattr(stage, name) is not None, f"{profile}: {name}"


def test_the_user_wins_over_the_profile() -> None:
    resolved = resolve(read_options({"profile": "podcast", "clip": {"count": 2}}))
    assert resolved.clip.count == 2
    assert resolved.clip.video is True


def test_an_empty_field_of_a_form_means_as_the_profile_says() -> None:
    assert resolve(read_options({"clip": {"count": None}})).clip.count == 3


def test_speaker_counts_reach_the_diarizer() -> None:
    assert resolve(read_options({"speakers": 4})).diarize.speakers == 4


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"profile": "opera"}, "'tabletop', 'podcast', 'archive' or 'workplace'"),
        ({"volume": 11}, "known there: align, budget, cast, clip"),
        ({"validate": {"x": 1}}, "known there: enhance_below"),
        ({"clip": {"min_s": 50, "max_s": 20}}, "must be less than"),
        ({"min_speakers": 5, "max_speakers": 2}, "is more than"),
        ({"clip": {"count": 99}}, "less than or equal to 20"),
    ],
)
def test_bad_options_say_what_is_allowed(values: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_options(values)
    assert expected in str(caught.value)


@given(start=st.integers(0, 10**7), length=st.integers(1, 10**7))
def test_slices_survive_being_written_as_clock_times(start: int, length: int) -> None:
    def clock(ms: int) -> str:
        return f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"

    assert parse_slice(f"{clock(start)}-{clock(start + length)}") == (start, start + length)


@pytest.mark.parametrize("text", ["", "5", "10-5", "5-5", "a-b", "1:2:3:4-5", "-5-10"])
def test_slices_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="slice"):
        parse_slice(text)


def test_the_options_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == render(), "run `make docs`"
