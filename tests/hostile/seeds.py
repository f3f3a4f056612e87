"""Small whole files of many formats, and what goes wrong with them: made on the spot, the same every time."""

import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from earwitness.audio.ffmpeg import run, source

RATE = 16_000
SECONDS = 2.0

# name → options of ffmpeg-python's output
_ENCODED: dict[str, dict[str, object]] = {
    "talk.wav": {"acodec": "pcm_s16le"},
    "talk24.wav": {"acodec": "pcm_s24le", "ac": 2},
    "float.wav": {"acodec": "pcm_f32le"},
    "alaw.wav": {"acodec": "pcm_alaw", "ar": 8_000},
    "talk.w64": {"acodec": "pcm_s16le"},
    "talk.aiff": {"acodec": "pcm_s16be"},
    "talk.au": {"acodec": "pcm_mulaw", "ar": 8_000},
    "talk.caf": {"acodec": "pcm_s16le"},
    "talk.flac": {"acodec": "flac"},
    "talk.mp3": {"acodec": "libmp3lame", "audio_bitrate": "48k"},
    "talk.mp2": {"acodec": "mp2", "audio_bitrate": "64k"},
    "talk.m4a": {"acodec": "aac", "audio_bitrate": "48k"},
    "fast.m4a": {"acodec": "aac", "audio_bitrate": "48k", "movflags": "+faststart"},
    "alac.m4a": {"acodec": "alac"},
    "talk.aac": {"acodec": "aac", "audio_bitrate": "48k"},
    "talk.ogg": {"acodec": "libvorbis", "page_duration": 200_000},
    "talk.opus": {"acodec": "libopus", "audio_bitrate": "24k", "page_duration": 200_000},
    "talk.webm": {"acodec": "libopus", "audio_bitrate": "24k"},
    "talk.mka": {"acodec": "libvorbis"},
    "talk.wma": {"acodec": "wmav2", "audio_bitrate": "48k"},
    "talk.wv": {"acodec": "wavpack"},
    "talk.tta": {"acodec": "tta"},
    "talk.ac3": {"acodec": "ac3", "ar": 48_000},
    "talk.ts": {"acodec": "aac", "audio_bitrate": "48k"},
    "talk.avi": {"acodec": "libmp3lame", "audio_bitrate": "48k"},
}


def speech_of(call: Path) -> np.ndarray:
    """Two seconds of the telephone call, mono, 16 kHz, float32."""
    start = 7 * RATE
    samples, rate = soundfile.read(call, dtype="float32", start=start, stop=start + round(SECONDS * RATE))
    assert rate == RATE
    return np.asarray(samples, np.float32)


def sample_call() -> Path:
    """The call that the pyannote.audio wheel carries."""
    from importlib.util import find_spec

    spec = find_spec("pyannote")
    places = spec.submodule_search_locations if spec else None
    for place in places or []:
        call = Path(place) / "audio" / "sample" / "sample.wav"
        if call.is_file():
            return call
    raise FileNotFoundError("the pyannote.audio wheel carries no sample call")


def whole_files(folder: Path) -> dict[str, Path]:
    """One small good file a format, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "source.wav"
    soundfile.write(first, speech_of(sample_call()), RATE)
    made = {}
    for name, options in _ENCODED.items():
        path = folder / name
        run(source(first).audio.output(f"file:{path}", fflags="+bitexact", **{"flags:a": "+bitexact"}, **options))
        made[name] = path
    first.unlink()
    made["film.mp4"] = film(folder / "film.mp4", made["talk.m4a"])
    return made


def film(path: Path, sound: Path | None) -> Path:
    """A film of two seconds, with sound or without."""
    import ffmpeg

    picture = ffmpeg.input(f"color=c=gray:s=64x64:r=5:d={SECONDS}", f="lavfi")
    streams = [picture] if sound is None else [picture, source(sound).audio]
    codecs = {"vcodec": "mpeg4"} if sound is None else {"vcodec": "mpeg4", "acodec": "copy"}
    run(ffmpeg.output(*streams, f"file:{path}", fflags="+bitexact", **codecs))
    return path


def wav_header(
    *, rate: int = RATE, channels: int = 1, bits: int = 16, tag: int = 1, data: int = 64_000, total: int | None = None
) -> bytes:
    """The 44 bytes before a WAV file's samples; `data` and `total` are what it claims, true or not."""
    block = channels * bits // 8 & 0xFFFF
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    total = (36 + data) & 0xFFFFFFFF if total is None else total
    return (
        b"RIFF"
        + struct.pack("<I", total)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", data)
    )


