"""Writing notes from a transcript; without any model: chosen sentences, each with its speaker and its evidence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from earwitness import __version__
from earwitness.engines.engine import EngineUse
from earwitness.errors import EngineUnavailable
from earwitness.notes.choosing import choose
from earwitness.notes.notes import Chapter, Claim, Notes, Section, Summarized
from earwitness.notes.salience import WEIGHTS, Terms, content_terms, narrators, rate
from earwitness.notes.scenes import Scene, find_scenes
from earwitness.notes.sentences import Sentence, count_words, sentences_of, terms, without_markers
from earwitness.notes.story import tell
from earwitness.notes.support import Known, is_supported
from earwitness.notes.titles import joined, shortened, telling_phrases
from earwitness.notes.wording import DECISION, FIRST_PERSON, FUNCTION_WORDS, RULES_TALK, obligation
from earwitness.options import Profile
from earwitness.profiles import read_profile
from earwitness.progress import Progress, no_progress
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Cast, Speaker
from earwitness.words.naming import shown_name
from earwitness.words.punctuation import closed
from earwitness.words.transcript import Utterance

_SHARE = 0.04
"""Length of the notes where none is asked for, of the words read."""
_SHORTEST, _LONGEST = 40, 1500
_SHORT_SHARE, _SHORT_ENOUGH = 0.25, 150
"""A recording of minutes may spend more of its words, up to so many."""
_SIDE_SHARE = 0.15
"""Of the notes, for a heading such as "To be done"."""
_ONE_SENTENCE = 15
"""Words. However short the notes are, one short thing to be done should fit."""
_QUOTED_WORDS = 80
"""However long the notes are: some five quotations."""
_QUOTES = re.compile(r"\b(?:quotes?|words|lines|said)\b", re.IGNORECASE)
_TO_DO = re.compile(r"\b(?:to[- ]be[- ]done|to[- ]?dos?|actions?|next steps?|tasks?|follow[- ]?ups?)\b", re.IGNORECASE)
_DECISIONS = re.compile(r"\b(?:decisions?|decided|agreed|agreements?)\b", re.IGNORECASE)


def choose_writer(settings: SummarizeSettings) -> EngineUse:
    """The engine that will write the notes: the bundled extractive one, unless a chat model was asked for.

    Raises:
        EngineUnavailable: the chat engine was asked for by name and can't be used.
    """
    if settings.engine == "extractive" or (settings.engine == "auto" and not settings.model):
        asked = "asked for" if settings.engine == "extractive" else "works everywhere and cites every sentence"
        return EngineUse(name="extractive", version=__version__, reason=asked)
    from earwitness.notes.chat import prompts_digest
    from earwitness.services.chat_model import address_of, find_chat_model

    found = find_chat_model(settings)
    if found.ok:
        model = f"{settings.model} at {address_of(settings)}"
        return EngineUse(name="chat", version=f"{__version__}+{prompts_digest()}", model=model, reason=found.why)
    if settings.engine == "chat":
        raise EngineUnavailable(
            f"The chat engine can't be used: {found.why}.", "Correct that, or set summarize.engine=extractive."
        )
    return EngineUse(
        name="extractive", version=__version__, degraded=True, reason=f"the chat model can't be used: {found.why}"
    )


def summarize(
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    cast: Cast | None,
    profile: Profile,
    settings: SummarizeSettings,
    engine: EngineUse,
    progress: Progress = no_progress,
) -> Summarized:
    """Notes on a recording. Every claim names the utterances that carry it; the extractive engine's are such sentences.

    Args:
        utterances: the whole transcript, in reading order; times may be absent.
        speakers: who the labels are.
        cast: the cast file, if any.
        profile: decides the manner (a game has a narrator, a meeting has things to be done).
        settings: resolved; `words` is the length of all claims together, kept within 5 % where the sentences allow.
        engine: what `choose_writer` gave.
        progress: told how far it is.

    Raises:
        EarwitnessError: the chat model can't be used (see `earwitness.services.chat_model`).
    """
    if engine.name == "chat":
        from earwitness.notes.chat import write

        return write(utterances, speakers, cast, profile, settings, engine, progress)[0]
    text = _Transcript(utterances, speakers, profile)
    progress(0.1, "reading the transcript")
    lengths = [count_words(utterance.text) for utterance in utterances]
    scenes = find_scenes(text.terms, lengths, settings.chapters)
    progress(0.4, "finding scenes")
    budget = settings.words or usual_length(sum(lengths))
    headings = settings.headings or tuple(read_profile(profile)["summarize"]["headings"])
    chosen = _fill(text, scenes, headings, budget)
    progress(0.8, "choosing sentences")

    known = Known.of(cast, speakers)
    claims = _claims(text, chosen, known)
    titles = _scene_titles(text, scenes)
    chapters = [_chapter(utterances, scene, title) for scene, title in zip(scenes, titles, strict=True)]
    notes = Notes(
        profile=profile.value,
        engine=engine.name,
        title=_title(text, cast, profile),
        abstract=_abstract(text, chosen[0][1] if chosen else []),
        sections=[
            Section(heading=heading, claims=[claim.id for claim in claims if claim.section == heading])
            for heading in headings
        ],
        claims=claims,
        chapters=chapters,
        words_read=sum(lengths),
        story=tell(text, scenes, titles, [p.sentence for p in chosen[0][1]]) if settings.story and claims else None,
    )
    progress(1.0)
    return Summarized(engine=engine, notes=notes, warnings=_warnings(notes, settings, lengths))


def usual_length(words: int) -> int:
    """Length of notes on a transcript of so many words, where none is asked for."""
    return round(min(_LONGEST, max(_SHORTEST, _SHARE * words, min(_SHORT_ENOUGH, _SHORT_SHARE * words))))


@dataclass(frozen=True, slots=True)
class Pick:
    """A sentence as it will stand in the notes."""

    sentence: int
    text: str


class _Transcript:
    """The transcript as the writer sees it; everything is computed once."""

    def __init__(self, utterances: Sequence[Utterance], speakers: Sequence[Speaker], profile: Profile) -> None:
        self.utterances = utterances
        self.profile = profile
        self.sentences: list[Sentence] = sentences_of(utterances)
        self.terms = [terms(utterance.text) for utterance in utterances]
        self.contents = [content_terms(sentence.text) for sentence in self.sentences]
        self.about = Terms.of(self.contents, self.sentences)
        self.narrators = narrators(utterances, speakers, profile)
        self._who = {speaker.label: speaker for speaker in speakers}
        self._voices = len({utterance.speaker for utterance in utterances})

    @cached_property
    def scores(self) -> list[float]:
        """How much each sentence tells."""
        told_by = [self.speaker_of(index) in self.narrators for index in range(len(self.sentences))]
        return rate(self.sentences, self.contents, self.about, told_by, WEIGHTS[self.profile])

    def speaker_of(self, sentence: int) -> str | None:
        """Label of the sentence's speaker."""
        return self.utterances[self.sentences[sentence].utterance].speaker

    def display(self, label: str | None) -> str:
        """How people know this voice: the character in a game, else the person, else the label."""
        return shown_name(label, self._who, in_world=self.profile is Profile.TABLETOP)

    def is_named(self, label: str | None) -> bool:
        """Whether anybody said who this is."""
        return label is not None and label in self._who and self._who[label].named_by != "nobody"

    def line(self, sentence: int) -> str:
        """The sentence as a claim, with its speaker where that helps: not for the narrator, nor where one speaks."""
        label, text = self.speaker_of(sentence), self.sentences[sentence].text
        if self._voices < 2 or label is None or label in self.narrators:
            return text
        personal = any(word in FIRST_PERSON for word in terms(text))
        return f"{self.display(label)}: {text}" if self.is_named(label) or personal else text

    def quote(self, sentence: int) -> str | None:
        """The sentence word for word, in quotation marks; None where marks inside it would make that unreadable."""
        words = without_markers(self.sentences[sentence].raw)
        if any(mark in words for mark in '"“”'):
            return None
        name = self.display(self.speaker_of(sentence))
        return f'{name}: "{words}"' if name else f'"{words}"'


