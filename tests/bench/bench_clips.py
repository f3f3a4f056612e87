"""Where clips are cut, whether they show what matters, and what rendering costs. docs/clips.md defines the figures.

Run: `python -m tests.bench.bench_clips [boundaries|salience|rendering] [--clips 10]` (needs the evaluation data). All
recordings come with their words, so that the recogniser's errors stay out of it.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median

import earwitness.demo
from earwitness.audio.ffmpeg import ffmpeg_path
from earwitness.checks.clips import onset_errors_ms
from earwitness.clips.choose import Moment, choose_moments
from earwitness.clips.clip import Clip
from earwitness.clips.fonts import fonts_in
from earwitness.clips.make import Made, Studio, choose_clip_maker, make_clips
from earwitness.clips.render import ENCODING, FRAME_RATE
from earwitness.clips.units import units_of
from earwitness.notes.sentences import sentences_of
from earwitness.notes.summarize import choose_writer, summarize
from earwitness.options import Profile
from earwitness.settings import ClipSettings, SummarizeSettings
from earwitness.storage.store import FileRef
from earwitness.words.cast import Speaker
from earwitness.words.punctuation import ends_sentence
from earwitness.words.transcript import Utterance, Word
from tests.bench.bench_notes import DATA, read_summary, read_transcript

WORD_MS = 375
"""160 words a minute, where a transcript has no times."""
GRAZE_MS = 60
"""Word times are no better than this."""
LIMITS = ((12.0, 60.0), (5.0, 15.0))


@dataclass(frozen=True)
class Talk:
    """A recording and its words."""

    name: str
    audio: Path
    utterances: list[Utterance]


def spread(key: str, speaker: str, start_ms: int, end_ms: int, text: str) -> Utterance:
    """An utterance whose words share its time by their length."""
    texts = text.split()
    total, passed, words = sum(len(word) + 1 for word in texts), 0, []
    for word in texts:
        begin = start_ms + (end_ms - start_ms) * passed // total
        passed += len(word) + 1
        words.append(Word(word, begin, start_ms + (end_ms - start_ms) * passed // total, 1.0, speaker, key))
    return Utterance(key, speaker, start_ms, end_ms, text, tuple(words))


def talks() -> Iterator[Talk]:
    """All conversations of the evaluation data, and the demo's scene."""
    folder = DATA / "conversations"
    for audio in sorted(folder.glob("*.flac")):
        timed = audio.with_suffix(".words.tsv")
        if timed.exists():
            yield Talk(audio.stem, audio, _from_words(timed))
        else:
            lines = [line.split(maxsplit=5) for line in audio.with_suffix(".stm").read_text("utf-8").splitlines()]
            turns = [(w[2], w[3], w[4], w[5].split("> ", 1)[-1] if w[5].startswith("<") else w[5]) for w in lines]
            yield Talk(audio.stem, audio, _from_turns(turns))
    demo = Path(earwitness.demo.__file__).parent
    texts = [line.split(": ", 1)[1] for line in (demo / "scene.txt").read_text("utf-8").splitlines() if ": " in line]
    turns = json.loads((demo / "spoken.json").read_text("utf-8"))["turns"]
    assert len(texts) == len(turns)
    spoken = [(t["speaker"], t["start_ms"] / 1000, t["end_ms"] / 1000, x) for t, x in zip(turns, texts, strict=True)]
    yield Talk("demo scene", demo / "scene.ogg", _from_turns(spoken))


def _from_turns(turns: Sequence[tuple[str, object, object, str]]) -> list[Utterance]:
    return [
        spread(f"u{n:04d}", speaker, round(float(str(start)) * 1000), round(float(str(end)) * 1000), text)
        for n, (speaker, start, end, text) in enumerate(turns, 1)
    ]


