"""A made-up two-minute tabletop session of four people, as all stages together would hand it over."""

import functools
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from earwitness.archive.findings import Findings
from earwitness.archive.naming import recording_id
from earwitness.audio.facts import (
    Enhancement,
    IssueCode,
    ListeningCopy,
    Metrics,
    Preprocessed,
    Quality,
    QualityIssue,
    RecordingFacts,
    Validated,
    Verdict,
)
from earwitness.clips.clip import Clip, ClipList, Clipped
from earwitness.engines.engine import EngineUse
from earwitness.notes.notes import Chapter, Claim, Notes, Section, Summarized
from earwitness.schema import Provenance
from earwitness.speech.segments import Doubt, Segment, SkippedSpan, Transcribed
from earwitness.speech.turns import CountEstimate, Diarized, Turn
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.talk.talk import Talk, analyse_talk
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Aligned, Word, utterances_of, words_frame

RATE = 16_000
SOURCE_SHA = "3f1d9a7c2b64" + "e" * 52

SCRIPT: list[tuple[int, str]] = [
    (0, "Last time you left the river behind and climbed to the gate of Hollow Keep."),
    (0, "It is raining, the torches are out, and something is breathing on the other side of the door."),
    (1, "I press my ear against the wood. Can I hear how many there are?"),
    (0, "Roll perception for me."),
    (1, "That is a seventeen."),
    (0, "Two of them, heavy, and one that does not breathe at all."),
    (2, "Of course there is one that does not breathe."),
    (3, "I told you we should have taken the boat."),
    (1, "Nobody wanted the boat, Priya."),
    (3, "Brannoch wanted the boat. Brannoch always wants the boat."),
    (2, "All right, listen. I open the door quietly and I hold up the silver lantern."),
    (0, "The light falls on a hall full of broken shields, and a knight without a head turns towards you."),
    (1, "I do not like this at all."),
    (0, "He says, with no mouth to say it: who carries the lantern of my daughter?"),
    (2, "I tell him the truth. We found it in the mill at Greywater, beside her letters."),
    (0, "Make a persuasion check, with advantage, because it is the truth."),
    (2, "Twenty two!"),
    (3, "Yes! Finally."),
    (0, "The knight lowers his sword, and for the first time in a hundred years the bells of the keep ring."),
    (1, "I kneel. I think Tamsin would kneel."),
    (3, "Brannoch does not kneel, but he takes off his hat."),
    (0, "He gives you the key to the drowned library, and he asks for one promise."),
    (2, "What kind of promise?"),
    (0, "That you bring the letters to Ilse before the new moon, which is in three days."),
    (1, "Three days is not enough, the road takes four."),
    (3, "That is why we should have taken the boat."),
    (2, "We promise. Write that down, we promise the knight."),
    (0, "Then we stop here. Take a level, all of you."),
]
PEOPLE = ["Marisol Vega", "Jonas Weidmann", "Tomasz Lis", "Priya Raman"]
CHARACTERS = [None, "Tamsin Reed", "Edric Vale", "Brannoch"]


@functools.cache
def _timed_words() -> tuple[Word, ...]:
    random = np.random.default_rng(12)
    words, at = [], 1_200
    for number, (speaker, text) in enumerate(SCRIPT, start=1):
        if number in {7, 18}:
            at -= 1_900  # an interjection over the end of what is being said
        for token in text.split():
            length = 150 + 42 * len(token)
            score = float(np.clip(random.normal(0.88, 0.1), 0.05, 0.995))
            words.append(Word(token, at, at + length, round(score, 3), f"SPEAKER_{speaker:02d}", f"u{number:04d}"))
            at += length + int(random.integers(10, 60)) + (240 if token[-1] in ".?!:," else 0)
        at += int(random.integers(250, 900))
    words[20] = replace(words[20], score=0.21)
    words[74] = replace(words[74], score=0.0, estimated=True)
    words[75] = replace(words[75], score=0.0, estimated=True)
    words[131] = replace(words[131], score=0.33)
    return tuple(sorted(words, key=lambda w: (w.utterance, w.start_ms)))


def timed_words() -> list[Word]:
    """All words of the session, in order."""
    return list(_timed_words())


def _duration_ms() -> int:
    return max(word.end_ms for word in _timed_words()) + 1_500


