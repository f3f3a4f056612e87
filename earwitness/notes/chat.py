"""Notes written by a chat model, and checked: what the transcript does not carry is dropped, and listed.

The transcript is read whole, in one part or in as many as the model's window asks for. A part of which the model makes
nothing usable is noted by the extractive engine, and the notes say so.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from earwitness import __version__
from earwitness.engines.engine import EngineUse
from earwitness.errors import UsageError
from earwitness.memory.memory import Memory
from earwitness.notes.asking import Asker, Noted, Question
from earwitness.notes.checking import Checker
from earwitness.notes.drafting import Draft, Drafter, Sentence
from earwitness.notes.earlier import Threads, remembered_words
from earwitness.notes.merging import abstract_of, in_order, labels_of, story_of
from earwitness.notes.notes import Chapter, Claim, Dropped, Notes, Reading, Section, Summarized
from earwitness.notes.parts import Part, cut, lines_of
from earwitness.notes.sentences import count_words
from earwitness.notes.summarize import summarize, usual_length
from earwitness.notes.titles import joined, shortened, telling_phrases
from earwitness.options import Profile
from earwitness.profiles import read_profile
from earwitness.progress import Progress, no_progress
from earwitness.services.chat_model import ChatModel
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Cast, Speaker
from earwitness.words.naming import shown_name
from earwitness.words.transcript import Utterance

_LEAST_ROOM = 600
"""Tokens of transcript that must fit into a question: the longest line has about as many."""
_OFF = 0.2
_LETTERS_A_WORD = 1.5
"""Of an answer, for a word of the transcript."""
_TELL_EVERY = 100
_FALLBACK = EngineUse(name="extractive", version=__version__)


def prompts_digest() -> str:
    """Eight characters that change with the prompts."""
    folder = files("earwitness.notes") / "prompts"
    texts = [entry.read_bytes() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:8]


def write(
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    cast: Cast | None,
    profile: Profile,
    settings: SummarizeSettings,
    engine: EngineUse,
    progress: Progress = no_progress,
    memory: Memory | None = None,
) -> tuple[Summarized, Threads | None]:
    """Notes by the chat model of `settings`, every sentence checked against what it cites, and what it says of threads.

    Args:
        utterances: the whole transcript, in reading order; times may be absent.
        speakers: who the labels are.
        cast: the cast file, if any.
        profile: decides prompt and sections.
        settings: resolved; `words` is about the length of the main section.
        engine: what `choose_writer` gave.
        progress: told after every part.
        memory: of earlier recordings, if any: data, like the transcript.

    Raises:
        UsageError: the model's window is too small for anything.
        EarwitnessError: the service can't be used.
    """
    plain = settings.model_copy(update={"engine": "extractive", "words": None})
    floor = summarize(utterances, speakers, cast, profile, plain, _FALLBACK).notes
    total = sum(count_words(utterance.text) for utterance in utterances)
    if not total:
        return Summarized(engine=engine, notes=floor.model_copy(update={"engine": engine.name})), None
    work = _Work(utterances, speakers, cast, profile, settings, settings.words or usual_length(total), memory)
    _read_all(work, total, progress)
    notes = _composed(work, floor, total)
    progress(1.0)
    return Summarized(engine=engine, notes=notes, warnings=_warnings(work, notes)), work.threads


@dataclass(slots=True)
class _Work:
    """One recording on its way to its notes."""

    utterances: Sequence[Utterance]
    speakers: Sequence[Speaker]
    cast: Cast | None
    profile: Profile
    settings: SummarizeSettings
    words: int
    memory: Memory | None = None
    threads: Threads | None = None
    sentences: list[Sentence] = field(default_factory=list)
    story: list[Sentence] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    starts: dict[str, str] = field(default_factory=dict)
    """Utterance that begins a chapter → its title."""

    @property
    def headings(self) -> dict[str, str]:
        """Field of the answer → heading."""
        found: dict[str, str] = read_profile(self.profile)["chat"]["headings"]
        return found

    @property
    def main(self) -> str:
        """The field that tells what was said."""
        return str(read_profile(self.profile)["chat"]["main"])

    def name_of(self, label: str | None) -> str:
        """How the notes call a voice."""
        who = {speaker.label: speaker for speaker in self.speakers}
        return shown_name(label, who, in_world=self.profile is Profile.TABLETOP)


def questions_for(
    utterances: Sequence[Utterance],
    speakers: Sequence[Speaker],
    cast: Cast | None,
    profile: Profile,
    settings: SummarizeSettings,
) -> list[Question]:
    """What the model will be asked if all goes well: nobody is asked. For telling the price.

    Raises:
        UsageError: the model's window is too small for anything.
    """
    total = sum(count_words(utterance.text) for utterance in utterances)
    work = _Work(utterances, speakers, cast, profile, settings, settings.words or usual_length(total))
    asker, parts = _planned(work)
    return [asker.question(part, _wanted(work, part, total)) for part in parts]


def _wanted(work: _Work, part: Part, total: int) -> int:
    return max(20, round(work.words * part.words / total))


def _planned(work: _Work) -> tuple[Asker, list[Part]]:
    model = ChatModel(work.settings)
    if work.memory and work.memory.recordings:
        names = [speaker.character or speaker.name for speaker in work.speakers]
        work.threads = Threads(work.memory, work.utterances, model.window[0], names)
    remembered = work.threads.data if work.threads else None
    asker = Asker(model, work.profile, _people(work), work.settings.story, remembered)
    if asker.room < _LEAST_ROOM:
        raise UsageError(
            f"The window of {work.settings.model} ({asker.model.window[0]:,} tokens) has no room for a transcript.",
            "Set summarize.context_tokens to what the model really takes, or choose another model.",
        )
    names = [work.name_of(utterance.speaker) for utterance in work.utterances]
    return asker, cut(lines_of(work.utterances, names), work.utterances, asker.room)


def _read_all(work: _Work, total: int, progress: Progress) -> None:
    asker, parts = _planned(work)
    known = remembered_words(work.memory)
    drafter = Drafter(Checker(work.utterances, work.speakers, work.cast, work.profile, known), work.headings)
    read = 0
    progress(0.02, f"asking {work.settings.model}: {len(parts)} parts")
    for part in parts:
        asker.model.heard = _Hearing(progress, read / total, part.words / total, _LETTERS_A_WORD * part.words)
        for noted in asker.read(part, _wanted(work, part, total)):
            _take(work, noted, drafter, total)
            read += noted.part.words
            progress(min(0.99, read / total), f"{read:,} of {total:,} words are noted")


@dataclass(slots=True)
class _Hearing:
    """Moves the progress while an answer comes in: towards the part's end, and never beyond it."""

    progress: Progress
    done: float
    """Share of the words that were noted before."""
    share: float
    expected: float
    """Letters that an answer has, about."""
    told: int = 0

    def __call__(self, letters: int) -> None:
        if letters - self.told >= _TELL_EVERY or letters < self.told:
            self.told = letters
            come = letters / (letters + self.expected)
            self.progress(min(0.99, self.done + self.share * come), f"{letters:,} letters of an answer")


