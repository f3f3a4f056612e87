"""A transcript of a bundle that somebody edited, matched back to its words: what was put right in it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from earwitness.corrections.corrections import Corrections, Edit, SpeakerEdit, WordEdit
from earwitness.errors import UsageError
from earwitness.speech.segments import Segment
from earwitness.speech.sidecar import read_text, read_transcript_file
from earwitness.words.anchors import match_tokens
from earwitness.words.transcript import Utterance, Word

_MOST_PAIRS = 4_000_000
_LONGEST_NAME = 60
_CLOCK = re.compile(r"^\s*\[\d+(?::\d{2}){1,2}\]\s*")
FORMATS = (".srt", ".vtt", ".txt", ".json")


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A word of the bundle and its place."""

    word: Word
    utterance: int
    place: int


@dataclass(frozen=True, slots=True)
class _Written:
    """A word of the edited transcript and the segment it stands in."""

    text: str
    segment: int


def corrections_in(
    path: Path, utterances: Sequence[Utterance], names: Mapping[str, str], voices: Sequence[str] = ()
) -> Corrections:
    """What an edited transcript changes: words, who says an utterance, and names changed throughout.

    Words that stayed are found again whatever happened around them, so they keep their times. A name that nobody had
    becomes the new name of a voice if it took the place of that voice's name everywhere, else a new voice.

    Args:
        path: the bundle's own `transcript.srt`, `.vtt`, `.txt` or `.json`, edited.
        utterances: of the bundle, speakers as labels.
        names: label → display name.
        voices: labels that are taken though nobody in `utterances` has them.

    Raises:
        UsageError: not one of these formats, or next to none of the bundle's words are in it.
        BadTranscript: it can't be read; names the line.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"{path.name} is not a transcript that can be matched back.",
            f"Edit one of the bundle's own: transcript{', transcript'.join(FORMATS)}.",
        )
    segments = _in_spoken_order(_read(path, utterances, names), utterances)
    spoken = [_Spoken(word, u, place) for u, said in enumerate(utterances) for place, word in enumerate(said.words)]
    written = [_Written(text, s) for s, segment in enumerate(segments) for text in segment.text.split()]
    matched = _matched([s.word.text for s in spoken], [w.text for w in written])
    if spoken and len(matched) * 5 < len(spoken):
        raise UsageError(
            f"{path.name} has only {len(matched)} of the {len(spoken)} words of this bundle: is it its transcript?",
            "Edit the transcript of this bundle. For another text, run the recording with --transcript.",
        )
    homes = _homes(matched, spoken, written, segments)
    edits = list(_word_edits(matched, spoken, written, homes, utterances))
    who, renamed = _speaker_edits(segments, homes, utterances, names, voices)
    return Corrections(names=renamed, edits=[*who, *edits])


# ---------------------------------------------------------------- reading it


def _read(path: Path, utterances: Sequence[Utterance], names: Mapping[str, str]) -> list[Segment]:
    """The segments, with names apart from words: the general parser knows neither and takes one for the other."""
    known = sorted(set(names.values()), key=len, reverse=True)
    said = "\n".join(utterance.text for utterance in utterances)
    if path.suffix.lower() == ".txt":
        lines = [_CLOCK.sub("", line) for line in read_text(path).split("\n") if line.strip()]
        read = [Segment(text=_parted(line, known, said)[1], speaker=_parted(line, known, said)[0]) for line in lines]
        return [segment for segment in read if segment.text]
    texts = {tuple(utterance.text.split()) for utterance in utterances}
    segments = []
    for segment in read_transcript_file(path).segments:
        speaker, text = segment.speaker, segment.text
        if speaker is not None and speaker not in known and f"{speaker}:" in said:
            speaker, text = None, f"{speaker}: {text}"
        elif speaker is None and (name := _name_before(text, known)):
            speaker, text = name, text[len(name) + 1 :].lstrip()
        timed = [word.text for word in segment.words]
        if timed and timed != text.split() and tuple(text.split()) in texts:
            text = " ".join(timed)  # JSON has every text twice, and here it was the words that were edited
        segments.append(segment.model_copy(update={"speaker": speaker, "text": text.replace("\u2060", "")}))
    return segments


def _parted(line: str, known: Sequence[str], said: str) -> tuple[str | None, str]:
    """(name, words) of a paragraph of `transcript.txt`, in which every name stands before a colon."""
    if name := _name_before(line, known):
        return name, line[len(name) + 1 :].strip()
    name, colon, text = line.partition(": ")
    if colon and known and len(name) <= _LONGEST_NAME and f"{name}:" not in said:
        return name.strip(), text.strip()
    return None, line.strip()


def _name_before(text: str, known: Sequence[str]) -> str | None:
    return next((name for name in known if text.startswith(f"{name}: ")), None)


def _in_spoken_order(segments: Sequence[Segment], utterances: Sequence[Utterance]) -> list[Segment]:
    """Utterance by utterance: the captions of people who talk at the same time are mixed."""
    starts = {word.start_ms: (u, at) for u, said in enumerate(utterances) for at, word in enumerate(said.words)}
    order, last = [], (0, 0)
    for segment in segments:
        last = starts.get(segment.start_ms, last) if segment.start_ms is not None else last
        order.append(last)
    return [segments[at] for at in sorted(range(len(segments)), key=lambda at: order[at])]


# ---------------------------------------------------------------- matching


def _matched(spoken: Sequence[str], written: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of equal words, rising on both sides."""
    pairs: list[tuple[int, int]] = []
    done = (0, 0)
    for pair in [*match_tokens(spoken, written), (len(spoken), len(written))]:
        left, right = spoken[done[0] : pair[0]], written[done[1] : pair[1]]
        if 0 < len(left) * len(right) <= _MOST_PAIRS:
            for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
                pairs += [(done[0] + block.a + k, done[1] + block.b + k) for k in range(block.size)]
        if pair[0] < len(spoken):
            pairs.append(pair)
        done = (pair[0] + 1, pair[1] + 1)
    return pairs