@functools.cache
def _sound() -> np.ndarray:
    """A buzz per word at the speaker's own pitch: enough for a waveform that looks and seeks like speech."""
    sound = np.random.default_rng(3).normal(0, 0.0008, _duration_ms() * RATE // 1000).astype(np.float32)
    for word in _timed_words():
        start, end = word.start_ms * RATE // 1000, word.end_ms * RATE // 1000
        time = np.arange(end - start) / RATE
        pitch = (118, 165, 98, 212)[int((word.speaker or "0")[-1])]
        tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
        loud = 0.05 + 0.09 * (hash_of(word.text) % 100) / 100
        sound[start:end] += (loud * tone * np.hanning(end - start)).astype(np.float32)
    return sound


def hash_of(text: str) -> int:
    """The same in every process, unlike hash()."""
    return sum(ord(letter) * (place + 7) for place, letter in enumerate(text))


@functools.cache
def _media() -> dict[str, bytes]:
    """Encoded once a test session: the audio, and two short clips of it."""
    import imageio_ffmpeg

    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        soundfile.write(scratch / "audio.flac", _sound(), RATE)
        quiet = [ffmpeg, "-v", "error", "-bitexact", "-i", str(scratch / "audio.flac")]
        aac = ["-c:a", "aac", "-b:a", "64k", "-bitexact"]
        picture = ["-f", "lavfi", "-i", "color=0x20303c:s=1080x1080:r=2", "-shortest", "-pix_fmt", "yuv420p"]
        jobs: dict[str, list[str]] = {
            "listen.m4a": [*quiet, *aac, "-movflags", "+faststart"],
            "clip-1.mp4": [*quiet, *picture, "-ss", "60", "-t", "15", *aac],
            "clip-2.m4a": [*quiet, "-ss", "10", "-t", "14", *aac],
        }
        for name, command in jobs.items():
            subprocess.run([*command, str(scratch / name)], check=True)
        return {name: (scratch / name).read_bytes() for name in ["audio.flac", *jobs]}


@functools.cache
def talk() -> Talk:
    """How the four talk, measured once a test session."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audio.flac"
        path.write_bytes(_media()["audio.flac"])
        return analyse_talk(path, turns(), timed_words())


def stored(content: bytes, name: str) -> FileRef:
    """Put bytes into this test's store."""
    with workspace("factory") as scratch:
        file = Path(scratch) / name
        file.write_bytes(content)
        return keep(file)


def peaks(count: int = 800) -> list[int]:
    """Waveform, 0..100."""
    blocks = np.array_split(np.abs(_sound()), count)
    high = max(float(block.max()) for block in blocks)
    return [round(100 * float(block.max()) / high) for block in blocks]


def turns() -> list[Turn]:
    """One turn an utterance; two of them overlap."""
    found = [
        Turn(start_ms=u.start_ms or 0, end_ms=u.end_ms or 0, speaker=u.speaker or "")
        for u in utterances_of(timed_words())
    ]
    return sorted(found, key=lambda t: (t.start_ms, t.end_ms))


METRICS = Metrics(
    loudness_lufs=-23.4,
    peak_dbfs=-3.1,
    clipping_share=0.0,
    noise_floor_dbfs=-58.2,
    snr_db=31.5,
    silence_share=0.18,
    bandwidth_hz=7_400.0,
    dc_offset=0.0002,
    channel_balance_db=None,
)


def stamp(seconds: float) -> Provenance:
    """A provenance that looks real."""
    return Provenance(started_at="2026-11-21T08:00:00Z", seconds=seconds)


def words_ref(words: list[Word]) -> FileRef:
    """`words.parquet` as *align* keeps it."""
    with workspace("factory") as scratch:
        path = Path(scratch) / "words.parquet"
        words_frame(words).to_parquet(path, index=False)
        return keep(path)


def notes() -> Notes:
    """Notes of the session, each claim with its evidence."""
    rows = [
        ("What happened", "The party reaches the gate of Hollow Keep in the rain.", ["u0001", "u0002"], True),
        ("What happened", "Tamsin hears two heavy breathers and one that does not breathe.", ["u0003", "u0006"], True),
        ("What happened", "Edric opens the door and holds up the silver lantern.", ["u0011"], True),
        ("What happened", "A headless knight asks who carries the lantern of his daughter.", ["u0012", "u0014"], True),
        ("What happened", "Edric tells the truth: it was found in the mill at Greywater.", ["u0015", "u0017"], True),
        ("What happened", "The knight gives them the key to the drowned library.", ["u0022"], True),
        ("What happened", "They promise to bring the letters to Ilse within three days.", ["u0024", "u0027"], True),
        ("What happened", "The road will take five days.", ["u0025"], False),
        ("Quotes", "“Brannoch always wants the boat.”", ["u0010"], True),
        ("Quotes", "“Who carries the lantern of my daughter?”", ["u0014"], True),
    ]
    claims = [
        Claim(id=f"c{n:03d}", text=text, section=section, evidence=evidence, supported=supported)
        for n, (section, text, evidence, supported) in enumerate(rows, start=1)
    ]
    at = {u.id: u for u in utterances_of(timed_words())}
    chapters = [("At the gate of Hollow Keep", 1, 10), ("The headless knight", 11, 21), ("A promise", 22, 28)]
    return Notes(
        profile="tabletop",
        engine="extractive",
        title="The knight of Hollow Keep",
        abstract=(
            "The party climbs to Hollow Keep, meets a headless knight, wins him over with the truth about a silver "
            "lantern, and leaves with the key to the drowned library and three days to keep a promise."
        ),
        sections=[
            Section(heading=heading, claims=[c.id for c in claims if c.section == heading])
            for heading in ("What happened", "Quotes")
        ],
        claims=claims,
        chapters=[
            Chapter(
                title=title,
                first=f"u{a:04d}",
                last=f"u{b:04d}",
                start_ms=at[f"u{a:04d}"].start_ms,
                end_ms=at[f"u{b:04d}"].end_ms,
            )
            for title, a, b in chapters
        ],
        words_read=len(timed_words()),
        story=(
            "# The knight of Hollow Keep\n\nRain ran down the stones of Hollow Keep, and behind the gate something "
            "breathed. *Tamsin* laid her ear to the wood. [u0003]\n\nThen Edric Vale raised the silver lantern, and a "
            "knight without a head turned towards the light. “Who carries the lantern of my daughter?” "
            "[u0012] [u0014]\n\n"
            "When they had told him the truth, the bells rang for the first time in a hundred years. [u0019]\n"
        ),
    )


def make_findings(**changes: Any) -> Findings:
    """Everything that the stages found; pass `field=value` to change a part, `field=None` for a stage that failed."""
    media, words = _media(), timed_words()
    utterances = utterances_of(words)
    whisper = EngineUse(name="whisperx", version="3.8.6", model="small", reason="its model is in the hub's cache")
    engines = {
        "validate": EngineUse(name="ffmpeg", version="9.0"),
        "preprocess": EngineUse(name="ffmpeg", version="9.0"),
        "listen": EngineUse(name="ffmpeg", version="9.0"),
        "diarize": EngineUse(
            name="bundled",
            version="4.0.7",
            model="segmentation+GE2E",
            degraded=True,
            reason="pyannote/speaker-diarization-community-1 is gated and no HF_TOKEN is set",
        ),
        "transcribe": whisper,
        "align": EngineUse(name="whisperx", version="3.8.6", model="WAV2VEC2_ASR_BASE_960H"),
        "summarize": EngineUse(name="extractive", version="0.1.0"),
        "clip": EngineUse(name="ffmpeg", version="9.0"),
    }
    duration = _duration_ms()
    values: dict[str, Any] = {
        "recording_id": recording_id("Session 12 - Hollow Keep.wav", SOURCE_SHA),
        "source_name": "Session 12 - Hollow Keep.wav",
        "profile": "tabletop",
        "settings": {"diarize": {"engine": "auto", "speakers": 4}, "publish": {"report": True}},
        "engines": engines,
        "validated": Validated(
            facts=RecordingFacts(
                sha256=SOURCE_SHA,
                size=12_345_678,
                container="wav",
                codec="pcm_s16le",
                sample_rate_hz=48_000,
                channels=2,
                bit_rate_bps=1_536_000,
                declared_duration_ms=duration,
                duration_ms=duration,
                tags={"title": "Session 12"},
            ),
            quality=Quality(
                metrics=METRICS,
                issues=[
                    QualityIssue(
                        code=IssueCode.NOISE,
                        severity="warning",
                        message="Steady noise lies 31.5 dB below the voices; quiet words may be missed.",
                    )
                ],
                score=0.78,
                level="good",
                verdict=Verdict.ENHANCE,
            ),
            decoded=stored(media["audio.flac"], "audio.flac"),
            provenance=stamp(2.1),
        ),
        "preprocessed": Preprocessed(
            speech=stored(media["audio.flac"], "audio.flac"),
            duration_ms=duration,
            enhancement=Enhancement(
                steps=["high-pass 80 Hz", "denoise"],
                before=METRICS,
                after=METRICS.model_copy(update={"snr_db": 38.0, "noise_floor_dbfs": -66.9}),
            ),
            provenance=stamp(1.4),
        ),
        "listening": ListeningCopy(
            engine=engines["listen"],
            audio=stored(media["listen.m4a"], "listen.m4a"),
            loudness_lufs=-16.1,
            peaks=peaks(),
            provenance=stamp(0.9),
        ),
        "diarized": Diarized(
            engine=engines["diarize"],
            turns=turns(),
            exclusive=turns(),
            count=CountEstimate(count=4, given=False, alternatives={3: 0.31, 5: 0.12}),
            embeddings=stored(b"not read by publish", "embeddings.npz"),
            speech_ms=sum(t.end_ms - t.start_ms for t in turns()),
            provenance=stamp(14.2),
        ),
        "transcribed": Transcribed(
            engine=whisper,
            language="en",
            segments=[Segment(text=u.text, start_ms=u.start_ms, end_ms=u.end_ms) for u in utterances],
            speech_spans=[(u.start_ms or 0, (u.end_ms or 0) + 200) for u in utterances[:-1]]
            + [(utterances[-1].start_ms or 0, duration)],
            skipped=[SkippedSpan(start_ms=0, end_ms=1_000, reason="silence")],
            doubts=[
                Doubt(
                    kind="impossible-rate",
                    start_ms=utterances[17].start_ms or 0,
                    end_ms=utterances[17].end_ms or 0,
                    text=utterances[17].text,
                    message="Faster than anyone speaks: check these words.",
                )
            ],
            provenance=stamp(31.0),
        ),
        "talk": talk().model_copy(update={"provenance": stamp(0.3)}),
        "aligned": Aligned(
            engine=engines["align"],
            language="en",
            words=words_ref(words),
            word_count=len(words),
            doubts=[
                Doubt(
                    kind="estimated-times",
                    start_ms=words[74].start_ms,
                    end_ms=words[75].end_ms,
                    text=f"{words[74].text} {words[75].text}",
                    message="Could not be aligned; spread over the speech around it.",
                )
            ],
            provenance=stamp(6.5),
        ),
        "speakers": [
            Speaker(
                label=f"SPEAKER_{n:02d}",
                name=PEOPLE[n],
                character=CHARACTERS[n],
                role="game master" if n == 0 else "player",
                role_by="cast",
                named_by="cast",
            )
            for n in range(4)
        ],
        "summarized": Summarized(engine=engines["summarize"], notes=notes(), provenance=stamp(0.7)),
        "clipped": _clips(engines["clip"], media),
    }
    return Findings(**{**values, **changes})


def _clips(engine: EngineUse, media: dict[str, bytes]) -> Clipped:
    captions = stored(b"1\n00:00:00,000 --> 00:00:02,000\nThe knight lowers his sword\n\n", "clip.srt")
    return Clipped(
        engine=engine,
        listing=ClipList(
            clips=[
                Clip(
                    id="clip-1",
                    start_s=60.0,
                    end_s=75.0,
                    score=0.91,
                    reason="A turning point: a question is answered, and it starts and ends on a sentence.",
                    title="Who carries the lantern of my daughter?",
                    preset="square",
                    path="clips/clip-1.mp4",
                    captions="clips/clip-1.srt",
                    evidence=["u0014", "u0015"],
                ),
                Clip(
                    id="clip-2",
                    start_s=10.0,
                    end_s=24.0,
                    score=0.74,
                    reason="Four people in quick exchange around one joke.",
                    title="Brannoch always wants the boat",
                    preset="audio",
                    path="clips/clip-2.m4a",
                    captions="clips/clip-2.srt",
                    evidence=["u0008", "u0009", "u0010"],
                ),
            ]
        ),
        files={
            "clips/clip-1.mp4": stored(media["clip-1.mp4"], "clip-1.mp4"),
            "clips/clip-1.srt": captions,
            "clips/clip-2.m4a": stored(media["clip-2.m4a"], "clip-2.m4a"),
            "clips/clip-2.srt": captions,
        },
        provenance=stamp(4.0),
    )
