"""Sound and films that were encoded badly, each made for real."""

import subprocess
from pathlib import Path

import pytest

from earwitness.audio.ffmpeg import ffmpeg_info
from earwitness.checks.finding import Finding
from earwitness.checks.media import check_media

SIZE = (160, 120)
SECONDS = 4


def encode(path: Path, *, sound: bool = True, picture: bool = False, options: tuple[str, ...] = ()) -> Path:
    """Four seconds of noise, of a test picture, or both, the way our own files are encoded."""
    command = [str(ffmpeg_info().path), "-v", "error", "-y"]
    if sound:
        command += ["-f", "lavfi", "-i", f"anoisesrc=d={SECONDS}:a=0.1:seed=1:r=16000"]
    if picture:
        command += ["-f", "lavfi", "-i", f"testsrc=d={SECONDS}:s={SIZE[0]}x{SIZE[1]}:r=10"]
    subprocess.run([*command, *options, str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("good")
    h264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
    return {
        "m4a": encode(folder / "good.m4a", options=("-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart")),
        "flac": encode(folder / "good.flac"),
        "mp4": encode(folder / "good.mp4", picture=True, options=("-c:a", "aac", "-b:a", "64k", *h264)),
    }


def findings(path: Path, *, name: str = "", decode: bool = True) -> list[Finding]:
    size = SIZE if path.suffix == ".mp4" else None
    return check_media(path, name or path.name, length_ms=SECONDS * 1000, size=size, decode=decode)


def told(path: Path, name: str = "") -> str:
    """The errors of a file; there must be some."""
    found = [finding.message for finding in findings(path, name=name) if finding.level == "error"]
    assert found
    return " ".join(found)


@pytest.mark.parametrize("kind", ["m4a", "flac", "mp4"])
@pytest.mark.parametrize("decode", [True, False])
def test_a_good_file_passes(good: dict[str, Path], kind: str, *, decode: bool) -> None:
    assert findings(good[kind], decode=decode) == []


def test_an_m4a_that_was_cut_off_is_found(good: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "cut.m4a"
    content = good["m4a"].read_bytes()
    path.write_bytes(content[: len(content) // 2])  # its index comes first: it opens, and ends in the middle
    assert "2.0 s; 4.0 s were planned" in told(path) or "can't be read to its end" in told(path)


def test_an_m4a_without_its_index_is_found(good: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "open.m4a"
    encode(path, options=("-c:a", "aac", "-b:a", "64k"))
    path.write_bytes(path.read_bytes()[:-1_000])
    assert "0 sound tracks" in told(path) or "can't be read" in told(path)


def test_a_flac_that_was_cut_off_is_found(good: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    content = good["flac"].read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    assert told(path)


def test_damage_inside_is_found_by_decoding(good: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "hurt.m4a"
    content = bytearray(good["m4a"].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    assert findings(path, decode=False) == []
    assert "can't be read to its end" in told(path)


def test_a_hole_in_the_middle_is_found(good: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "hole.flac"
    content = bytearray(good["flac"].read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4_000] = bytes(4_000)
    path.write_bytes(content)
    assert "4.0 s were planned" in told(path)


def test_a_file_that_is_too_short_is_found(good: dict[str, Path]) -> None:
    found = check_media(good["m4a"], "listen.m4a", length_ms=9_000)
    assert [finding.level for finding in found] == ["error"]
    assert "9.0 s were planned" in found[0].message


def test_a_film_without_sound_is_found(tmp_path: Path) -> None:
    path = encode(tmp_path / "silent.mp4", sound=False, picture=True, options=("-c:v", "libx264"))
    assert "It has 0 sound tracks; there must be one." in told(path)


def test_a_film_without_a_picture_is_found(tmp_path: Path) -> None:
    path = encode(tmp_path / "blind.mp4", options=("-c:a", "aac"))
    assert "It has 0 picture tracks; there must be one." in told(path)


def test_a_film_of_another_codec_or_size_is_found(tmp_path: Path) -> None:
    path = encode(tmp_path / "odd.mp4", picture=True, options=("-c:v", "mpeg4", "-s", "80x60", "-c:a", "libmp3lame"))
    said = told(path)
    assert "Its sound is mp3float; it must be aac." in said or "Its sound is mp3; it must be aac." in said
    assert "Its picture is mpeg4; it must be h264." in said
    assert "80x60; 160x120 was planned" in said


def test_a_picture_that_outlasts_its_sound_is_found(tmp_path: Path) -> None:
    path = encode(tmp_path / "long.mp4", picture=True, options=("-c:v", "libx264", "-c:a", "aac", "-af", "atrim=0:2"))
    assert "Its picture lasts 4.0 s and its sound 2.0 s." in told(path)


def test_a_file_that_is_not_what_its_name_says_is_found(good: dict[str, Path]) -> None:
    assert "it is a flac file" in told(good["flac"], "listen.m4a")
    assert "must be aac" in told(encode(good["m4a"].with_name("alac.m4a"), options=("-c:a", "alac")))


def test_few_bits_a_second_are_a_remark(tmp_path: Path) -> None:
    path = encode(tmp_path / "thin.m4a", options=("-c:a", "aac", "-b:a", "12k"))
    found = findings(path)
    assert [finding.level for finding in found] == ["warning"]
    assert "under 32 speech suffers" in found[0].message


@pytest.mark.parametrize("content", [b"", b"plain text, and a good deal of it", bytes(5_000)])
def test_what_is_no_sound_at_all_is_found(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "nothing.m4a"
    path.write_bytes(content)
    assert "can't be read" in told(path)