def _fill(
    text: _Transcript, scenes: Sequence[Scene], headings: Sequence[str], budget: int
) -> list[tuple[str, list[Pick]]]:
    """Picks under each heading. Side headings choose first, a small part of the length; the main one has the rest."""
    if not text.sentences:
        return []
    scene_of = _scene_numbers(text, scenes)
    taken: set[int] = set()
    sides: list[tuple[str, list[Pick]]] = []
    for heading in headings[1:]:
        picks = _side(text, heading, scene_of, taken, budget)
        taken.update(pick.sentence for pick in picks)
        sides.append((heading, picks))
    spent = sum(count_words(pick.text) for _, picks in sides for pick in picks)
    free = [index for index in range(len(text.sentences)) if index not in taken]
    main = _choose(free, text.scores, [text.line(index) for index in free], text, scene_of, max(1, budget - spent))
    return [(headings[0], main), *sides]


def _scene_numbers(text: _Transcript, scenes: Sequence[Scene]) -> list[int]:
    number = [place for place, scene in enumerate(scenes) for _ in range(scene.first, scene.last + 1)]
    return [number[sentence.utterance] for sentence in text.sentences]


def _choose(
    pool: Sequence[int],
    scores: Sequence[float],
    lines: Sequence[str],
    text: _Transcript,
    scene_of: Sequence[int],
    budget: int,
) -> list[Pick]:
    places = choose(
        [scores[index] for index in pool],
        [count_words(line) for line in lines],
        [text.contents[index] for index in pool],
        [scene_of[index] for index in pool],
        budget,
    )
    return [Pick(pool[place], lines[place]) for place in places]