def _take(work: _Work, noted: Noted, drafter: Drafter, total: int) -> None:
    reason = noted.reason
    if noted.answer is not None:
        draft = drafter.draft(noted.answer, noted.part)
        if work.threads:
            draft.dropped += work.threads.take(noted.answer, noted.part, drafter.checker)
        work.drafts.append(draft)
        if any(sentence.part == work.main for sentence in draft.sentences) or not noted.answer[work.main]:
            work.sentences += draft.sentences
            work.story += draft.story
            work.starts |= {chapter.first: chapter.title for chapter in draft.chapters}
        else:
            reason = "the transcript carries nothing of what the model wrote"
    if reason:
        _fall_back(work, noted, total)
    own = noted.part.own
    work.readings.append(
        Reading(
            first=own[0],
            last=own[-1],
            utterances=len(own),
            words=noted.part.words,
            engine="extractive" if reason else "chat",
            questions=noted.questions,
            reason=reason,
        )
    )


def _fall_back(work: _Work, noted: Noted, total: int) -> None:
    """The part's best sentences, as they were said."""
    own = set(noted.part.own)
    inside = [utterance for utterance in work.utterances if utterance.id in own]
    words = max(20, round(work.words * noted.part.words / total))
    fields = [name for name in (work.main, "quotes", "decisions", "actions") if name in work.headings]
    headings = tuple(work.headings[name] for name in fields)
    plain = work.settings.model_copy(
        update={"engine": "extractive", "words": words, "headings": headings, "chapters": None}
    )
    notes = summarize(inside, work.speakers, work.cast, work.profile, plain, _FALLBACK).notes
    for claim in notes.claims:
        name = fields[headings.index(claim.section)]
        doubt = "" if claim.supported else "see its evidence"
        # "said": its quotations have their speaker and marks already
        work.sentences.append(Sentence(name, claim.text, tuple(claim.evidence), doubt, {"said": "1"}))
    if work.settings.story:
        work.story += [
            Sentence("story", claim.text, tuple(claim.evidence))
            for claim in notes.claims
            if claim.section == work.headings[work.main]
        ]
    work.starts |= {chapter.first: chapter.title for chapter in notes.chapters}