def _from_words(path: Path) -> list[Utterance]:
    rows = list(csv.DictReader(path.open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE))
    found: list[Utterance] = []
    latest: dict[str, list[Word]] = {}
    runs: list[list[Word]] = []
    for row in sorted(rows, key=lambda row: float(row["start"])):
        start, end = round(float(row["start"]) * 1000), round(float(row["end"]) * 1000)
        if end <= start:
            continue
        run = latest.get(row["speaker"])
        if run is None or start - run[-1].end_ms > 1_200:
            run = latest[row["speaker"]] = []
            runs.append(run)
        run.append(Word(row["word"], start, end, 1.0, row["speaker"], f"u{runs.index(run) + 1:04d}"))
    for run in runs:
        text = " ".join(word.text for word in run)
        found.append(Utterance(run[0].utterance, run[0].speaker, run[0].start_ms, run[-1].end_ms, text, tuple(run)))
    return found


def boundaries() -> None:
    _print(f"{'recording':26} limits  clips  in a word  at a sentence  in limits  overlaps  onset ms    LUFS")
    total: Counter[str] = Counter()
    onsets: list[int] = []
    levels: list[float] = []
    for talk in talks():
        for low, high in LIMITS:
            settings = ClipSettings(count=5, min_s=low, max_s=high, video=False)
            with tempfile.TemporaryDirectory() as home:
                os.environ["EARWITNESS_HOME"] = home
                made = make_clips(talk.audio, talk.utterances, [], None, settings, choose_clip_maker())
                found, here, heard = _measure(talk, made.listing.clips, made.files, low, high)
            total.update(found)
            onsets += here
            levels += heard
            shown = "    ".join(f"{found[key]:6}" for key in ("clips", "in_word", "sentence", "within", "overlaps"))
            late = f"{median(here):8.0f}" if here else "       -"
            _print(f"{talk.name:26} {low:g}-{high:g}  {shown}  {late}  {'/'.join(f'{x:.1f}' for x in heard) or '-'}")
            for line in (*made.warnings, *([made.listing.reason] if not made.listing.clips else [])):
                _print(f"    {line}")
    clips = total["clips"]
    _print(
        f"total: {clips} clips; {total['in_word']} of {2 * clips} cuts in a word; {total['sentence'] / clips:.1%} of "
        f"starts at a sentence; {total['within'] / clips:.1%} within the limits; {total['overlaps']} pairs overlap; "
        f"captions {median(onsets):.0f} ms off at the median; {min(levels):.2f} to {max(levels):.2f} LUFS"
    )


def _measure(
    talk: Talk, clips: Sequence[Clip], files: Mapping[str, FileRef], low: float, high: float
) -> tuple[Counter[str], list[int], list[float]]:
    found: Counter[str] = Counter(clips=len(clips), in_word=0, sentence=0, within=0, overlaps=0)
    words = [word for utterance in talk.utterances for word in utterance.words]
    openings = {u.words[n].start_ms for u in talk.utterances for n in range(len(u.words))
                if n == 0 or ends_sentence(u.words[n - 1].text)}  # fmt: skip
    onsets: list[int] = []
    levels: list[float] = []
    for clip in clips:
        start, end = round(clip.start_s * 1000), round(clip.end_s * 1000)
        for cut in (start, end):
            found["in_word"] += any(w.start_ms + GRAZE_MS < cut < w.end_ms - GRAZE_MS for w in words)
        first = min((w.start_ms for w in words if w.end_ms > start + GRAZE_MS), default=0)
        found["sentence"] += first in openings
        found["within"] += low <= clip.end_s - clip.start_s <= high
        found["overlaps"] += sum(o.id < clip.id and o.start_s < clip.end_s and o.end_s > clip.start_s for o in clips)
        inside = [max(0, w.start_ms - start) for w in words if w.end_ms > start and w.start_ms < end]
        assert clip.captions is not None
        onsets += onset_errors_ms(files[clip.captions].path, inside)
        levels += [made.loudness_lufs for made in clip.renditions if made.loudness_lufs is not None]
    return found, onsets, levels


PASSAGE_WORDS = 80
"""Half a minute."""
Heard = Sequence[tuple[int, bool]]
"""Start of each word, and whether the summary tells it."""


