"""Clips of a recording that is gone: finished ones are kept, others show a waveform, and that is not remembered."""

from pathlib import Path

import pytest
from prefect import flow

from earwitness.clips.film import FilmSource, open_film
from earwitness.options import RunOptions
from earwitness.schema import StageResult
from tasks.checkpoints import content_of
from tasks.run import Run
from tasks.stage import stage

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("prefect_server")]


class Drawn(StageResult):
    """What stands for clips."""

    of: str


@stage("clip", version="test", optional=("film",))
def draw(said: str, film: FilmSource | None = None) -> Drawn:
    if film is None:
        return Drawn(of="waveform")
    open_film(film)
    return Drawn(of="picture")


def film_at(path: Path) -> FilmSource:
    return FilmSource(path=path, sha256="0" * 64, slice_ms=None, audio_track=0)


def run_draw(path: Path, said: str) -> tuple[str, str, list[str]]:
    """What was drawn, where it came from, and what the user is told."""

    @flow(name="drawing")
    def drawing() -> tuple[str, str, list[str]]:
        with Run(path, RunOptions()) as run:
            made = run.hope(run.start(draw, said=said, film=film_at(path)))
            assert made is not None
            assert run.missing == []
            return made.of, run.stages["clip"].state, run.warnings
        raise AssertionError("the run ended early")

    return drawing()


def test_only_what_has_to_be_made_anew_loses_its_picture(tmp_path: Path, phone_call: Path) -> None:
    recording = tmp_path / "call.wav"
    recording.write_bytes(phone_call.read_bytes())
    assert run_draw(recording, "hello") == ("picture", "computed", [])
    recording.rename(tmp_path / "elsewhere.wav")
    assert run_draw(recording, "hello") == ("picture", "cached", [])
    of, state, told = run_draw(recording, "goodbye")
    assert (of, state) == ("waveform", "computed")
    assert "not where it was" in told[0]
    assert "--recording" in told[0]
    (tmp_path / "elsewhere.wav").rename(recording)
    assert run_draw(recording, "goodbye") == ("picture", "computed", [])


def test_where_the_recording_lies_has_no_say() -> None:
    assert content_of(film_at(Path("a.mp4"))) == content_of(film_at(Path("b/c.mp4")))