def _people(work: _Work) -> list[dict[str, str]]:
    """Who speaks, and who else belongs to it, as the model is told."""
    found: dict[str, dict[str, str]] = {}
    for speaker in work.speakers:
        found[speaker.name] = {
            "speaker": work.name_of(speaker.label),
            "person": speaker.name,
            "character": speaker.character or "",
            "role": speaker.role or "",
        }
    for member in work.cast.members if work.cast else ():
        found.setdefault(
            member.person, {"person": member.person, "character": member.character or "", "role": member.role or ""}
        )
    return [{key: value for key, value in person.items() if value} for person in found.values()]


def _composed(work: _Work, floor: Notes, total: int) -> Notes:
    place = {utterance.id: number for number, utterance in enumerate(work.utterances)}
    kept, again = in_order(work.sentences, list(work.headings), place)
    claims: list[Claim] = []
    for sentence in kept:
        claims.append(
            Claim(
                id=f"c{len(claims) + 1:03d}",
                text=_as_told(work, sentence),
                section=work.headings[sentence.part],
                evidence=list(sentence.evidence),
                supported=not sentence.doubt,
                details={**{k: v for k, v in sentence.details.items() if k != "said"}, **_doubt(sentence)},
            )
        )
    dropped = [item for draft in work.drafts for item in draft.dropped]
    dropped += [
        Dropped(
            text=sentence.text[:300],
            section=work.headings[sentence.part],
            cited=list(sentence.evidence),
            reason="another sentence says the same",
        )
        for sentence in again
    ]
    wrong = len(dropped) - len(again)
    written = len(claims) + wrong
    chapters = floor.chapters if work.settings.chapters else _chapters(work)
    main = [claim for claim in claims if claim.section == work.headings[work.main] and claim.supported]
    return Notes(
        profile=work.profile.value,
        engine="chat" if any(reading.engine == "chat" for reading in work.readings) else "extractive",
        title=_title(work, floor, kept),
        abstract=abstract_of([claim.text for claim in main]),
        sections=[
            Section(heading=heading, claims=[claim.id for claim in claims if claim.section == heading])
            for heading in work.headings.values()
        ],
        claims=claims,
        chapters=chapters,
        words_read=total,
        story=story_of(work.story, chapters, place) if work.settings.story and work.story else None,
        supported_share=round(sum(claim.supported for claim in claims) / written, 4) if written else None,
        dropped=dropped,
        readings=work.readings,
        labels=labels_of([s for draft in work.drafts for s in draft.stretches], work.utterances),
    )