def salience() -> None:
    """Share of the words heard in clips that the human summary tells, against windows taken by chance."""
    for kind, profile, count in (("sessions", Profile.TABLETOP, 10), ("meetings", Profile.WORKPLACE, 5)):
        _print(f"{kind:12} {'told':>6} {'ours':>6} {'random':>7} {'lead':>6} {'longest':>8}  ours/random; turns alike")
        sums: Counter[str] = Counter()
        alike: Counter[str] = Counter()
        paths = sorted((DATA / kind).glob("*.jsonl"))
        for path in paths:
            timed, speakers, end = _timed_by_words(path)
            summary = read_summary(path.with_suffix("").with_suffix(".summary.md"))
            writing = SummarizeSettings(story=False)
            notes = summarize(timed, speakers, None, profile, writing, choose_writer(writing)).notes
            clips = ClipSettings(count=count, min_s=12, max_s=60, video=False)
            chosen = choose_moments(timed, notes, clips, speakers=speakers, profile=profile).moments
            spans = [(moment.start_ms, moment.end_ms) for moment in chosen]
            figures = _against_baselines(told_by(timed, summary), timed, spans, end)
            turns = _against_baselines(alike_by(timed, summary), timed, spans, end)
            sums.update(figures)
            alike.update(turns)
            _print(_salience_row(path.stem, figures, turns))
        mean = [{key: value / len(paths) for key, value in found.items()} for found in (sums, alike)]
        _print(_salience_row("mean", *mean))


def _timed_by_words(path: Path) -> tuple[list[Utterance], list[Speaker], int]:
    utterances, speakers = read_transcript(path)
    timed, at = [], 0
    for utterance in utterances:
        length = max(1, len(utterance.text.split())) * WORD_MS
        timed.append(spread(utterance.id, str(utterance.speaker), at, at + length, utterance.text))
        at += length
    return timed, speakers, at


def _salience_row(name: str, found: Mapping[str, float], turns: Mapping[str, float]) -> str:
    cells = "  ".join(f"{found[key]:6.1%}" for key in ("told", "ours", "random", "lead", "longest"))
    ratios = [part["ours"] / part["random"] if part["random"] else 0.0 for part in (found, turns)]
    return f"{name:12} {cells}  {ratios[0]:.2f}; {ratios[1]:.2f}"


def told_by(utterances: Sequence[Utterance], summary: str) -> Heard:
    """Each sentence of the summary points to the passage most like it (TF-IDF cosine): those passages are told.

    Passages are runs of whole sentences of at least 80 words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    units = units_of(utterances)
    passages, last = [], 0
    until = [0, *accumulate(len(unit.words) for unit in units)]
    for first in range(len(units)):
        while last < len(units) and until[last] - until[first] < PASSAGE_WORDS:
            last += 1
        if until[last] - until[first] >= PASSAGE_WORDS:
            passages.append((first, last))
    vectors = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    texts = vectors.fit_transform(" ".join(unit.text for unit in units[first:last]) for first, last in passages)
    told: set[int] = set()
    for column in (texts @ vectors.transform(_lines(summary)).T).T.toarray():
        if column.max() > 0:
            told.update(range(*passages[int(column.argmax())]))
    return [(word.start_ms, place in told) for place, unit in enumerate(units) for word in unit.words]


def alike_by(utterances: Sequence[Utterance], summary: str) -> Heard:
    """Turns of five words or more that are much like a sentence of the summary (TF-IDF cosine of 0.2)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    turns = [utterance for utterance in utterances if len(utterance.words) >= 5]
    alike = vectors.fit_transform([turn.text for turn in turns]) @ vectors.transform(_lines(summary)).T
    found = {turn.id for turn, most in zip(turns, alike.max(axis=1).toarray().ravel(), strict=True) if most >= 0.2}
    return [(word.start_ms, word.utterance in found) for utterance in utterances for word in utterance.words]


def _lines(summary: str) -> list[str]:
    return [s.text for s in sentences_of([Utterance("s", None, None, None, summary)]) if s.words >= 5]


def share(heard: Heard, spans: Sequence[tuple[int, int]]) -> float:
    """Of the words that are heard in the spans, those that are told."""
    flags = [told for at, told in heard if any(a <= at < b for a, b in spans)]
    return sum(flags) / max(1, len(flags))


