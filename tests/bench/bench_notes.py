"""How near the bundled notes come to human summaries: ROUGE F on open game sessions and meetings.

Run: `python -m tests.bench.bench_notes` (needs the `rouge-score` package and the evaluation data). The notes are as
long as the human summary; three plain baselines are measured beside them.
"""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from earwitness.notes.sentences import sentences_of
from earwitness.notes.summarize import choose_writer, summarize
from earwitness.options import Profile
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
LEFT_OUT = {"Announcements", "Pre-Show", "Previously on Critical Role"}
"""Not part of a summary of the session, says the data's README."""


def read_transcript(path: Path) -> tuple[list[Utterance], list[Speaker]]:
    turns = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    labels = {name: f"SPEAKER_{n:02d}" for n, name in enumerate(dict.fromkeys(turn["speaker"] for turn in turns))}
    utterances = [
        Utterance(f"u{n:04d}", labels[turn["speaker"]], None, None, turn["text"]) for n, turn in enumerate(turns, 1)
    ]
    return utterances, [Speaker(label=label, name=name, named_by="transcript") for name, label in labels.items()]


def read_summary(path: Path) -> str:
    kept, skipping = [], False
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("#"):
            if line.startswith("## "):
                skipping = line[3:].strip() in LEFT_OUT
        elif line.strip() and not skipping:
            kept.append(line.strip())
    return "\n".join(kept)


Writer = Callable[[Sequence[Utterance], Sequence[Speaker], Profile, int], list[str]]


def ours(utterances: Sequence[Utterance], speakers: Sequence[Speaker], profile: Profile, words: int) -> list[str]:
    settings = SummarizeSettings(words=words, story=False)
    notes = summarize(utterances, speakers, None, profile, settings, choose_writer(settings)).notes
    return [claim.text for claim in notes.claims]


def lead(utterances: Sequence[Utterance], _s: Sequence[Speaker], _p: Profile, words: int) -> list[str]:
    return _until([(sentence.utterance, sentence.text) for sentence in sentences_of(utterances)], words)


def longest(utterances: Sequence[Utterance], _s: Sequence[Speaker], _p: Profile, words: int) -> list[str]:
    ranked = sorted(enumerate(sentences_of(utterances)), key=lambda item: (-item[1].words, item[0]))
    return _until([(place, sentence.text) for place, sentence in ranked], words)


def central(utterances: Sequence[Utterance], _s: Sequence[Speaker], _p: Profile, words: int) -> list[str]:
    """LexRank with TF-IDF cosine, threshold 0.1 (Erkan and Radev 2004)."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    sentences = sentences_of(utterances)
    matrix = TfidfVectorizer().fit_transform([sentence.text for sentence in sentences])
    alike = (matrix @ matrix.T).tocsr()
    alike.data = np.where(alike.data >= 0.1, 1.0, 0.0)
    degrees = np.asarray(alike.sum(axis=1)).ravel()
    rank = np.full(len(sentences), 1 / len(sentences))
    for _ in range(30):
        rank = 0.15 / len(sentences) + 0.85 * (alike.T @ (rank / degrees.clip(1)))
    order = np.argsort(-rank, kind="stable")
    return _until([(int(place), sentences[place].text) for place in order], words)


def _until(ranked: Sequence[tuple[int, str]], words: int) -> list[str]:
    kept: list[tuple[int, str]] = []
    size = 0
    for place, text in ranked:
        if size >= words:
            break
        kept.append((place, text))
        size += len(text.split())
    return [text for _, text in sorted(kept, key=lambda item: item[0])]


def measure(folder: Path, profile: Profile, writers: dict[str, Writer]) -> None:
    from rouge_score import rouge_scorer

    kinds = ("rouge1", "rouge2", "rougeLsum")
    scorer = rouge_scorer.RougeScorer(list(kinds), use_stemmer=True)
    sums: dict[str, Counter[str]] = {name: Counter() for name in writers}
    paths = sorted(folder.glob("*.jsonl"))
    for path in paths:
        utterances, speakers = read_transcript(path)
        human = read_summary(path.with_suffix("").with_suffix(".summary.md"))
        words = len(human.split())
        for name, write in writers.items():
            started = time.perf_counter()
            lines = write(utterances, speakers, profile, words)
            seconds = time.perf_counter() - started
            scores = scorer.score(human, "\n".join(lines))
            figures = [100 * scores[kind].fmeasure for kind in kinds]
            sums[name].update(dict(zip(kinds, figures, strict=True)))
            written = len(re.findall(r"\S+", " ".join(lines)))
            _print(f"{path.stem:12} {name:9} {_row(figures)}   {written} words of {words}, {seconds:.2f} s")
    for name in writers:
        _print(f"{'mean':12} {name:9} {_row([sums[name][kind] / len(paths) for kind in kinds])}")


def _row(figures: Sequence[float]) -> str:
    return " / ".join(f"{figure:5.1f}" for figure in figures)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    chosen: dict[str, Writer] = {"ours": ours, "longest": longest, "lexrank": central, "lead": lead}
    if "--ours" in sys.argv:
        chosen = {"ours": ours}
    _print("ROUGE-1 / 2 / Lsum F, stemmed")
    measure(DATA / "sessions", Profile.TABLETOP, chosen)
    measure(DATA / "meetings", Profile.WORKPLACE, chosen)