def _doubt(sentence: Sentence) -> dict[str, str]:
    return {"doubt": sentence.doubt} if sentence.doubt else {}


def _as_told(work: _Work, sentence: Sentence) -> str:
    """A quotation gets the name of whoever says it from the transcript, never from the model."""
    if sentence.part != "quotes" or "said" in sentence.details:
        return sentence.text
    speaker = next(u.speaker for u in work.utterances if u.id == sentence.evidence[0])
    name = work.name_of(speaker)
    return f'{name}: "{sentence.text}"' if name else f'"{sentence.text}"'


def _title(work: _Work, floor: Notes, kept: Sequence[Sentence]) -> str:
    """The cast's, else the model's where it knew the whole recording, else the bundled one."""
    if work.cast and (work.cast.campaign or work.cast.session):
        return floor.title
    titles = [sentence.text for sentence in kept if sentence.part == "titles" and not sentence.doubt]
    if len(work.readings) == 1 and work.drafts and work.drafts[0].title:
        titles.append(work.drafts[0].title.text)
    return titles[0].rstrip(".") if titles and len(work.readings) == 1 else floor.title


def _chapters(work: _Work) -> list[Chapter]:
    """From the first utterance to the last, without a gap; titles that nobody's words carry are replaced."""
    checker = Checker(work.utterances, work.speakers, work.cast, work.profile)
    starts = [n for n, utterance in enumerate(work.utterances) if n == 0 or utterance.id in work.starts]
    found = []
    for number, (first, end) in enumerate(zip(starts, [*starts[1:], len(work.utterances)], strict=True), 1):
        inside = work.utterances[first:end]
        ids = [utterance.id for utterance in inside]
        title = " ".join(work.starts.get(ids[0], "").split())
        verdict = checker.sentence(title, ids, frozenset(ids), title=True) if title else None
        if verdict is None or verdict.dropped or verdict.doubt:
            phrases = telling_phrases([" ".join(utterance.text for utterance in inside)])[0]
            title = joined(phrases) or shortened(inside[0].text) or f"Part {number}"
        times = [(u.start_ms, u.end_ms) for u in inside]
        found.append(
            Chapter(
                title=title,
                first=ids[0],
                last=ids[-1],
                start_ms=min((start for start, _ in times if start is not None), default=None),
                end_ms=max((end for _, end in times if end is not None), default=None),
            )
        )
    return found


def _warnings(work: _Work, notes: Notes) -> list[str]:
    found = []
    for reading in notes.readings:
        if reading.reason:
            found.append(
                f"{reading.first} to {reading.last} ({reading.words:,} words) were noted by the extractive engine: "
                f"{reading.reason}."
            )
    wrong = [item for item in notes.dropped if item.reason != "another sentence says the same"]
    if wrong:
        share = f"{100 * (notes.supported_share or 0):.0f} %"
        found.append(
            f"{share} of what {work.settings.model} wrote is carried by the transcript; {len(wrong)} sentences were "
            "dropped (listed in notes.json under dropped)."
        )
    if doubtful := [claim.id for claim in notes.claims if not claim.supported]:
        found.append(f"Claims that their evidence may not carry: {', '.join(doubtful)}.")
    usual = tuple(read_profile(work.profile)["summarize"]["headings"])
    if work.settings.headings and tuple(work.settings.headings) != usual:
        found.append("summarize.headings is for the extractive engine; the chat engine has the profile's sections.")
    main = [claim for claim in notes.claims if claim.section == work.headings[work.main]]
    length = sum(count_words(claim.text) for claim in main)
    if work.settings.words and abs(length - work.settings.words) > _OFF * work.settings.words:
        found.append(f"“{work.headings[work.main]}” has {length} words, not {work.settings.words}.")
    return found