def _homes(
    matched: Sequence[tuple[int, int]],
    spoken: Sequence[_Spoken],
    written: Sequence[_Written],
    segments: Sequence[Segment],
) -> list[int | None]:
    """The utterance that each segment belongs to: the one that most of its words come from."""
    votes: list[Counter[int]] = [Counter() for _ in segments]
    for i, j in matched:
        votes[written[j].segment][spoken[i].utterance] += 1
    return [vote.most_common(1)[0][0] if vote else None for vote in votes]


def _word_edits(
    matched: Sequence[tuple[int, int]],
    spoken: Sequence[_Spoken],
    written: Sequence[_Written],
    homes: Sequence[int | None],
    utterances: Sequence[Utterance],
) -> Iterator[Edit]:
    moved: Counter[int] = Counter()
    """How far the places of an utterance have moved by the edits before."""
    i = j = 0
    for next_i, next_j in [*matched, (len(spoken), len(written))]:
        gone, new = spoken[i:next_i], written[j:next_j]
        if gone or new:
            before = spoken[i - 1] if i else None
            after = spoken[next_i] if next_i < len(spoken) else None
            for utterance, place, old, texts in _shared_out(gone, new, homes, before, after):
                words = utterances[utterance].words
                yield WordEdit(
                    utterance=utterances[utterance].id,
                    word=place + moved[utterance] + 1,
                    was=" ".join(old),
                    text=" ".join(texts),
                    start_s=words[min(place, len(words) - 1)].start_ms / 1000,
                )
                moved[utterance] += len(texts) - len(old)
        i, j = next_i + 1, next_j + 1


def _shared_out(
    gone: Sequence[_Spoken],
    new: Sequence[_Written],
    homes: Sequence[int | None],
    before: _Spoken | None,
    after: _Spoken | None,
) -> Iterator[tuple[int, int, list[str], list[str]]]:
    """A difference, parted by utterance: (utterance, place, old words, new words)."""
    places: dict[int, tuple[int, list[str]]] = {}
    for item in gone:
        places.setdefault(item.utterance, (item.place, []))[1].append(item.word.text)
    if not places:
        for beside, place in ((before, 1), (after, 0)):
            if beside is not None:
                places.setdefault(beside.utterance, (beside.place + place, []))
    put: dict[int, list[str]] = {utterance: [] for utterance in places}
    here = next(iter(places), None)
    for word in new:
        home = homes[word.segment]
        # a segment that is new as a whole goes with the words before it
        here = home if home in put else here
        if here is not None:
            put[here].append(word.text)
    for utterance, (place, old) in places.items():
        if old or put[utterance]:
            yield utterance, place, old, put[utterance]


# ---------------------------------------------------------------- who says it


def _speaker_edits(
    segments: Sequence[Segment],
    homes: Sequence[int | None],
    utterances: Sequence[Utterance],
    names: Mapping[str, str],
    voices: Sequence[str],
) -> tuple[list[Edit], dict[str, str]]:
    said_by: dict[int, Counter[str]] = {}
    for segment, home in zip(segments, homes, strict=True):
        if segment.speaker and home is not None:
            said_by.setdefault(home, Counter())[segment.speaker] += len(segment.text.split())
    asked = {home: votes.most_common(1)[0][0] for home, votes in said_by.items()}
    shown = {home: names.get(speaker, speaker) for home in asked if (speaker := utterances[home].speaker)}
    labels = {name: label for label, name in reversed(list(names.items()))}
    renamed: dict[str, str] = {}
    for label, name in names.items():
        new = {asked[home] for home in asked if utterances[home].speaker == label}
        if len(new) == 1 and (to := next(iter(new))) not in labels and to != name:
            renamed[label] = to
            labels[to] = label
    edits: list[Edit] = []
    taken = {*names, *voices}
    for home in sorted(asked):
        name = asked[home]
        if name == shown.get(home) or renamed.get(utterances[home].speaker or "") == name:
            continue
        if name not in labels:
            labels[name] = next(f"SPEAKER_{n:02d}" for n in range(1000) if f"SPEAKER_{n:02d}" not in taken)
            taken.add(labels[name])
            renamed[labels[name]] = name
        start_ms = utterances[home].start_ms or 0
        edits.append(SpeakerEdit(utterance=utterances[home].id, speaker=labels[name], start_s=start_ms / 1000))
    return edits, renamed
