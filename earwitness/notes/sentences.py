"""Utterances as sentences: split, counted, and cleaned of what people say while they look for words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from earwitness.words.fillers import FILLER
from earwitness.words.transcript import Utterance

_ABBREVIATIONS = r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\bProf)(?<!\bvs)(?<!\be\.g)(?<!\bi\.e)(?<!\b[A-Z])"
_END = re.compile(rf"(?:{_ABBREVIATIONS}\.|[.][\"”’)\]]|(?<=[.])[.]|[!?…؟।॥])[\"”’)\]»]*(?=\s)|[。！？][」』”）]*")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MARKER = re.compile(r"\s*(?:\{[^{}]{0,40}\}|\[[a-z _-]{1,30}\]|\([a-z][a-z ,'-]{0,40}\))")
_FILLER = re.compile(rf"(?:(?<=^)|(?<=\s)){FILLER}\b\s*[,.…]?\s*|,\s*(?:you know|i mean)\s*(?=,)", re.I)
_REPEAT = re.compile(r"\b([\w']+(?: [\w']+){0,2})\s*(?:--+|—|…|\.\.\.)\s+(?=\1\b)", re.I)
_STUTTER = re.compile(r"\b(the|a|an|i|to|of|in|and|we|he|she|it|is|was|i'm|my|they),? (?=\1\b)", re.I)
_OPENER = re.compile(
    r"^(?:(?:okay|ok|all right|alright|well|yeah|so|and|oh|um|uh|right|now|anyway)\b(?:\s*[,.!]\s*|\s+(?=[^\s,.!?]))"
    r"|--+\s*|[-,]\s+)",
    re.I,
)
_LONGEST = 60
"""Words. A recogniser without punctuation gives "sentences" of any length; longer ones are cut where they can be."""
_PIECE = 36


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an utterance."""

    utterance: int
    """Index of its utterance."""
    place: int
    """0 for the first sentence of the utterance, ..."""
    raw: str
    """As it stands in the transcript, white space apart."""
    text: str
    """Without fillers, markers such as (laughter), and false starts; never reworded."""
    words: int
    """Of `text`."""


def count_words(text: str) -> int:
    """Words as people count them: runs between white space; two characters a word where a script has no spaces."""
    total = 0
    for run in text.split():
        unspaced = len(_UNSPACED.findall(run))
        total += max(1, (unspaced + 1) // 2) if unspaced else 1
    return total


def terms(text: str) -> list[str]:
    """Case-folded words for comparing texts; character pairs where a script has no spaces."""
    found = []
    for match in _WORD.finditer(text.casefold().replace("’", "'")):
        word = match.group()
        if _UNSPACED.search(word):
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        else:
            found.append(word)
    return found


def split_sentences(text: str) -> list[str]:
    """Sentences in order; nothing is lost but white space. Works without spaces, capitals or punctuation."""
    text = " ".join(text.split())
    found, start = [], 0
    for match in _END.finditer(text):
        if _goes_on(text, match):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [piece for sentence in found if sentence for piece in _bounded(sentence)]


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """`"Where to?" he asks` is one sentence, and so is a trailing-off that goes on."""
    following = text[match.end() :].lstrip()[:1]
    return following.islower() and (match.group()[-1] in '"”’)…' or text[match.start() - 1 : match.end()] == "..")


def _bounded(sentence: str) -> Iterator[str]:
    if not any(char.isspace() for char in sentence):
        limit = 2 * _LONGEST
        while len(sentence) > limit:
            cut = max(sentence.rfind(mark, _PIECE, limit) for mark in "，、；,;") + 1 or limit
            yield sentence[:cut]
            sentence = sentence[cut:]
        yield sentence
        return
    words = sentence.split(" ")
    while len(words) > _LONGEST:
        cut = _good_cut(words)
        yield " ".join(words[:cut])
        words = words[cut:]
    yield " ".join(words)


def _good_cut(words: Sequence[str]) -> int:
    """Where to cut an endless sentence: after punctuation, else before a conjunction, else at a fair length."""
    window = range(_PIECE + 12, _PIECE - 20, -1)
    for place in window:
        if words[place - 1][-1:] in ",;:-–—":
            return place
    for place in window:
        if words[place].casefold() in {"and", "so", "but", "then", "because", "when", "und", "et", "y"}:
            return place
    return _PIECE


def tidy(text: str) -> str:
    """White space, and the space that some transcripts put before punctuation, put right. Changes no word."""
    text = re.sub(r"\s+([,.?!;:…])(?=\s|$|[\"”])", r"\1", " ".join(text.split()))
    return text.replace(" n't", "n't")


def without_markers(text: str) -> str:
    """The words alone: no (laughter), {vocalsound} or [noise]."""
    return tidy(_MARKER.sub(" ", text))


def clean(sentence: str) -> str:
    """Drop fillers, false starts and opening particles; never reword, and never touch quoted words."""
    parts = re.split(r'("[^"]*"|“[^”]*”)', without_markers(sentence))
    kept = []
    for index, part in enumerate(parts):
        if index % 2 == 0:
            part = _FILLER.sub("", part)
            for _ in range(3):
                part = _STUTTER.sub("", _REPEAT.sub("", part))
        kept.append(part)
    text = tidy("".join(kept))
    for _ in range(4):
        shorter = _OPENER.sub("", text, count=1)
        if shorter == text or count_words(shorter) < 2:
            break
        text = shorter
    text = re.sub(r"\s*(?:--+|,)\s*([.!?]?)$", r"\1", text)
    text = _balanced(text.strip())
    return text[:1].upper() + text[1:]


def _balanced(text: str) -> str:
    """A quotation mark whose partner stayed in the neighbouring sentence is dropped, at the edges only."""
    if text.count('"') % 2:
        if text.startswith('"'):
            return text[1:].lstrip()
        if text.endswith('"'):
            return text[:-1].rstrip()
    return text


def sentences_of(utterances: Sequence[Utterance]) -> list[Sentence]:
    """All sentences, in reading order; those with no word left after cleaning are passed over."""
    found = []
    for index, utterance in enumerate(utterances):
        for place, raw in enumerate(split_sentences(utterance.text)):
            text = clean(raw)
            if _WORD.search(text):
                found.append(Sentence(index, place, tidy(raw), text, count_words(text)))
    return found