def _side(text: _Transcript, heading: str, scene_of: Sequence[int], taken: set[int], budget: int) -> list[Pick]:
    scores = list(text.scores)
    quoting = False
    if _TO_DO.search(heading):
        share, wanted = _SIDE_SHARE, [obligation(sentence.text) for sentence in text.sentences]
    elif _DECISIONS.search(heading):
        share, wanted = _SIDE_SHARE, [float(bool(DECISION.search(sentence.text))) for sentence in text.sentences]
    elif _QUOTES.search(heading):
        quoting, share = True, 0.05 if text.profile is Profile.TABLETOP else 0.15
        wanted = [_quotable(text, index) for index in range(len(text.sentences))]
    else:
        topic = set(terms(heading)) - FUNCTION_WORDS
        share, wanted = _SIDE_SHARE, [float(bool(topic & set(run))) for run in text.contents]
    lines = {}
    for index, worth in enumerate(wanted):
        line = text.quote(index) if quoting else text.line(index)
        if worth > 0 and index not in taken and line is not None and text.sentences[index].words >= 4:
            lines[index] = line
            scores[index] = worth * (1.0 if quoting else max(0.2, text.scores[index]))
    room = share * budget
    room = min(room, _QUOTED_WORDS) if quoting else max(room, min(_ONE_SENTENCE, 0.4 * budget))
    pool = [index for index in lines if count_words(lines[index]) <= room]
    if not pool:
        return []
    return _choose(pool, scores, [lines[index] for index in pool], text, scene_of, round(room))


def _quotable(text: _Transcript, index: int) -> float:
    """People's own words, short enough to remember, about what the recording is about; no game arithmetic."""
    sentence = text.sentences[index]
    if not 5 <= sentence.words <= 28 or (text.speaker_of(index) in text.narrators - {None} and _is_game(text)):
        return 0.0
    if RULES_TALK.search(sentence.text) or re.search(r"\d|--", sentence.raw):
        return 0.0
    content = text.contents[index]
    telling = sum(text.about.weight.get(word, 0.0) for word in set(content)) / sentence.words
    personal = any(word in FIRST_PERSON for word in terms(sentence.text))
    asks = "?" in sentence.text
    return telling * (1.5 if personal else 1.0) * (1.2 if sentence.text.endswith("!") else 1.0) * (0.5 if asks else 1.0)


