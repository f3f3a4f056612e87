"""One file a speaker against one sound of everybody: who spoke when, and whose words they are, in one run.

Run from the repository root:

    python -m tests.bench.bench_tracks [--data DIR] [--words-s SECONDS] [--bleed-db DB...]

The constructed conversations are taken apart by their reference into a track a speaker (the utterances of
`constructed_6spk_overlap` are taken from the recordings in which nobody overlaps). Into every track all others bleed,
weaker by the given decibels and 20 to 40 ms late, over noise of its own at -60 dBFS. "Mixed" is the sum of the same
tracks without bleed, so the better case of it, with the number of speakers unknown and given. DER counts overlap, has
no collar, and scores the whole file. Words: the bundled recogniser and aligner on the first seconds of each; "right" is
the share of the reference's words that were found at all (or as another word in their place) which have the right
speaker, cpWER counts all errors.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass
from os import environ
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from earwitness.audio.pcm import read_speech
from earwitness.evaluation.diarization import diarization_score, whole_file
from earwitness.evaluation.tokens import Token, normalised, tokens_of
from earwitness.evaluation.words import cp_word_errors, word_errors, word_speakers
from earwitness.settings import AlignSettings, DiarizeSettings, PreprocessSettings, TranscribeSettings, ValidateSettings
from earwitness.speech.diarize import choose_diarizer, diarize
from earwitness.speech.transcribe import choose_recogniser, transcribe
from earwitness.speech.turns import Diarized, Turn
from earwitness.tracks.align import align_tracks
from earwitness.tracks.diarize import diarize_tracks, tracks_engine
from earwitness.tracks.facts import TracksPreprocessed
from earwitness.tracks.find import content_digest
from earwitness.tracks.measure import validate_tracks
from earwitness.tracks.preprocess import preprocess_tracks
from earwitness.tracks.transcribe import transcribe_tracks
from earwitness.words.align import align, choose_aligner
from earwitness.words.transcript import Aligned, read_words

_DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "conversations"
_NAMES = ("constructed_2spk", "constructed_4spk", "constructed_6spk_overlap")
_RATE_HZ = 16_000
_NOISE_DBFS = -60.0
_TRANSCRIBE = TranscribeSettings(engine="bundled", language="en")
_ALIGN = AlignSettings(engine="bundled")


@dataclass(frozen=True)
class Talk:
    """A conversation taken apart."""

    name: str
    turns: list[Turn]
    texts: list[str]
    """Of each turn."""
    voices: dict[str, npt.NDArray[np.float32]]

    def until(self, end_s: float) -> "Talk":
        """Its beginning, up to the last turn that ends by then."""
        kept = [number for number, turn in enumerate(self.turns) if turn.end_ms <= end_s * 1000]
        end = max((self.turns[number].end_ms for number in kept), default=0) * 16 + _RATE_HZ // 2
        later = min((t.start_ms * 16 for n, t in enumerate(self.turns) if n not in kept), default=end)
        voices = {name: voice[: min(end, later)] for name, voice in self.voices.items()}
        return Talk(self.name, [self.turns[n] for n in kept], [self.texts[n] for n in kept], voices)

    def words(self) -> list[Token]:
        """What is said, in order of the turns."""
        return [
            token
            for turn, text in zip(self.turns, self.texts, strict=True)
            for token in tokens_of(text, turn.speaker, turn.start_ms, turn.end_ms)
        ]


def take_apart(data: Path) -> list[Talk]:
    """The constructed conversations, a voice a speaker."""
    said: dict[str, npt.NDArray[np.float32]] = {}
    talks = []
    for name in _NAMES:
        path = data / f"{name}.flac"
        turns, texts, places = [], [], []
        for turn in json.loads(path.with_suffix(".json").read_text("utf-8"))["turns"]:
            start, end = round(turn["start"] * 1000), round(turn["end"] * 1000)
            turns.append(Turn(start_ms=start, end_ms=end, speaker=turn["speaker"]))
            texts.append(turn["text"])
            if turn["utterance"] not in said:
                said[turn["utterance"]] = read_speech(path, start, end)
            places.append((turn["speaker"], start * 16, said[turn["utterance"]]))
        length = soundfile.info(path).frames
        voices = {speaker: np.zeros(length, np.float32) for speaker in sorted({turn.speaker for turn in turns})}
        for speaker, at, sound in places:
            part = voices[speaker][at : at + len(sound)]
            part += sound[: len(part)]
        talks.append(Talk(name, turns, texts, voices))
    return talks


def write(talk: Talk, folder: Path, bleed_db: float) -> tuple[Path, Path]:
    """(folder of tracks, file with everybody)."""
    tracks = folder / "tracks"
    tracks.mkdir(parents=True)
    random = np.random.default_rng(1)
    for number, (name, voice) in enumerate(talk.voices.items(), 1):
        track = voice + random.normal(0, 10 ** (_NOISE_DBFS / 20), len(voice)).astype(np.float32)
        for other, theirs in talk.voices.items():
            late = int(random.uniform(0.020, 0.040) * _RATE_HZ)
            if other != name:
                track[late:] += np.float32(10 ** (bleed_db / 20)) * theirs[:-late]
        soundfile.write(tracks / f"{number}-reader{name}.flac", np.clip(track, -1, 1), _RATE_HZ)
    total = sum(talk.voices.values(), np.zeros(1, np.float32))
    total = total + random.normal(0, 10 ** (_NOISE_DBFS / 20), len(total)).astype(np.float32)
    mixed = folder / "mixed.flac"
    soundfile.write(mixed, total * min(1.0, 0.89 / float(np.abs(total).max())), _RATE_HZ)
    return tracks, mixed


def of_tracks(folder: Path) -> tuple[TracksPreprocessed, Diarized]:
    """As the pipeline hears a folder with `--tracks speakers`."""
    validated = validate_tracks(folder, content_digest(folder), "speakers", ValidateSettings())
    speech = preprocess_tracks(validated, PreprocessSettings())
    return speech, diarize_tracks(speech, None, tracks_engine("speakers", "auto"))


def of_mix(path: Path, speakers: int | None) -> Diarized:
    """The bundled diarizer."""
    settings = DiarizeSettings(engine="bundled", speakers=speakers)
    return diarize(path, settings, choose_diarizer(settings))


def score_turns(talk: Talk, found: Diarized) -> tuple[float, float, int]:
    """(seconds of error, seconds of speech, speakers found)."""
    length_ms = len(next(iter(talk.voices.values()))) // 16
    score = diarization_score(talk.turns, found.turns, whole_file(length_ms, talk.turns))
    error_s = score.missed_s + score.false_alarm_s + score.confusion_s
    return error_s, score.speech_s, score.speakers_found


def score_words(talk: Talk, aligned: Aligned) -> tuple[int, int, int, int]:
    """(words with the right speaker, words compared, errors of cpWER, words of the reference)."""
    reference = talk.words()
    found = [
        Token(text, word.speaker, word.start_ms, word.end_ms)
        for word in read_words(aligned.words.path)
        for text in normalised(word.text)
    ]
    _, pairs = word_errors(reference, found)
    speakers = word_speakers(pairs)
    cp = cp_word_errors(reference, found)
    return (
        speakers.words - speakers.wrong,
        speakers.words,
        cp.substitutions + cp.deletions + cp.insertions,
        len(reference),
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_DATA)
    parser.add_argument("--words-s", type=float, default=60.0, help="seconds of each recording; 0: no words")
    parser.add_argument("--bleed-db", type=float, nargs="+", default=[-12.0, -20.0])
    chosen = parser.parse_args()
    if not chosen.data.is_dir():
        print(f"no recordings at {chosen.data}: nothing to measure")
        return
    talks = take_apart(chosen.data)
    with tempfile.TemporaryDirectory() as home:
        environ["EARWITNESS_HOME"] = home
        for bleed_db in chosen.bleed_db:
            _turns(talks, bleed_db)
        if chosen.words_s:
            _words([talk.until(chosen.words_s) for talk in talks], chosen.bleed_db[0])


def _turns(talks: list[Talk], bleed_db: float) -> None:
    print(f"\nDER (speakers found), bleed {bleed_db:g} dB\n{'':28}{'mixed':>14}{'mixed, given':>16}{'tracks':>14}")
    totals = [[0.0, 0.0] for _ in range(3)]
    for talk in talks:
        with tempfile.TemporaryDirectory() as folder:
            tracks, mixed = write(talk, Path(folder), bleed_db)
            results = [of_mix(mixed, None), of_mix(mixed, len(talk.voices)), of_tracks(tracks)[1]]
        cells = []
        for total, result in zip(totals, results, strict=True):
            error_s, speech_s, found = score_turns(talk, result)
            total[0] += error_s
            total[1] += speech_s
            cells.append(f"{100 * error_s / speech_s:.1f} % ({found}/{len(talk.voices)})")
        print(f"{talk.name:28}{cells[0]:>14}{cells[1]:>16}{cells[2]:>14}", flush=True)
    print(f"{'all':28}" + "".join(f"{100 * e / s:>{w}.1f} %" for (e, s), w in zip(totals, (12, 14, 12), strict=True)))


def _words(talks: list[Talk], bleed_db: float) -> None:
    print(f"\nWords, bleed {bleed_db:g} dB\n{'':28}{'mixed: right':>16}{'cpWER':>10}{'tracks: right':>18}{'cpWER':>10}")
    totals = np.zeros((2, 4), int)
    for talk in talks:
        with tempfile.TemporaryDirectory() as folder:
            tracks, mixed = write(talk, Path(folder), bleed_db)
            engine, aligner = choose_recogniser(_TRANSCRIBE, None), choose_aligner(_ALIGN, "en")
            text = transcribe(mixed, _TRANSCRIBE, engine)
            of_all = align(mixed, text, of_mix(mixed, None), _ALIGN, aligner)
            speech, diarized = of_tracks(tracks)
            text = transcribe_tracks(speech, _TRANSCRIBE, engine)
            apart = align_tracks(speech, text, diarized, _ALIGN, aligner)
        rows = np.array([score_words(talk, aligned) for aligned in (of_all, apart)])
        totals += rows
        print(_word_line(talk.name, rows), flush=True)
    print(_word_line("all", totals))


def _word_line(name: str, rows: npt.NDArray[np.int64]) -> str:
    shares = [(100 * right / max(1, of), 100 * errors / max(1, words)) for right, of, errors, words in rows.tolist()]
    (a, b), (c, d) = shares
    return f"{name:28}{a:>14.1f} %{b:>8.1f} %{c:>16.1f} %{d:>8.1f} %"


if __name__ == "__main__":
    main()
