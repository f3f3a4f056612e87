"""Word times and speakers of the bundled aligner on hand-made transcripts: real meetings, constructed conversations.

Word times are known for the meetings only. The right speaker of a word is that of its line in the transcript; voices
are matched to names so that as many words as possible are right. "joined" transcripts have lines that span up to three
people, as recognisers write them.

Run: `.venv/bin/python -m tests.bench.bench_align` (needs `../shared/data/conversations`).
"""

import csv
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pyannote.core import Annotation
from pyannote.core import Segment as Stretch

from earwitness.audio.pcm import speech_duration_ms
from earwitness.engines.engine import EngineUse
from earwitness.evaluation.tokens import Token
from earwitness.evaluation.words import Pair, word_speakers
from earwitness.settings import AlignSettings, DiarizeSettings
from earwitness.speech.diarize import choose_diarizer, diarize
from earwitness.speech.segments import Segment, Transcribed
from earwitness.speech.sidecar import read_transcript
from earwitness.speech.turns import CountEstimate, Diarized, Turn
from earwitness.speech.voice_activity import speech_spans
from earwitness.storage.store import keep, workspace
from earwitness.words.align import align, choose_aligner
from earwitness.words.assign import Attribution
from earwitness.words.bundled_aligner import BundledAligner
from earwitness.words.placing import in_order
from earwitness.words.transcript import Word, read_words

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "conversations"


def reference_turns(rttm: Path) -> Diarized:
    """The reference as a diarization: labels in order of appearance, exclusive = whoever spoke last keeps silent."""
    rows = sorted((float(c[3]), float(c[4]), c[7]) for c in map(str.split, rttm.read_text().splitlines()))
    labels: dict[str, str] = {}
    for _, _, name in rows:
        labels.setdefault(name, f"SPEAKER_{len(labels):02d}")
    turns = [Turn(start_ms=round(a * 1000), end_ms=round((a + d) * 1000), speaker=labels[name]) for a, d, name in rows]
    annotation = Annotation()
    for number, turn in enumerate(turns):
        annotation[Stretch(turn.start_ms, turn.end_ms), number] = turn.speaker
    exclusive: list[Turn] = []
    edges = sorted({t for turn in turns for t in (turn.start_ms, turn.end_ms)})
    for a, b in itertools.pairwise(edges):
        on = [turn for turn in turns if turn.start_ms <= a and turn.end_ms >= b]
        if on:
            speaker = max(on, key=lambda turn: turn.end_ms - turn.start_ms).speaker
            if exclusive and exclusive[-1].end_ms == a and exclusive[-1].speaker == speaker:
                exclusive[-1] = Turn(start_ms=exclusive[-1].start_ms, end_ms=b, speaker=speaker)
            else:
                exclusive.append(Turn(start_ms=a, end_ms=b, speaker=speaker))
    with workspace("bench") as folder:
        path = Path(folder) / "none.npz"
        np.savez(path)
        embeddings = keep(path)
    return Diarized(
        engine=EngineUse(name="reference", version="1"),
        turns=turns,
        exclusive=exclusive,
        count=CountEstimate(count=len(labels), given=True),
        embeddings=embeddings,
        speech_ms=int(annotation.get_timeline().support().duration()),
    )


def run(label: str, change: Callable[[list[Segment]], list[Segment]], *, turns: bool = True) -> None:
    """Align all meetings with changed transcripts and print the figures."""
    errors: list[float] = []
    right = total = placed = estimated = 0
    seconds = sound = 0.0
    for stm in sorted(DATA.glob("ami_*.stm")):
        flac = stm.with_suffix(".flac")
        truth = list(csv.DictReader(stm.with_suffix(".words.tsv").open(), delimiter="\t"))
        transcribed = Transcribed(
            engine=EngineUse(name="sidecar", version="1"),
            language="en",
            segments=change(read_transcript(stm)),
            speech_spans=speech_spans(flac),
        )
        diarized = reference_turns(stm.with_suffix(".words.rttm")) if turns else None
        settings = AlignSettings(engine="bundled")
        began = time.perf_counter()
        aligned = align(flac, transcribed, diarized, settings, choose_aligner(settings, "en"))
        seconds += time.perf_counter() - began
        sound += 30
        words = read_words(aligned.words.path)
        names = _names(aligned.names, stm, diarized)
        for word, row in _paired(words, truth):
            total += 1
            if word is None:
                continue
            placed += 1
            estimated += word.estimated
            errors += [abs(word.start_ms / 1000 - float(row["start"])), abs(word.end_ms / 1000 - float(row["end"]))]
            right += names.get(word.speaker or "") == row["speaker"]
    found = np.array(errors)
    print(
        f"{label:34} words {total}  placed {placed / total:.1%}  estimated {estimated / total:.1%}  "
        f"median {np.median(found) * 1000:.0f} ms  within 200 ms {np.mean(found <= 0.2):.1%}  "
        f"right speaker {right / total:.1%}  {seconds / sound:.2f} x real time",
        flush=True,
    )


