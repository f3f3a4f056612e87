"""Word error rate of the bundled recogniser beside plain PocketSphinx, and what its confidences are worth.

    .venv/bin/python -m tests.bench.bench_recognise [--conversations]

Plain is PocketSphinx's default decoder with its default settings, the whole file as one utterance, and nothing else.
Both hear the same 16 kHz mono sound, and both texts are compared as `earwitness eval` compares them. Wanted on
`../shared/data/speech`: at most 0.85 of plain's errors, in less than the sound's own time on one core.
`--conversations` also listens to the recordings of several people, whose words count in the order of their start.
"""

import argparse
import csv
import sys
import tempfile
import time
from dataclasses import dataclass, field
from os import environ
from pathlib import Path

from earwitness.audio.pcm import Samples, read_speech, speech_duration_ms
from earwitness.evaluation.scores import WordErrors
from earwitness.evaluation.tokens import Token, normalised, tokens_of
from earwitness.evaluation.words import word_errors
from earwitness.settings import TranscribeSettings
from earwitness.speech.segments import RoughWord
from earwitness.speech.sidecar import read_transcript
from earwitness.speech.transcribe import choose_recogniser, transcribe

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WANTED = 0.85
_LEAST = (0.0, 0.2, 0.4, 0.6, 0.8)


@dataclass
class Total:
    """Sums over recordings."""

    errors: int = 0
    words: int = 0
    seconds: float = 0.0

    def add(self, score: WordErrors, seconds: float) -> str:
        """Count a recording in; return its cell of the table."""
        self.errors += score.substitutions + score.deletions + score.insertions
        self.words += score.reference_words
        self.seconds += seconds
        return f"{100 * (score.error_rate or 0):7.1f} %"

    @property
    def rate(self) -> float:
        """Errors a word of the reference."""
        return self.errors / max(1, self.words)


@dataclass
class Table:
    """Both engines on one set of recordings."""

    plain: Total = field(default_factory=Total)
    ours: Total = field(default_factory=Total)
    sound_s: float = 0.0
    kept: dict[float, tuple[int, int]] = field(default_factory=dict)
    """Least confidence → right words and all words that are at least so sure."""

    def listen(self, path: Path, said: list[Token]) -> None:
        """One recording: print its line."""
        plain, plain_s = _plainly(read_speech(path))
        words, ours_s = _ours(path)
        heard = [token for word in words for token in tokens_of(word.text, None, word.start_ms, word.end_ms)]
        cells = self.plain.add(word_errors(said, plain)[0], plain_s), self.ours.add(word_errors(said, heard)[0], ours_s)
        self.sound_s += speech_duration_ms(path) / 1000
        self._judge(said, words)
        print(f"{path.stem:34}{len(said):5} words   plain {cells[0]}   bundled {cells[1]}", flush=True)

    def _judge(self, said: list[Token], words: list[RoughWord]) -> None:
        tokens = [Token(text, start_ms=at) for at, word in enumerate(words) for text in normalised(word.text)]
        pairs = word_errors(said, tokens)[1]
        right = {id(ours) for theirs, ours in pairs if theirs.text == ours.text}
        for least in _LEAST:
            sure = [token for token in tokens if (words[token.start_ms or 0].score or 0) >= least]
            hits, of = self.kept.get(least, (0, 0))
            self.kept[least] = hits + sum(id(token) in right for token in sure), of + len(sure)

    def total(self) -> None:
        """Print the sums."""
        for name, total in (("plain PocketSphinx", self.plain), ("bundled", self.ours)):
            pace = total.seconds / self.sound_s
            print(f"{name:20} WER {100 * total.rate:5.1f} %  {total.errors}/{total.words}  {pace:.2f} x real time")
        print(f"bundled / plain      {self.ours.rate / self.plain.rate:.3f}  (wanted {WANTED})")
        for least, (hits, of) in self.kept.items():
            if of:
                print(f"words at least {least:.1f} sure: {of:5}, wrong of them {100 * (1 - hits / of):5.1f} %")


def _plainly(samples: Samples) -> tuple[list[Token], float]:
    import pocketsphinx

    decoder = pocketsphinx.Decoder(loglevel="FATAL")
    sound = (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    began = time.process_time()
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    seconds = time.process_time() - began
    return [Token(word) for word in normalised(found.hypstr if found else "")], seconds


def _ours(path: Path) -> tuple[list[RoughWord], float]:
    settings = TranscribeSettings(engine="bundled")
    began = time.process_time()
    found = transcribe(path, settings, choose_recogniser(settings, None))
    return [word for segment in found.segments for word in segment.words], time.process_time() - began


def _speech_copy(path: Path, folder: Path) -> Path:
    """16 kHz mono, made as the pipeline makes it."""
    from earwitness.audio.preprocess import preprocess
    from earwitness.audio.validate import validate_recording
    from earwitness.settings import PreprocessSettings, ValidateSettings

    made = preprocess(validate_recording(path, ValidateSettings(), None), PreprocessSettings()).speech.path
    target = folder / f"{path.stem}.flac"
    target.symlink_to(made)
    return target


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", action="store_true", help="also recordings of several people")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"No evaluation data at {DATA}.")
    with tempfile.TemporaryDirectory() as home:
        environ["EARWITNESS_HOME"] = home
        _ours(DATA / "conversations" / "phone_two_speakers.flac")  # loads what both need
        table = Table()
        with (DATA / "speech" / "transcripts.csv").open(newline="") as rows:
            for row in csv.DictReader(rows):
                said = [Token(text) for text in normalised(row["transcript"])]
                table.listen(_speech_copy(DATA / "speech" / row["file"], Path(home)), said)
        table.total()
        if options.conversations:
            table = Table()
            for stm in sorted((DATA / "conversations").glob("*.stm")):
                said = [Token(text) for line in read_transcript(stm) for text in normalised(line.text)]
                table.listen(stm.with_suffix(".flac"), said)
            table.total()


if __name__ == "__main__":
    main()