def flipped(content: bytes, count: int, seed: int, first: int = 0) -> bytes:
    """With `count` bits turned over, none before `first`."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    for at in random.integers(first, len(changed), count):
        changed[at] ^= 1 << int(random.integers(8))
    return bytes(changed)


def zeroed(content: bytes) -> bytes:
    """With its middle third all zeros."""
    third = len(content) // 3
    return content[:third] + bytes(third) + content[2 * third :]


def zipped(content: bytes) -> bytes:
    """A ZIP archive that holds it."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("talk.wav", content)
    return out.getvalue()


def floats(samples: np.ndarray) -> bytes:
    """A WAV file of 32-bit floats, whatever they are."""
    raw = samples.astype("<f4").tobytes()
    return wav_header(tag=3, bits=32, data=len(raw)) + raw


def pcm(samples: np.ndarray) -> bytes:
    """The bytes of 16-bit samples."""
    return bytes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def broken_files(folder: Path, whole: dict[str, Path]) -> dict[str, tuple[Path, str]]:
    """One file for each way of being broken that people meet, and for each that attackers think of.

    Returns:
        name → (file, what should come of it): `reject`, `salvage`, `accept`, or several of these.
    """
    folder.mkdir(parents=True, exist_ok=True)
    samples = speech_of(sample_call())
    raw = pcm(samples)
    good = {name: path.read_bytes() for name, path in whole.items()}
    nan, infinite = samples.copy(), np.full_like(samples, np.nan)
    nan[500:600], nan[2000] = np.nan, np.inf
    hls = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n%s\n#EXT-X-ENDLIST\n"
    cases: dict[str, tuple[bytes, str]] = {
        "empty.wav": (b"", "reject"),
        "one_byte.mp3": (b"R", "reject"),
        "header_only.wav": (wav_header(), "reject"),
        "cut_header.wav": (wav_header()[:30], "reject"),
        "cut.wav": (wav_header(data=len(raw)) + raw[: len(raw) // 3], "salvage"),
        "cut_odd.wav": (wav_header(data=len(raw)) + raw[: len(raw) // 2 + 1], "salvage"),
        "cut.mp3": (good["talk.mp3"][: len(good["talk.mp3"]) // 3], "salvage"),
        "cut.flac": (good["talk.flac"][: len(good["talk.flac"]) // 2], "salvage"),
        "cut.ogg": (good["talk.ogg"][: len(good["talk.ogg"]) * 2 // 3], "salvage"),
        "cut.opus": (good["talk.opus"][: len(good["talk.opus"]) * 2 // 3], "salvage"),
        "no_index.m4a": (good["talk.m4a"][: len(good["talk.m4a"]) // 2], "reject"),
        "streamed.wav": (wav_header(data=0xFFFFFFFF, total=0xFFFFFFFF) + raw, "salvage"),
        "says_4_gigabytes.wav": (wav_header(data=0xFFFFFFF0, total=0xFFFFFFFF) + raw, "salvage"),
        "rate_0.wav": (wav_header(rate=0) + raw, "reject"),
        "rate_1.wav": (wav_header(rate=1) + raw, "reject"),
        "rate_4_billion.wav": (wav_header(rate=4_000_000_000) + raw, "reject"),
        "channels_0.wav": (wav_header(channels=0) + raw, "reject"),
        "channels_64_at_768k.wav": (wav_header(channels=64, rate=768_000) + raw, "reject"),
        "channels_65535.wav": (wav_header(channels=65_535) + raw, "reject"),
        "bits_0.wav": (wav_header(bits=0) + raw, "reject"),
        "unknown_codec.wav": (wav_header(tag=0x7A7A) + raw, "reject"),
        "some_nan.wav": (floats(nan), "salvage"),
        "all_nan.wav": (floats(infinite), "reject"),
        "over_full_scale.wav": (floats(samples * 1e5), "salvage"),
        "text.mp3": (b"Dear all,\nthe minutes of the meeting are attached.\n", "reject"),
        "page.m4a": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "reject"),
        "picture.wav": (b"\x89PNG\r\n\x1a\n" + bytes(200), "reject"),
        "noise.mp3": (np.random.default_rng(1).bytes(40_000), "reject"),
        "list_file.mp3": (hls % b"file:///etc/hostname", "reject"),
        "list_near.mp3": (hls % b"talk.wav", "reject"),
        "list_net.wav": (hls % b"http://127.0.0.1:9/a.ts", "reject"),
        "concat.wav": (b"ffconcat version 1.0\nfile '/etc/hostname'\n", "reject"),
        "dash.mp4": (b'<?xml version="1.0"?>\n<MPD><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>\n', "reject"),
        "session.sdp": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\nc=IN IP4 127.0.0.1\n", "reject"),
        "tag_only.mp3": (b"ID3\x04\0\0\0\0\x02\0" + bytes(256), "reject"),
        "tag_too_big.mp3": (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + good["talk.mp3"], "reject or salvage"),
        "flipped.mp3": (flipped(good["talk.mp3"], 400, 5, 600), "salvage"),
        "flipped.ogg": (flipped(good["talk.ogg"], 20, 6, 5_000), "salvage"),
        "zeroed.flac": (zeroed(good["talk.flac"]), "salvage"),
        "zip.wav": (zipped(good["talk.wav"]), "reject"),
        "really_wav.mp3": (good["talk.wav"], "accept"),
        "junk_after.wav": (good["talk.wav"] + np.random.default_rng(2).bytes(5_000), "accept"),
    }
    made = {}
    for name, (content, expected) in cases.items():
        path = folder / name
        path.write_bytes(content)
        made[name] = (path, expected)
    made["silent_film.mp4"] = (film(folder / "silent_film.mp4", None), "reject")
    return made


TEXTS: dict[str, tuple[str, bytes]] = {
    "talk.srt": (
        "transcript",
        b"1\n00:00:01,000 --> 00:00:02,500\nAnn: Hello\nthere.\n\n2\n00:00:03,000 --> 00:00:04,000\nBob: 1942\n",
    ),
    "talk.vtt": (
        "transcript",
        b"WEBVTT\n\nNOTE x\n\nintro\n00:01.000 --> 00:03.000 align:left\n<v Ann>We &amp; you</v> <v Bob>No</v>\n\n"
        b"01:00:03.000 --> 01:00:04.500\n<v Bob><i>So</i> it goes\n",
    ),
    "talk.stm": (
        "transcript",
        b";; a comment\ncall 1 Ann 0.50 1.25 <o,f0,female> hello { there / @ } you\ncall 1 Bob 2 3 x\n",
    ),
    "talk.json": (
        "transcript",
        b'{"language": "en", "segments": [{"start": 1.0, "end": 2.0, "text": " It is 7", "speaker": "SPEAKER_01", '
        b'"avg_logprob": -0.3, "words": [{"word": "It", "start": 1.0, "end": 1.2, "score": 0.9}, {"word": "7"}]}]}',
    ),
    "talk.jsonl": (
        "transcript",
        b'{"speaker": "Ann", "text": "Hi"}\n{"speaker": "Bob", "text": "Ho", "start": 2, "end": 3}\n',
    ),
    "talk.txt": ("transcript", "[00:01] Ann: señor\n[00:05.5] Bob: two\n[1:00:00] Ann: three\n".encode()),
    "utf16.txt": ("transcript", "Ann: one\nBob: señor\n".encode("utf-16")),
    "cp1252.txt": ("transcript", "Ann: café “x”\nBob: two\n".encode("cp1252")),
    "cast.yaml": (
        "cast",
        b"campaign: The Crown\nsession: 12\nmembers:\n"
        b'  - {person: Sam, character: Grog, role: player, aliases: [Sammy, "S."]}\n'
        b"  - person: Mia\n    speaker: SPEAKER_02\n",
    ),
    "cast.toml": ("cast", b'campaign = "C"\nsession = 12\n\n[[members]]\nperson = "Sam"\naliases = ["Sammy"]\n'),
    "talk.rttm": (
        "rttm",
        b"SPEAKER call 1 0.500 1.250 <NA> <NA> Ann <NA> <NA>\nSPEAKER call 1 2 3.5 <NA> <NA> Bob <NA> <NA>\n",
    ),
    "talk.ctm": ("transcript", b"call 1 0.50 0.20 hello 0.98\ncall 1 0.80 0.31 there 0.71\ncall 1 2.00 0.40 Bob 0.5\n"),
    "corrections.json": (
        "corrections",
        b'{"schema_version": "1.0", "names": {"SPEAKER_00": "Sam"}, "merged": {"SPEAKER_02": "SPEAKER_00"}, "edits": ['
        b'{"kind": "word", "utterance": "u0001", "word": 2, "was": "kip", "text": "keep", "start_s": 1.5}, '
        b'{"kind": "replace", "was": "Hollow Kip", "text": "Hollow Keep"}, '
        b'{"kind": "speaker", "utterance": "u0002", "speaker": "SPEAKER_01", "start_s": 3.25}]}',
    ),
    "job.json": (
        "options",
        b'{"profile": "podcast", "speakers": 4, "slice": "0:10-0:20", "out": "out", "diarize": {"engine": "bundled", '
        b'"retries": 2}, "clip": {"min_s": 10, "max_s": 30.5, "video": false}, "limits": {"retries": 1}}',
    ),
}
"""name → (its door, a small good file)."""


Change = Callable[[bytes, np.random.Generator], bytes]


def _cut(content: bytes, random: np.random.Generator) -> bytes:
    return content[: int(random.integers(0, len(content) + 1))]


def _flip(content: bytes, random: np.random.Generator) -> bytes:
    if not content:
        return b"\0"
    return flipped(content, int(2 ** random.uniform(0, 8)), int(random.integers(1 << 30)))


def _flip_head(content: bytes, random: np.random.Generator) -> bytes:
    head = content[:256]
    return _flip(head, random) + content[256:]


def _hole(content: bytes, random: np.random.Generator) -> bytes:
    first, last = sorted(random.integers(0, len(content) + 1, 2).tolist())
    return content[:first] + bytes(last - first) + content[last:]


def _left_out(content: bytes, random: np.random.Generator) -> bytes:
    first, last = sorted(random.integers(0, len(content) + 1, 2).tolist())
    return content[:first] + content[last:]


def _repeated(content: bytes, random: np.random.Generator) -> bytes:
    first, last = sorted(random.integers(0, len(content) + 1, 2).tolist())
    return content[:last] + content[first:last] * int(random.integers(1, 8)) + content[last:]


_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 0x10000)


def _number(content: bytes, random: np.random.Generator) -> bytes:
    """A size, count or rate in the header becomes an extreme one."""
    changed = bytearray(content + bytes(8))
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(0, min(len(content), 400) + 1))
        form = "<>"[int(random.integers(2))] + "BHI"[int(random.integers(3))]
        value = _NUMBERS[int(random.integers(len(_NUMBERS)))] & (1 << 8 * struct.calcsize(form)) - 1
        struct.pack_into(form, changed, at, value)
    return bytes(changed[: len(content)])


CHANGES: dict[str, Change] = {
    "cut": _cut,
    "flip": _flip,
    "flip-head": _flip_head,
    "hole": _hole,
    "left-out": _left_out,
    "repeat": _repeated,
    "number": _number,
}


def spliced(one: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    return one[: int(random.integers(0, len(one) + 1))] + other[int(random.integers(0, len(other) + 1)) :]


__all__ = [
    "CHANGES",
    "TEXTS",
    "broken_files",
    "film",
    "sample_call",
    "speech_of",
    "spliced",
    "wav_header",
    "whole_files",
]