def _names(names: dict[str, str], stm: Path, diarized: Diarized | None) -> dict[str, str]:
    if names or diarized is None:
        return names
    order: dict[str, str] = {}
    rows = sorted(
        (float(c[3]), float(c[4]), c[7])
        for c in map(str.split, stm.with_suffix(".words.rttm").read_text().splitlines())
    )
    for _, _, name in rows:
        order.setdefault(name, f"SPEAKER_{len(order):02d}")
    return {label: name for name, label in order.items()}


def _paired(words: list[Word], truth: list[dict[str, str]]) -> list[tuple[Word | None, dict[str, str]]]:
    """Each true word with ours: equal text, in order of time within equal texts."""
    waiting: dict[str, list[Word]] = {}
    for word in sorted(words, key=lambda w: w.start_ms):
        waiting.setdefault(word.text, []).append(word)
    pairs: list[tuple[Word | None, dict[str, str]]] = []
    for row in sorted(truth, key=lambda r: float(r["start"])):
        same = waiting.get(row["word"], [])
        pairs.append((same.pop(0) if same else None, row))
    return pairs


def speakers(label: str, pattern: str, *, own: bool = False, together: int = 1) -> None:
    """Give the words of lines without names to voices, and print how many got the right one.

    Args:
        label: of the line that is printed.
        pattern: of the recordings.
        own: with our own diarization instead of the reference.
        together: up to so many lines that follow one another are joined, whoever says them.
    """
    right = total = 0
    for stm in sorted(DATA.glob(pattern)):
        flac = stm.with_suffix(".flac")
        segments, said_by = joined(read_transcript(stm), together)
        words_only = stm.with_suffix(".words.rttm")
        settings = DiarizeSettings(engine="bundled")
        diarized = (
            diarize(flac, settings, choose_diarizer(settings))
            if own
            else reference_turns(words_only if words_only.exists() else stm.with_suffix(".rttm"))
        )
        duration_ms = speech_duration_ms(flac)
        aligner = BundledAligner(flac, speech_spans(flac), duration_ms)
        voices = Attribution(diarized.turns, diarized.exclusive)
        pairs: list[Pair] = []
        for segment, placed, names in zip(segments, aligner.place_segments(segments), said_by, strict=True):
            words = in_order(placed, duration_ms)
            found = voices.speakers_of_line(words, (segment.start_ms or 0, segment.end_ms or 0))
            pairs += [
                (Token(word.text, name), Token(word.text, voice))
                for word, name, voice in zip(words, names, found, strict=True)
            ]
        score = word_speakers(pairs)
        right += score.words - score.wrong
        total += score.words
    print(f"{label:60} words {total}  right speaker {right / total:.1%}", flush=True)


def joined(lines: list[Segment], together: int) -> tuple[list[Segment], list[list[str]]]:
    """Lines without names, up to so many of them made one where they follow one another; who says each word."""
    segments: list[Segment] = []
    said_by: list[list[str]] = []
    parts = 0
    for line in lines:
        names = [line.speaker or ""] * len(line.text.split())
        start, last = line.start_ms or 0, (segments[-1].end_ms or 0) if segments else 0
        if segments and parts < together and -300 <= start - last < 1500:
            text, end = f"{segments[-1].text} {line.text}", max(last, line.end_ms or 0)
            segments[-1] = segments[-1].model_copy(update={"text": text, "end_ms": end})
            said_by[-1] += names
            parts += 1
        else:
            segments.append(line.model_copy(update={"speaker": None}))
            said_by.append(names)
            parts = 1
    return segments, said_by


def shifted(reach_ms: int) -> Callable[[list[Segment]], list[Segment]]:
    """Every boundary off by up to so much."""

    def change(segments: list[Segment]) -> list[Segment]:
        dice = random.Random(7)
        moved = []
        for segment in segments:
            start = max(0, (segment.start_ms or 0) + dice.randint(-reach_ms, reach_ms))
            end = max(start + 100, (segment.end_ms or 0) + dice.randint(-reach_ms, reach_ms))
            moved.append(segment.model_copy(update={"start_ms": start, "end_ms": end}))
        return sorted(moved, key=lambda s: s.start_ms or 0)

    return change


def without(*fields: str) -> Callable[[list[Segment]], list[Segment]]:
    """Transcripts that know less."""
    return lambda segments: [s.model_copy(update=dict.fromkeys(fields)) for s in segments]


def main() -> None:
    """Print the table."""
    if not DATA.is_dir():
        sys.exit(f"No evaluation data at {DATA}.")
    os.environ.setdefault("EARWITNESS_HOME", tempfile.mkdtemp())
    run("as transcribed", lambda segments: segments)
    run("no names, reference turns", without("speaker"))
    run("boundaries off by up to 0.5 s", shifted(500))
    run("boundaries off by up to 1 s", shifted(1000))
    run("no times at all", without("start_ms", "end_ms"))
    for kind, pattern in (
        ("meetings", "ami_*.stm"),
        ("constructed", "constructed_*.stm"),
        ("telephone", "phone_*.stm"),
    ):
        speakers(f"{kind}: no names, reference turns", pattern)
        speakers(f"{kind}: no names, our own diarization", pattern, own=True)
        speakers(f"{kind}: no names, up to 3 lines joined, reference turns", pattern, together=3)
        speakers(f"{kind}: no names, up to 3 lines joined, our own diarization", pattern, own=True, together=3)


if __name__ == "__main__":
    main()