def _against_baselines(
    heard: Heard, utterances: Sequence[Utterance], spans: Sequence[tuple[int, int]], end: int
) -> dict[str, float]:
    """Our clips, and windows as long as ours, each whole: at random, from the start on, and on the longest turns."""
    draw = random.Random(7)
    lengths = [b - a for a, b in spans]
    starts = [unit.start_ms for unit in units_of(utterances)]
    by_chance = []
    for _ in range(100):
        drawn = [(at, at + length) for length in lengths for at in [draw.choice(starts)] if at + length <= end]
        by_chance.append(share(heard, drawn))
    lead, at = [], 0
    for length in lengths:
        lead.append((at, at + length))
        at += length
    longest = sorted(utterances, key=lambda u: (-len(u.words), u.start_ms))[: len(lengths)]
    on_them = [(u.start_ms or 0, (u.start_ms or 0) + length) for u, length in zip(longest, lengths, strict=True)]
    return {
        "told": share(heard, [(0, end)]),
        "ours": share(heard, spans),
        "random": sum(by_chance) / len(by_chance),
        "lead": share(heard, lead),
        "longest": share(heard, on_them),
    }


def rendering(count: int) -> None:
    """Clips of 30 s at 1080x1920, cut, levelled, drawn and checked, and the same frames encoded by ffmpeg alone."""
    talk = next(talk for talk in talks() if talk.name == "constructed_2spk")
    units = units_of(talk.utterances)
    settings = ClipSettings(count=count, min_s=12, max_s=60, video=True, presets=("tiktok",))
    names = {"2609": "Reader one", "3080": "Reader two"}
    starts = [1_000 + number * 15_000 for number in range(count)]
    moments = [Moment(start, start + 29_500, 0.5, {}, title="What they read") for start in starts]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        studio = Studio(talk.audio, units, names, settings, None, Profile.PODCAST, folder, fonts_in(folder), None)
        made: list[Made] = []
        ours, ours_cpu = _timed(lambda: made.extend(studio.make_all(moments)))
        for clip in made:
            if clip.clip is None:
                raise SystemExit(f"a clip could not be made: {clip.warnings}")
        bare = bare_cpu = 0.0
        for clip in made:
            wall, cpu = _bare(next(file for file in clip.files.values() if file.suffix == ".mp4"), folder)
            bare, bare_cpu = bare + wall, bare_cpu + cpu
    ratio = f"{ours / bare:.2f} times, {ours_cpu / bare_cpu:.2f} in processor time"
    cpus = f"{ours_cpu:.0f} and {bare_cpu:.0f} s of processor"
    _print(f"{count} clips of 30 s: {ours:.1f} s against {bare:.1f} s of bare encoding ({cpus}): {ratio}")


def _bare(clip: Path, folder: Path) -> tuple[float, float]:
    """ffmpeg encoding the frames of a clip with the same settings, from raw frames on the disk, one clip at a time."""
    frames = folder / "frames.yuv"
    raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", "-i", str(clip), *raw, str(frames)], check=True)
    given = [*raw, "-s", "1080x1920", "-r", str(FRAME_RATE), "-i", str(frames)]
    asked = [part for key, value in ENCODING.items() for part in (f"-{key}", str(value))]
    command = [ffmpeg_path(), "-v", "error", "-y", *given, *asked, str(folder / "bare.mp4")]
    return _timed(lambda: subprocess.run(command, check=True))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processor, children included."""
    before, clock = _processor_s(), time.perf_counter()
    work()
    return time.perf_counter() - clock, _processor_s() - before


def _processor_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in spent)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("parts", nargs="*", default=["boundaries", "salience", "rendering"])
    asked.add_argument("--clips", type=int, default=10)
    given = asked.parse_args()
    if "boundaries" in given.parts:
        boundaries()
    if "salience" in given.parts:
        salience()
    if "rendering" in given.parts:
        rendering(given.clips)


if __name__ == "__main__":
    main()
