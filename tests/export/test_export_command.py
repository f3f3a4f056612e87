"""`earwitness export` on a bundle as it is published."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from earwitness.archive.findings import Missing
from earwitness.archive.reading import Bundle
from earwitness.cli import main
from earwitness.errors import UsageError
from earwitness.export.formats import FORMATS, exported, write_export
from tests.archive.factory import PEOPLE, timed_words, turns
from tests.bundles import placed_bundle

NAMES = {f"SPEAKER_{number:02d}": name for number, name in enumerate(PEOPLE)}
FAILED = Missing(stage="transcribe", code="engine-failed", message="No recogniser could run here.")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARWITNESS_HOME", str(tmp_path_factory.mktemp("home")))
        return placed_bundle(tmp_path_factory.mktemp("out"), timed_words(), turns(), NAMES)


def partial(out: Path, **changes: object) -> Bundle:
    return placed_bundle(out, timed_words(), turns(), NAMES, missing=[FAILED], **changes)


def run(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str | Path) -> tuple[int, bytes, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capfdbinary.readouterr()
    code = ended.value.code
    return code if isinstance(code, int) else 0, out, err.decode()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_written_and_is_the_same_each_time(bundle: Bundle, name: str, tmp_path: Path) -> None:
    first = exported(bundle, name)
    assert first
    assert exported(bundle, name) == first
    assert first.decode("utf-8")
    write_export(bundle, name, tmp_path / "file")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"], "nothing half-written beside it"


def test_the_bundles_own_files_are_handed_over_as_they_are(bundle: Bundle) -> None:
    for name, form in FORMATS.items():
        if form.file:
            assert exported(bundle, name) == (bundle.folder / form.file).read_bytes()


def test_stdout_is_the_file_and_nothing_else(bundle: Bundle, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, err = run(capfdbinary, "export", bundle.folder, "--to", "stm")
    assert (code, err) == (0, "")
    assert out == exported(bundle, "stm")
    first = out.decode().splitlines()[0].split(" ")
    assert first[:4] == [bundle.recording.recording_id, "1", "Marisol_Vega", "1.200"]


def test_elans_link_to_the_sound_follows_the_place_of_the_file(bundle: Bundle, tmp_path: Path) -> None:
    assert b'MEDIA_URL="./listen.m4a"' in exported(bundle, "eaf")
    out = bundle.folder.parent / "talk.eaf"
    write_export(bundle, "eaf", out)
    assert f'RELATIVE_MEDIA_URL="./{bundle.folder.name}/listen.m4a"'.encode() in out.read_bytes()
    assert str(bundle.folder.parent.parent).encode() not in out.read_bytes(), "no absolute path"


def test_an_unknown_format_exits_with_2_and_lists_the_known(
    bundle: Bundle, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, out, err = run(capfdbinary, "export", bundle.folder, "--to", "docx")
    assert (code, out) == (2, b"")
    assert all(name in err for name in FORMATS)


def test_help_lists_the_formats(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, out, _ = run(capfdbinary, "export", "--help")
    assert code == 0
    assert all(f"  {name} " in out.decode() for name in FORMATS)


def test_a_bundle_without_words_says_why_and_what_it_has(tmp_path: Path) -> None:
    bundle = partial(tmp_path, aligned=None, transcribed=None)
    with pytest.raises(UsageError) as caught:
        exported(bundle, "textgrid")
    assert "has no words: transcribe failed: No recogniser could run here." in caught.value.message
    assert caught.value.remedy == "It has: rttm."
    assert exported(bundle, "rttm").startswith(b"SPEAKER ")
    with pytest.raises(UsageError, match=r"has no transcript\.srt: transcribe failed"):
        exported(bundle, "srt")


def test_a_bundle_without_speakers_still_has_its_words(tmp_path: Path) -> None:
    lone = [replace(word, speaker=None) for word in timed_words()]
    bundle = placed_bundle(tmp_path, lone, [], {}, missing=[FAILED], diarized=None)
    assert b"Unknown speaker" in exported(bundle, "textgrid")
    assert {line.split()[2] for line in exported(bundle, "stm").splitlines()} == {b"unknown"}
    with pytest.raises(UsageError, match=r"has no turns\.rttm"):
        exported(bundle, "rttm")


def test_a_bundles_own_file_is_never_overwritten(bundle: Bundle, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    before = hashlib.sha256((bundle.folder / "transcript.srt").read_bytes()).hexdigest()
    code, _, err = run(capfdbinary, "export", bundle.folder, "--to", "ass", "--out", bundle.folder / "transcript.srt")
    assert code == 2
    assert "belongs to the bundle" in err
    assert hashlib.sha256((bundle.folder / "transcript.srt").read_bytes()).hexdigest() == before


def test_a_place_that_cannot_be_written_exits_with_6(
    bundle: Bundle, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, _, err = run(capfdbinary, "export", bundle.folder, "--to", "ass", "--out", tmp_path / "no" / "where.ass")
    assert code == 6
    assert "--out" in err
    (tmp_path / "folder").mkdir()
    code, _, err = run(capfdbinary, "export", bundle.folder, "--to", "ass", "--out", tmp_path / "folder")
    assert code == 6
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder"]


def test_what_is_no_bundle_is_refused(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, _, err = run(capfdbinary, "export", tmp_path, "--to", "srt")
    assert code == 2
    assert "not a bundle" in err


def test_the_libraries_of_formats_wait_until_they_are_needed() -> None:
    code = "import sys, earwitness.cli.export, earwitness.cli.eval; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"pandas", "pyarrow", "pysubs2", "praatio", "pympi", "scipy", "jiwer", "pyannote"}
    assert not {name.split(".")[0] for name in loaded} & heavy


def test_a_device_is_written_to_and_a_link_followed(bundle: Bundle, tmp_path: Path) -> None:
    write_export(bundle, "tsv", Path("/dev/null"))
    assert not Path("/dev/null").is_file()
    (tmp_path / "real").mkdir()
    (tmp_path / "link.tsv").symlink_to(tmp_path / "real" / "words.tsv")
    write_export(bundle, "tsv", tmp_path / "link.tsv")
    assert (tmp_path / "link.tsv").is_symlink()
    assert (tmp_path / "real" / "words.tsv").read_bytes() == exported(bundle, "tsv")
