"""How well enrolled voices name the speakers of conversations.

Run from the repository root:

    python -m tests.bench.bench_voices [--data DIR] [--likeness]

Each speaker is enrolled from one utterance of 5 to 10 s. That utterance comes from another recording than the one in
which the speaker is to be named wherever the data has one (`speech/` or another conversation); else from the
conversation itself, with that utterance left out of the score. "All enrolled": speech time (reference, overlap
included) of which the name is right, wrong or absent. "Half enrolled": the same with every half of the speakers, in
turn the even and the odd ones by name, left out; whoever is not enrolled should have no name. With "once more" the
embeddings are made from the turns, as after `voices forget` or with pyannote's engine, and not by the diarization.

`--likeness` also prints how alike the same and different people are in the other recordings, on which the constants
of `earwitness.voices.identify` were chosen: the AMI meetings and the clips of single
speakers. The constructed conversations had no say.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from os import environ
from pathlib import Path

from earwitness.settings import DiarizeSettings
from earwitness.speech.diarize import choose_diarizer, diarize
from earwitness.speech.rttm import read_rttm
from earwitness.speech.turns import Diarized, Turn
from earwitness.speech.voice_encoder import Vectors
from earwitness.voices.identify import name_by_voice
from earwitness.voices.sample import encoder_id, portraits, stored_portraits, take_sample
from earwitness.voices.voiceprint import VoicePrint, packed
from earwitness.words.cast import Speaker

_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
_DEMO = Path(__file__).resolve().parents[2] / "earwitness" / "demo"
_SPAN_MS = (5_000, 10_000)


@dataclass(frozen=True)
class Conversation:
    """A constructed conversation and who says what in it."""

    path: Path
    turns: list[Turn]
    utterances: dict[str, list[tuple[str, int, int]]]
    """Speaker → (utterance, start in ms, end in ms)."""


@dataclass
class Tally:
    """Speech time in ms by what became of the name."""

    right: int = 0
    wrong: int = 0
    nameless: int = 0

    def line(self) -> str:
        """Shares in per cent."""
        total = max(1, self.right + self.wrong + self.nameless)
        shares = (100 * part / total for part in (self.right, self.wrong, self.nameless))
        return "right {:5.1f} %   wrong {:4.1f} %   no name {:5.1f} %".format(*shares)


def read_conversation(path: Path) -> Conversation:
    """A recording with its reference beside it."""
    turns = []
    utterances: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for turn in json.loads(path.with_suffix(".json").read_text("utf-8"))["turns"]:
        start, end = round(turn["start"] * 1000), round(turn["end"] * 1000)
        turns.append(Turn(start_ms=start, end_ms=end, speaker=turn["speaker"]))
        utterances[turn["speaker"]].append((turn["utterance"], start, end))
    return Conversation(path, turns, dict(utterances))


def sample_of(
    speaker: str, talk: Conversation, others: Sequence[Conversation], clips: dict[str, Path]
) -> tuple[Path, tuple[int, int | None] | None, tuple[int, int] | None]:
    """(file, part, part of the conversation that must not count): elsewhere if there is such an utterance."""
    said = {name for name, _, _ in talk.utterances[speaker]}
    for utterance, path in sorted(clips.items()):
        if utterance.startswith(f"{speaker}-") and utterance not in said:
            return path, None, None
    for other in others:
        for utterance, start, end in other.utterances.get(speaker, []):
            if utterance not in said and _SPAN_MS[0] <= end - start <= _SPAN_MS[1] and _alone(other, start, end):
                return other.path, (start, end), None
    own = [(s, e) for _, s, e in talk.utterances[speaker] if e - s >= _SPAN_MS[0] and _alone(talk, s, e)]
    start, end = min(own, key=lambda span: (span[1] - span[0] > _SPAN_MS[1], span))
    return talk.path, (start, min(end, start + _SPAN_MS[1])), (start, end)


def _alone(talk: Conversation, start: int, end: int) -> bool:
    return sum(turn.start_ms < end and turn.end_ms > start for turn in talk.turns) == 1


def tally(
    talk: Conversation, found: Diarized, names: dict[str, str], known: set[str], holes: list[tuple[int, int]]
) -> Tally:
    """Score by steps of 10 ms: each reference speaker's time against whoever was found to speak then."""
    step = 10
    said: dict[int, set[str]] = defaultdict(set)
    for turn in found.turns:
        for at in range(turn.start_ms // step, turn.end_ms // step):
            said[at].add(turn.speaker)
    result = Tally()
    for turn in talk.turns:
        if any(start == turn.start_ms for start, _ in holes):
            continue
        for at in range(turn.start_ms // step, turn.end_ms // step):
            present = {names[label] for label in said.get(at, ()) if label in names}
            others = {other.speaker for other in talk.turns if other.start_ms <= at * step < other.end_ms}
            if turn.speaker in present:
                result.right += step
            elif present - others:
                result.wrong += step
            else:
                result.nameless += step
    return result


def names_of(voices: dict[str, Vectors], found: Diarized, prints: Sequence[VoicePrint]) -> tuple[dict[str, str], int]:
    """(label → name, number of doubts)."""
    talk_ms: dict[str, int] = defaultdict(int)
    for turn in found.turns:
        talk_ms[turn.speaker] += turn.end_ms - turn.start_ms
    speakers = [Speaker(label=label, name=label) for label in sorted(talk_ms)]
    named, doubts = name_by_voice(speakers, voices, prints, None, talk_ms)
    return {item.label: item.name for item in named if item.named_by == "voice"}, len(doubts)


def print_of(name: str, file: Path, span_ms: tuple[int, int | None] | None) -> VoicePrint:
    """A voice as `voices add` keeps it."""
    sampled = take_sample([file], span_ms)
    return VoicePrint(
        name=name,
        encoder=encoder_id(),
        embedding=packed(sampled.vector),
        speech_s=sampled.speech_s,
        samples=1,
        added=date(2026, 1, 1),
    )


def run_diarizer(path: Path) -> Diarized:
    """The bundled engine; the number of speakers is not given."""
    settings = DiarizeSettings(engine="bundled")
    return diarize(path, settings, choose_diarizer(settings))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Speech time that is named right and wrong by enrolled voices.")
    parser.add_argument("--data", type=Path, default=_DATA, help="the evaluation data")
    parser.add_argument("--likeness", action="store_true", help="also what the constants were chosen on")
    options = parser.parse_args()
    files = sorted((options.data / "conversations").glob("constructed_*.flac"))
    if not files:
        print(f"evaluation data not present at {options.data}: nothing was measured")
        sys.exit(0)
    with tempfile.TemporaryDirectory() as home:
        environ["EARWITNESS_HOME"] = home
        if options.likeness:
            print_likeness(options.data)
        print_table(files, options.data / "speech")


def print_table(files: Sequence[Path], speech: Path) -> None:
    """Speech time named right and wrong, a conversation a line."""
    talks = [read_conversation(path) for path in files]
    clips = {path.stem.removeprefix("librispeech_"): path for path in sorted(speech.glob("librispeech_*.flac"))}
    totals: dict[str, Tally] = defaultdict(Tally)
    for talk in talks:
        found = run_diarizer(talk.path)
        others = [other for other in talks if other is not talk]
        prints: list[VoicePrint] = []
        holes: list[tuple[int, int]] = []
        elsewhere = 0
        for speaker in sorted(talk.utterances):
            file, span, hole = sample_of(speaker, talk, others, clips)
            prints.append(print_of(speaker, file, span))
            holes += [hole] if hole else []
            elsewhere += hole is None
        heard = len({turn.speaker for turn in found.turns})
        print(f"{talk.path.stem} ({heard} voices found, {elsewhere} of {len(prints)} enrolled elsewhere)")
        ways = {"": stored_portraits(found), ", once more": portraits(talk.path, found.exclusive)}
        for way, voices in ways.items():
            halves = {"all": [prints], "half": [prints[::2], prints[1::2]]}
            for name, groups in halves.items():
                here, doubts = Tally(), 0
                for group in groups:
                    names, more = names_of(voices, found, group)
                    part = tally(talk, found, names, {item.name for item in group}, holes)
                    doubts += more
                    for total in (here, totals[name + way]):
                        total.right += part.right
                        total.wrong += part.wrong
                        total.nameless += part.nameless
                print(f"  {name + way:18s} {here.line()}   doubts {doubts}", flush=True)
    for name, total in totals.items():
        print(f"{name:20s} {total.line()}")


def print_likeness(data: Path) -> None:
    """How alike the same and different people sound where the constants were chosen."""
    same: list[tuple[float, str, str, str, str]] = []
    different: list[tuple[float, str, str, str, str]] = []
    samples = list(likeness_samples(data))
    for (who, where, one), (other, elsewhere, two) in combinations(samples, 2):
        if where != elsewhere:
            (same if who == other else different).append((float(one @ two), who, where, other, elsewhere))
    for title, pairs in (("same person", sorted(same)), ("different people", sorted(different))):
        scores = [score for score, *_ in pairs]
        places = [scores[round(share * (len(scores) - 1))] for share in (0, 0.05, 0.5, 0.95, 0.99, 1)]
        print(f"{title}: {len(scores)} pairs; 0, 5, 50, 95, 99, 100 %: " + " ".join(f"{place:.3f}" for place in places))
        for pair in pairs[:6] if title == "same person" else pairs[-6:]:
            print("   ", pair)


def likeness_samples(data: Path) -> Iterator[tuple[str, str, Vectors]]:
    """(person, recording, embedding): from true turns, at least 3 s of each."""
    talks = [
        (path, read_rttm(path.with_suffix(".rttm"))) for path in sorted((data / "conversations").glob("[ap]*.flac"))
    ]
    for path, turns in talks:
        alone = [
            t for t in turns if not any(o is not t and o.start_ms < t.end_ms and o.end_ms > t.start_ms for o in turns)
        ]
        for speaker in sorted({turn.speaker for turn in alone}):
            own = [turn for turn in alone if turn.speaker == speaker]
            if sum(turn.end_ms - turn.start_ms for turn in own) >= 3_000:
                yield from ((speaker, path.stem, vector) for vector in portraits(path, own).values())
    yield from clip_samples(data / "speech")


def clip_samples(speech: Path) -> Iterator[tuple[str, str, Vectors]]:
    """Clips of one speaker; those of LibriSpeech are in the constructed conversations, so they have no say."""
    import soundfile
    import soxr

    from earwitness.speech import voice_encoder

    for path in sorted(speech.iterdir()):
        if path.suffix in {".wav", ".flac"} and not path.stem.startswith("librispeech"):
            samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
            mono = soxr.resample(samples.mean(axis=1), rate, 16_000)
            if len(mono) >= 2.5 * 16_000:
                who = path.stem.rpartition("_")[0].partition("_LJ")[0]
                yield who, path.stem, voice_encoder.embed_frames([voice_encoder.spectrogram(mono[None])[0]])[0]


if __name__ == "__main__":
    main()
