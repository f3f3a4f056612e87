"""Which tracks a zip or folder holds, whose they are, and what is refused."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.audio.find import expand
from earwitness.errors import BadRecording, StorageError, UsageError
from earwitness.options import RunOptions
from earwitness.tracks import find
from earwitness.tracks.find import content_digest, find_tracks
from earwitness.tracks.layout import layout_of
from earwitness.tracks.names import speaker_names
from earwitness.tracks.unpack import unpacked

ENCRYPTED = 0x1


def make_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["1-alice.flac", "2-bob.flac"], ["alice", "bob"]),
        (["1-the_dm.flac", "2-the_bard#1234.flac", "10-the_rogue_0.flac"], ["the dm", "the bard", "the rogue"]),
        (["riverside_alice_ep-4_raw.wav", "riverside_bob lee_ep-4_raw.wav"], ["alice", "bob lee"]),
        (["audioAliceSmith11234567890.m4a", "audioBob21234567890.m4a"], ["Alice Smith", "Bob"]),
        (["alice/audio.wav", "bob/audio.wav"], ["alice", "bob"]),
        (["Track 1.wav", "Track 2.wav"], [None, None]),
        (["ZOOM0001_Tr1.WAV", "ZOOM0001_Tr2.WAV"], [None, None]),
        (["1-sam.flac", "2-sam.ogg"], [None, None]),
        (["mary.wav"], ["mary"]),
        (["1-josé.flac", "2-Ωmega.flac"], ["josé", "Ωmega"]),
    ],
)
def test_names_are_those_that_recorders_write(sources: list[str], names: list[str | None]) -> None:
    assert speaker_names(sources) == names


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_any_file_names_give_as_many_names_and_no_two_alike(sources: list[str]) -> None:
    names = speaker_names(sources)
    given_names = [name.casefold() for name in names if name]
    assert len(names) == len(sources)
    assert len(set(given_names)) == len(given_names)


def test_junk_is_passed_over_and_track_2_comes_before_track_10(tmp_path: Path) -> None:
    members = {f"s/{n}-p{n}.flac": b"x" for n in (10, 2, 1)}
    junk = {"s/info.txt": b"", "s/raw.dat": b"", "__MACOSX/s/._1-p1.flac": b"", "s/.DS_Store": b"", "s/Thumbs.db": b""}
    path = make_zip(tmp_path / "s.zip", {**members, **junk})
    assert [track.source for track in find_tracks(path)] == ["1-p1.flac", "2-p2.flac", "10-p10.flac"]


def test_a_zip_and_its_folder_are_one_recording_and_a_changed_name_or_byte_is_another(tmp_path: Path) -> None:
    folder = tmp_path / "talk"
    folder.mkdir()
    (folder / "1-a.wav").write_bytes(b"one")
    (folder / "2-b.wav").write_bytes(b"two")
    digest = content_digest(folder)
    members = {"talk/1-a.wav": b"one", "talk/2-b.wav": b"two"}
    assert content_digest(make_zip(tmp_path / "x.zip", members, zipfile.ZIP_DEFLATED)) == digest
    renamed = {"talk/1-a.wav": b"one", "talk/2-c.wav": b"two"}
    altered = {"talk/1-a.wav": b"one", "talk/2-b.wav": b"twa"}
    for number, other in enumerate((renamed, altered)):
        assert content_digest(make_zip(tmp_path / f"{number}.zip", other)) != digest


def test_names_of_old_zips_are_read_as_they_were_meant(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "old.zip", {"1-josé.wav": b"x", "2-bo.wav": b"x"})
    # as programs write it that don't set the flag: the same bytes without the word that they are UTF-8
    data = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(header, at + 1)) >= 0:
            data[at + flags + 1] &= 0xF7
    path.write_bytes(data)
    assert [track.name for track in find_tracks(path)] == ["josé", "bo"]


def _absolute(path: Path) -> None:
    make_zip(path, {"/etc/alice.wav": b"x", "bob.wav": b"x"})


def _outside(path: Path) -> None:
    make_zip(path, {"../../alice.wav": b"x", "bob.wav": b"x"})


def _windows_outside(path: Path) -> None:
    make_zip(path, {"..\\alice.wav": b"x", "bob.wav": b"x"})


def _link(path: Path) -> None:
    info = zipfile.ZipInfo("alice.wav")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")


def _flagged(path: Path, flag: int) -> None:
    make_zip(path, {"alice.wav": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= flag
    path.write_bytes(data)


def _encrypted(path: Path) -> None:
    _flagged(path, ENCRYPTED)


def _unknown_method(path: Path) -> None:
    make_zip(path, {"alice.wav": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 10] = 9
    path.write_bytes(data)


def _strongly_encrypted(path: Path) -> None:
    _flagged(path, 0x40)


def _patched(path: Path) -> None:
    _flagged(path, 0x20)


def _of_the_future(path: Path) -> None:
    make_zip(path, {"alice.wav": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 99
    path.write_bytes(data)


def _twice(path: Path) -> None:
    make_zip(path, {"alice.wav": b"x", "alicf.wav": b"y"})
    path.write_bytes(path.read_bytes().replace(b"alicf", b"alice"))


def _nested(path: Path) -> None:
    make_zip(path, {"tracks.zip": b"PK\x03\x04"})


def _texts(path: Path) -> None:
    make_zip(path, {"readme.txt": b"x"})


def _truncated(path: Path) -> None:
    make_zip(path, {"alice.wav": b"x" * 1000})
    path.write_bytes(path.read_bytes()[:500])


def _many_tracks(path: Path) -> None:
    make_zip(path, {f"{n}.wav": b"" for n in range(51)})


def _many_files(path: Path) -> None:
    make_zip(path, {f"{n}.txt": b"" for n in range(2_001)} | {"alice.wav": b""})


def _bomb(path: Path) -> None:
    """A small zip that says it unpacks to 100 GB."""
    make_zip(path, {f"{n}.wav": b"x" for n in range(40)})
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 24 : at + 28] = (2_500_000_000).to_bytes(4, "little")
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (_absolute, "outside of it"),
        (_outside, "outside of it"),
        (_windows_outside, "outside of it"),
        (_link, "a link"),
        (_encrypted, "encrypted"),
        (_strongly_encrypted, "encrypted"),
        (_patched, "as a patch"),
        (_of_the_future, "newer kind"),
        (_unknown_method, "number 9"),
        (_twice, "twice"),
        (_nested, "only other archives"),
        (_texts, "no sound file"),
        (_truncated, "damaged zip"),
        (_many_tracks, "51 sound files"),
        (_many_files, "2,002 files"),
        (_bomb, "100.0 GB"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_can_not_be_a_recording_is_refused_in_words(
    tmp_path: Path, spoil: Callable[[Path], None], found: str
) -> None:
    path = tmp_path / "talk.zip"
    spoil(path)
    with pytest.raises(BadRecording, match=r"talk\.zip") as caught:
        layout_of(path, RunOptions())
    assert found in caught.value.message
    assert caught.value.remedy


def test_a_zip_that_unpacks_to_more_than_the_disk_holds_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "MAX_BYTES", 1 << 60)
    path = tmp_path / "talk.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("alice.wav")
        archive.writestr(info, b"x")
        archive.infolist()[0].file_size = 1 << 50  # the table of contents then says a petabyte
    with pytest.raises(StorageError, match=r"Unpacking talk\.zip"), unpacked(path):
        pass


def test_a_damaged_member_costs_only_itself_and_nothing_is_left_behind(tmp_path: Path, own_home: Path) -> None:
    path = make_zip(tmp_path / "talk.zip", {"alice.wav": b"a" * 2_000, "bob.wav": b"b" * 2_000})
    data = bytearray(path.read_bytes())
    data[data.index(b"bbbb") + 100] ^= 0xFF
    path.write_bytes(data)
    assert content_digest(path) == content_digest(path)
    with unpacked(path) as files:
        assert [(track.name, file is None) for track, file in files] == [("alice", False), ("bob", True)]
        good = files[0][1]
        assert good is not None
        assert good.read_bytes() == b"a" * 2_000
        assert own_home in good.parents
    assert not good.exists()


def test_what_the_option_means(tmp_path: Path) -> None:
    two = make_zip(tmp_path / "two.zip", {"alice.wav": b"x", "bob.wav": b"x"})
    one = make_zip(tmp_path / "one.zip", {"alice.wav": b"x"})
    file = tmp_path / "talk.wav"
    file.write_bytes(b"x")
    folder = tmp_path / "talk"
    folder.mkdir()
    (folder / "alice.wav").write_bytes(b"x")

    def layout(path: Path, tracks: str = "auto") -> str | None:
        return layout_of(path, RunOptions.model_validate({"tracks": tracks}))

    assert layout(two) == "speakers"
    assert layout(two, "mixed") == "mixed"
    assert layout(one) == "mixed"
    assert layout(one, "speakers") == "speakers"
    assert layout(file) is None
    assert layout(file, "mixed") is None
    assert layout(file, "channels") == "channels"
    assert layout(folder) is None
    assert layout(folder, "speakers") == "speakers"
    for path, wanted in ((file, "speakers"), (two, "channels")):
        with pytest.raises(UsageError) as caught:
            layout(path, wanted)
        assert path.name in caught.value.message


def test_a_folder_is_a_batch_with_its_zips_of_tracks_unless_it_is_one_recording(tmp_path: Path) -> None:
    make_zip(tmp_path / "craig.zip", {"1-alice.flac": b"x", "2-bob.flac": b"x"})
    make_zip(tmp_path / "papers.zip", {"readme.txt": b"x"})
    (tmp_path / "talk.wav").write_bytes(b"x")
    assert [path.name for path in expand([tmp_path])] == ["craig.zip", "talk.wav"]
    assert expand([tmp_path], whole_folders=True) == [tmp_path]