def _is_game(text: _Transcript) -> bool:
    return text.profile is Profile.TABLETOP


def _claims(text: _Transcript, chosen: Sequence[tuple[str, list[Pick]]], known: Known) -> list[Claim]:
    claims: list[Claim] = []
    for heading, picks in chosen:
        for pick in picks:
            source = text.utterances[text.sentences[pick.sentence].utterance]
            line = pick.text
            claims.append(
                Claim(
                    id=f"c{len(claims) + 1:03d}",
                    text=line,
                    section=heading,
                    evidence=[source.id],
                    supported=is_supported(line, [source], known),
                )
            )
    return claims


def _scene_titles(text: _Transcript, scenes: Sequence[Scene]) -> list[str]:
    bodies = [" ".join(u.text for u in text.utterances[scene.first : scene.last + 1]) for scene in scenes]
    best: dict[int, int] = {}
    for index, number in enumerate(_scene_numbers(text, scenes)):
        if number not in best or text.scores[index] > text.scores[best[number]]:
            best[number] = index
    titles = []
    for number, phrases in enumerate(telling_phrases(bodies)):
        if phrases:
            titles.append(joined(phrases))
        elif number in best:
            titles.append(shortened(text.sentences[best[number]].text))
        else:
            titles.append(f"Part {number + 1}")
    return titles


def _chapter(utterances: Sequence[Utterance], scene: Scene, title: str) -> Chapter:
    inside = utterances[scene.first : scene.last + 1]
    starts = [u.start_ms for u in inside if u.start_ms is not None]
    ends = [u.end_ms for u in inside if u.end_ms is not None]
    return Chapter(
        title=title,
        first=inside[0].id,
        last=inside[-1].id,
        start_ms=min(starts, default=None),
        end_ms=max(ends, default=None),
    )


def _title(text: _Transcript, cast: Cast | None, profile: Profile) -> str:
    stated = [part for part in ((cast.campaign, cast.session) if cast else ()) if part]
    if stated:
        return ", ".join(f"session {part}" if part.isdigit() else part for part in stated)
    phrases = telling_phrases([" ".join(utterance.text for utterance in text.utterances)])[0]
    kind = str(read_profile(profile)["title"])
    return f"{kind}: {joined(phrases)}" if phrases else kind


def _abstract(text: _Transcript, main: Sequence[Pick]) -> str:
    """The most central claims, in their order: up to four, some ninety words."""
    if not main:
        return "No words were found in this recording." if not text.sentences else ""

    def central(pick: Pick) -> float:
        content = set(text.contents[pick.sentence])
        value = sum(text.about.weight.get(word, 0.0) for word in content)
        words = text.sentences[pick.sentence].words
        return value / max(6, words) ** 0.5 if 6 <= words <= 45 else 0.1 * value / max(6, words)

    kept: list[Pick] = []
    size = 0
    for pick in sorted(main, key=lambda p: (-central(p), p.sentence)):
        if len(kept) == 4 or (kept and size + count_words(pick.text) > 90):
            break
        kept.append(pick)
        size += count_words(pick.text)
    return " ".join(closed(pick.text) for pick in sorted(kept, key=lambda p: p.sentence))


def _warnings(notes: Notes, settings: SummarizeSettings, lengths: Sequence[int]) -> list[str]:
    found = []
    written = sum(count_words(claim.text) for claim in notes.claims)
    if settings.words and abs(written - settings.words) > 0.05 * settings.words:
        found.append(
            f"The notes have {written} words, not {settings.words}: "
            + ("the transcript has no more." if sum(lengths) < settings.words else "no sentences fit that length.")
        )
    if settings.chapters and len(notes.chapters) < settings.chapters:
        found.append(f"{len(notes.chapters)} chapters, not {settings.chapters}: there are no more utterances.")
    if doubtful := [claim.id for claim in notes.claims if not claim.supported]:
        found.append(f"Claims that their evidence does not carry: {', '.join(doubtful)}.")
    return found
