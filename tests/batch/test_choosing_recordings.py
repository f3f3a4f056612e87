"""Which recordings a batch consists of."""

import os
from datetime import date, datetime
from pathlib import Path

import pytest

from earwitness.archive.place import MANIFEST
from earwitness.audio.find import recordings_in
from earwitness.batch.choose import BatchOptions, choose, read_batch
from earwitness.batch.finished import finished, note_finished
from earwitness.errors import UsageError
from earwitness.options import Profile, RunOptions
from earwitness.result import Outcome, RunResult


def put(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return [folder / name for name in names]


def names(*args: object, **batch: object) -> list[str]:
    paths = [path for path in args if isinstance(path, Path)]
    return [item.path.name for item in choose(paths, RunOptions(), BatchOptions.model_validate(batch))]


def test_a_csv_gives_each_recording_its_own_options_and_order(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.wav", "sub/c.mp3", "people.yaml")
    manifest = tmp_path / "list.csv"
    manifest.write_text(
        "path,profile,speakers,clip.count,cast,priority\n"
        "a.wav,,,,,\n"
        "b.wav,podcast,2,3,people.yaml,\n"
        "sub,archive,,0,,5\n"
        "gone.wav,opera,,,,1\n"
    )
    options = RunOptions(profile=Profile.WORKPLACE, speakers=4)
    items = choose([], options, BatchOptions(manifest=manifest))
    assert [item.path.name for item in items] == ["c.mp3", "gone.wav", "a.wav", "b.wav"]
    c, gone, a, b = items
    assert (a.options.profile, a.options.speakers) == (Profile.WORKPLACE, 4)
    assert (b.options.profile, b.options.speakers, b.options.clip.count) == (Profile.PODCAST, 2, 3)
    assert b.options.cast == tmp_path / "people.yaml"
    assert (c.options.profile, c.options.clip.count) == (Profile.ARCHIVE, 0)
    assert gone.refused is not None
    assert "opera" in str(gone.refused)
    assert [item.refused for item in (a, b, c)] == [None, None, None]


def test_a_toml_manifest_says_the_same(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.wav")
    manifest = tmp_path / "list.toml"
    manifest.write_text(
        '[[recording]]\npath = "a.wav"\nclip = {count = 1}\n[[recording]]\npath = "b.wav"\npriority = 2\n'
    )
    items = choose([tmp_path], RunOptions(), BatchOptions(manifest=manifest))
    assert [(item.path.name, item.options.clip.count) for item in items] == [("b.wav", None), ("a.wav", 1)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "file\nx.wav\n", "has no path"),
        ("a.toml", "[[recording]]\nprofile = 'podcast'\n", "has no path"),
        ("a.toml", "recording = 3\n", "not a list"),
        ("a.toml", "[[recording]\n", "can't be read"),
        ("a.csv", None, "can't be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_as_a_whole(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        choose([], RunOptions(), BatchOptions(manifest=tmp_path / name))


def test_days_are_inclusive_and_what_is_missing_stays(tmp_path: Path) -> None:
    for day, path in enumerate(put(tmp_path, "1.wav", "2.wav", "3.wav", "4.wav"), 1):
        at = datetime(2026, 3, day, 12).timestamp()
        os.utime(path, (at, at))
    assert names(tmp_path, since=date(2026, 3, 2), until="2026-03-03") == ["2.wav", "3.wav"]
    assert names(tmp_path, since=date(2026, 3, 4)) == ["4.wav"]
    assert names(tmp_path / "gone.wav", since=date(2026, 3, 4)) == ["gone.wav"]


def test_what_was_finished_with_these_options_is_known_until_its_bundle_goes(tmp_path: Path) -> None:
    (recording,) = put(tmp_path, "a.wav")
    bundle = tmp_path / "out" / "a"
    put(bundle, MANIFEST)
    options = RunOptions(profile=Profile.ARCHIVE, out=tmp_path / "out")
    done = RunResult(outcome=Outcome.DONE, source="a.wav", bundle=bundle, profile="archive", seconds=9, cost_usd=1)
    assert finished(recording, options) is None
    note_finished(recording, options, done.model_copy(update={"outcome": Outcome.PARTIAL}))
    assert finished(recording, options) is None
    note_finished(recording, options, done)
    known = finished(recording, options)
    assert known is not None
    assert (known.outcome, known.bundle, known.seconds, known.cost_usd) == (Outcome.SKIPPED, bundle, 0, 0)
    assert finished(recording, options.model_copy(update={"speakers": 2})) is None
    recording.write_text("other content")
    assert finished(recording, options) is None
    recording.write_text("a.wav")
    (bundle / MANIFEST).unlink()
    assert finished(recording, options) is None


def test_sessions_of_a_folder_come_by_their_numbers(tmp_path: Path) -> None:
    for name in ("session 10.wav", "session 2.wav", "session 1.wav", "2.wav", "intro.wav"):
        (tmp_path / name).write_bytes(b"RIFF")
    found = [path.name for path in recordings_in(tmp_path)]
    assert found == ["2.wav", "intro.wav", "session 1.wav", "session 2.wav", "session 10.wav"]


def test_who_does_the_work_is_said_in_one_of_three_ways() -> None:
    for workers in ("here", "dask", "dask:2", "tcp://10.0.0.1:8786", "tls://dask.example:8786"):
        assert read_batch({"workers": workers}).workers == workers
    for workers in ("there", "dask:0", "10.0.0.1:8786", "tcp://10.0.0.1"):
        with pytest.raises(UsageError, match=r"batch.workers = .*: use here, dask, dask:N or the address"):
            read_batch({"workers": workers})
    with pytest.raises(UsageError, match=r"batch.resources = .*: amounts must be above 0"):
        read_batch({"resources": {"GPU": 0}})
    with pytest.raises(UsageError, match=r"unknown option batch\.worker; known there: at_once, manifest"):
        read_batch({"worker": "dask"})
