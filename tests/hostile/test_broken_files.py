"""Files that are broken, or pretend to be something else: each gets a verdict, a reason and a remedy, and soon."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.child import ROOT, Child
from tests.hostile.doors import Answer

SECONDS = 20.0
MEGABYTES = 500

DEVIATIONS = {
    "real_bad-xing.mp3": "it holds 0.13 s of sound, and 0.3 s are asked for",
    "real_zero-length-mdat.m4a": "it holds a steady tone and no speech",
    "real_garbage.mp3": "its half second is noise at -71 dBFS",
    "declares_four_gigabytes.wav": "a tenth of a second of sound is left, and 0.3 s are asked for",
}
"""Files of the collection that we refuse although some of their sound can be decoded, and why."""


def verdict(answer: Answer) -> str:
    return "reject" if answer.outcome.startswith("refuse") else answer.outcome


def check(name: str, expected: str, answer: Answer) -> list[str]:
    """What is wrong with an answer."""
    wrong = []
    if verdict(answer) not in expected:
        wrong.append(f"{name}: {answer.outcome}, not {expected}: {answer.message}")
    if answer.fault:
        wrong.append(f"{name}: {answer.fault}: {answer.message}")
    if answer.seconds > SECONDS:
        wrong.append(f"{name}: took {answer.seconds} s")
    if answer.peak_mb > MEGABYTES:
        wrong.append(f"{name}: took {answer.peak_mb} MB")
    return wrong


def collection(shared_data: Path) -> dict[str, tuple[Path, str]]:
    folder = shared_data / "broken"
    with (folder / "broken.csv").open(newline="") as file:
        rows = {row["file"]: (folder / row["file"], row["expected"]) for row in csv.DictReader(file)}
    assert len(rows) >= 58
    return rows


def test_every_file_of_the_collection_gets_its_verdict(shared_data: Path, child: Child) -> None:
    wrong = []
    for name, (path, expected) in collection(shared_data).items():
        wanted = "reject" if name in DEVIATIONS else expected
        wrong += check(name, wanted, child.ask("recording", path))
    assert wrong == []


def test_every_way_of_being_broken_gets_its_verdict(
    broken: dict[str, tuple[Path, str]], answers: dict[str, Answer]
) -> None:
    wrong = []
    for name, (_, expected) in broken.items():
        wrong += check(name, expected, answers[name])
    assert wrong == []


def test_good_files_of_every_format_are_not_refused(whole: dict[str, Path], child: Child) -> None:
    wrong = []
    for name, path in whole.items():
        wrong += check(name, "accept", child.ask("recording", path))
    assert wrong == []


MESSAGES = {
    "empty.wav": "is empty",
    "one_byte.mp3": "only 1 byte long",
    "header_only.wav": "a header and no samples",
    "no_index.m4a": "an MP4 file without its index, as an interrupted recording leaves it",
    "rate_0.wav": "its header says 0 samples a second",
    "rate_1.wav": "1 channel of 1 samples a second",
    "rate_4_billion.wav": "its header says 4,000,000,000 samples a second",
    "channels_0.wav": "its header says 0 channels",
    "channels_65535.wav": "65,535 channels",
    "channels_64_at_768k.wav": "64 channels of 768,000 samples a second",
    "bits_0.wav": "its header says 0 bits a sample",
    "unknown_codec.wav": "0x7A7A, that nothing here can decode",
    "all_nan.wav": "No sample of .* is a number",
    "text.mp3": "plain text",
    "page.m4a": "a web page",
    "picture.wav": "a PNG picture",
    "noise.mp3": "no known format begins as it does",
    "list_file.mp3": "an HLS playlist, which only points to other files",
    "list_net.wav": "an HLS playlist, which only points to other files",
    "concat.wav": "an ffconcat script, which only points to other files",
    "dash.mp4": "a DASH playlist, which only points to other files",
    "session.sdp": "an SDP description, which only points to a network stream",
    "tag_only.mp3": "a tag .* without sound",
    "zip.wav": "a ZIP archive",
    "silent_film.mp4": "a video without sound",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_refusal_says_what_was_found_and_what_to_do(name: str, answers: dict[str, Answer]) -> None:
    answer, said = answers[name], MESSAGES[name]
    assert re.search(said, answer.message), (name, answer.message)
    assert answer.remedy.endswith("."), name


def test_verdicts_do_not_depend_on_a_network(
    broken: dict[str, tuple[Path, str]], answers: dict[str, Answer], offline: tuple[str, ...], own_home: Path
) -> None:
    names = [name for name in broken if name.startswith(("list_", "concat", "dash", "session", "cut."))]
    with Child(own_home, offline) as cut_off:
        for name in names:
            answer = cut_off.ask("recording", broken[name][0])
            assert (answer.outcome, answer.message) == (answers[name].outcome, answers[name].message)


# ---------------------------------------------------------------- other files


def box(name: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + name + content


_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"dinf")


def with_reference(content: bytes, alias: bytes) -> bytes:
    """An MP4 file whose samples are said to lie in another file (a data reference of QuickTime)."""
    out, at = b"", 0
    while at < len(content):
        length, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        inner = content[at + 8 : at + length]
        if name in _CONTAINERS:
            inner = with_reference(inner, alias)
        elif name == b"dref":
            inner = bytes(4) + (1).to_bytes(4, "big") + box(b"alis", alias)
        out += box(name, inner)
        at += length
    return out


def alias_of(path: Path) -> bytes:
    """A Macintosh alias record as FFmpeg reads it (libavformat/mov.c, mov_read_dref): absolute path in part 2."""
    text = str(path).encode()
    record = bytes(4 + 10) + bytes([4]) + b"disk".ljust(27, b"\0") + bytes(12)
    record += bytes([10]) + path.name.encode().ljust(63, b"\0")[:63] + bytes(16)
    record += (1).to_bytes(2, "big") * 2 + bytes(16)
    record += (2).to_bytes(2, "big") + len(text).to_bytes(2, "big") + text + b"\0" * (len(text) % 2)
    return record + b"\xff\xff\0\0"


def pointers_to(canary: Path, whole: dict[str, Path]) -> dict[str, bytes]:
    """Files that name another file in every way that we know of."""
    target = str(canary).encode()
    hls = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n%s#EXTINF:9,\n%s\n#EXT-X-ENDLIST\n"
    return {
        "hls.mp3": hls % (b"", target),
        "hls_url.wav": hls % (b"", b"file://" + target),
        "hls_near.m3u8": hls % (b"", canary.name.encode()),
        "hls_key.wav": hls % (b'#EXT-X-KEY:METHOD=AES-128,URI="file:%s"\n' % target, target),
        "hls_map.wav": hls % (b'#EXT-X-MAP:URI="%s"\n' % target, target),
        "hls_crypto.wav": hls % (b"", b"crypto+file:" + target),
        "hls_concat.wav": hls % (b"", b"concat:" + target + b"|" + target),
        "hls_subfile.wav": hls % (b"", b"subfile,,start,0,end,64,,:" + target),
        "concat.wav": b"ffconcat version 1.0\nfile '%s'\n" % target,
        "concat.txt.mp3": b"file '%s'\n" % target,
        "dash.mp4": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        b'<AdaptationSet contentType="audio"><Representation id="1"><BaseURL>%s</BaseURL></Representation>'
        b"</AdaptationSet></Period></MPD>" % target,
        "reference.mov": with_reference(whole["talk.m4a"].read_bytes(), alias_of(canary)),
        "cover.mp3": b"ID3\x03\0\0\0\0\x01\x00APIC"
        + (110).to_bytes(4, "big")
        + b"\0\0\0-->\0\x03\0"
        + target[:100].ljust(100, b"\0")
        + bytes(8)
        + whole["talk.mp3"].read_bytes(),
        "asx.wma": b"<asx version=3.0><entry><ref href='%s'/></entry></asx>" % target,
        "pls.mp3": b"[playlist]\nFile1=%s\nNumberOfEntries=1\n" % target,
    }


def reads_of(log: Path, canary: Path) -> list[str]:
    """System calls of a trace that touched the canary, or any address outside this process family."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if canary.name in line or re.search(r"sa_family=AF_INET6?|AF_NETLINK", line)]


def test_no_other_file_and_no_address_is_opened(whole: dict[str, Path], own_home: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    can = strace and subprocess.run([strace, "-qq", "true"], capture_output=True, check=False).returncode == 0
    canary = tmp_path / "canary.wav"
    shutil.copy(whole["talk.wav"], canary)
    folder = tmp_path / "pointers"
    folder.mkdir()
    shutil.copy(canary, folder / canary.name)
    log = tmp_path / "trace.log"
    trace = (str(strace), "-f", "-qq", "-e", "trace=open,openat,connect,sendto", "-o", str(log)) if can else ()
    with Child(own_home, trace, limit_s=120) as watched:
        for name, content in pointers_to(canary, whole).items():
            path = folder / name
            path.write_bytes(content)
            answer = watched.ask("recording", path)
            # the MP3 with a linked cover holds sound of its own; all others hold nothing but the pointer
            assert verdict(answer) == ("accept" if name == "cover.mp3" else "reject"), (name, answer)
            assert not answer.fault, (name, answer)
    if can:
        assert reads_of(log, canary) == []
        assert "hls.mp3" in log.read_text(errors="replace")  # the trace does see what is opened


def test_a_trace_would_have_seen_the_canary(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-qq", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no strace here")
    canary, log = tmp_path / "canary.wav", tmp_path / "trace.log"
    canary.write_bytes(b"x")
    reader = f"open({str(canary)!r}).read(); import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    command = [strace, "-f", "-qq", "-e", "trace=open,openat,connect,sendto", "-o", str(log), sys.executable, "-c"]
    subprocess.run([*command, reader], check=True)
    assert len(reads_of(log, canary)) >= 2


# ---------------------------------------------------------------- odd names and places

NAMES = [
    b"-rf; $(touch owned) `touch owned`.wav",
    "né\nw\tline\r.wav".encode(),
    b"\x1b[31mred\x07.wav",
    b"a" * 251 + b".wav",
    "\u202egnp.exe\u202c.wav".encode(),
    b"..wav",
    b"...wav",
    b"%s%n%03d.wav",
    b"'\"\\`.wav",
    b"http:x|y>z<w&.wav",
    b"concat:a|b.wav",
    b"[bold]{x}*?.wav",
    b" .wav",
    b"con.wav",
    "\U0001f399\u0301.wav".encode(),
]


@pytest.mark.parametrize("name", NAMES, ids=[str(number) for number in range(len(NAMES))])
def test_a_name_is_only_a_name(name: bytes, whole: dict[str, Path], child: Child, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / os.fsdecode(name)
    shutil.copy(whole["talk.wav"], path)
    for door in ("recording", "plan"):
        answer = child.ask(door, path)
        assert answer.outcome in {"accept", "read"}, answer
    assert os.listdir(folder) == [path.name]
    assert not (ROOT / "owned").exists()
    path.write_bytes(b"not sound, but a text of some length")
    refused = child.ask("recording", path)
    assert verdict(refused) == "reject"
    assert refused.message.isprintable()


def test_a_name_that_is_no_text_is_refused_before_anything_else(
    whole: dict[str, Path], child: Child, tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    try:
        shutil.copy(whole["talk.wav"], path)
    except OSError:
        pytest.skip("this file system allows no such names")
    answer = child.ask("recording", path)
    assert answer.outcome == "refuse: bad-recording"
    assert "is not UTF-8" in answer.message
    assert "Rename it" in answer.remedy


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "/proc/self/mem", "/", "."])
def test_a_link_to_something_endless_is_refused(target: str, child: Child, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.symlink_to(target)
    answer = child.ask("recording", path)
    assert verdict(answer) == "reject", answer
    assert not answer.fault


def test_tags_are_kept_small_and_harmless(whole: dict[str, Path], tmp_path: Path) -> None:
    import ffmpeg

    from earwitness.audio.ffmpeg import run, source
    from earwitness.audio.probe import probe

    path = tmp_path / "tagged.flac"
    tags = {f"metadata:g:{n}": f"key{n}=<script>alert({n})</script>\n\x1b[31m" + "x" * 5_000 for n in range(100)}
    run(ffmpeg.output(source(whole["talk.wav"]).audio, f"file:{path}", **tags))
    found = probe(path).tags
    assert len(found) <= 64
    assert all(len(text) <= 1_000 for text in found.values())
