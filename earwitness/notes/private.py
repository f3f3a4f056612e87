"""What players must not know, and a version of the notes without it.

An utterance is private if it lies in a span that was named, stands between the marks that were named, names a secret,
or was labelled as the game master's private talk. The version for players is made of the other utterances alone, and
of what a chat model wrote nothing is taken over that rests on a private utterance, names a secret, or has a
telling word that nobody says in public.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earwitness.errors import UsageError
from earwitness.memory.memory import Change, Changes
from earwitness.notes.merging import abstract_of
from earwitness.notes.notes import Claim, Label, Notes, PlayersNotes, Section
from earwitness.notes.sentences import terms
from earwitness.notes.wording import FUNCTION_WORDS
from earwitness.settings import SummarizeSettings
from earwitness.spans import parse_slice
from earwitness.words.cast import Cast, Speaker
from earwitness.words.transcript import Utterance

_CITED = re.compile(r"\[(u\d+)\]")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What was said to be secret."""

    names: tuple[tuple[str, ...], ...]
    """Words in a row, case-folded."""
    spans_ms: tuple[tuple[int, int], ...]
    marks: tuple[tuple[str, ...], tuple[str, ...]] | None
    """Words that begin and end private talk."""

    def __bool__(self) -> bool:
        return bool(self.names or self.spans_ms or self.marks)

    def named_in(self, text: str) -> bool:
        """Whether a text names a secret."""
        words = _words(text)
        return any(_contains(words, name) for name in self.names)


def secrets_of(settings: SummarizeSettings, cast: Cast | None) -> Secrets:
    """What settings and cast file name together.

    Raises:
        UsageError: a secret has no words, or a span of the cast file is none.
    """
    named = [*settings.secrets, *(cast.secrets if cast else [])]
    names = tuple(dict.fromkeys(tuple(_words(name)) for name in named))
    if () in names:
        raise UsageError("A secret without a word can't be kept.", "Write names or words, e.g. [Lord Vex, the dagger].")
    try:
        spans = tuple(parse_slice(text) for text in [*settings.private, *(cast.private if cast else [])])
    except ValueError as error:
        raise UsageError(f"A private span can't be read: {error}.", "Write it as 1:02:03-1:04:00.") from error
    marks = (
        (tuple(_words(settings.private_marks[0])), tuple(_words(settings.private_marks[1])))
        if settings.private_marks
        else None
    )
    return Secrets(names, spans, marks)


def private_ids(utterances: Sequence[Utterance], secrets: Secrets, labels: Sequence[Label] = ()) -> frozenset[str]:
    """Ids of the utterances that players must not know.

    Args:
        utterances: all of them; those without times lie in no span.
        secrets: what was named.
        labels: of a chat model; they only add to what is private.
    """
    labelled = _labelled(utterances, labels)
    found = set()
    inside = False
    for utterance in utterances:
        words = _words(utterance.text)
        begins = secrets.marks is not None and _contains(words, secrets.marks[0])
        inside = inside or begins
        if inside or utterance.id in labelled or _in_span(utterance, secrets) or secrets.named_in(utterance.text):
            found.add(utterance.id)
        # the later of the two marks in one utterance holds
        if inside and secrets.marks is not None and _last(words, secrets.marks[1]) > _last(words, secrets.marks[0]):
            inside = False
    return frozenset(found)


class Censor:
    """Tells what players may read.

    Args:
        utterances: all of them.
        private: ids of those that players must not know.
        secrets: what was named.
        allowed: texts whose words players know anyway, such as their own names.
    """

    def __init__(
        self, utterances: Sequence[Utterance], private: frozenset[str], secrets: Secrets, allowed: Iterable[str] = ()
    ) -> None:
        self.private = private
        self.public = [utterance for utterance in utterances if utterance.id not in private]
        self._secrets = secrets
        public = {word for utterance in self.public for word in _words(utterance.text)}
        hidden = {word for utterance in utterances if utterance.id in private for word in _words(utterance.text)}
        known = {word for text in allowed if not secrets.named_in(text) for word in _words(text)}
        self.hidden_words = frozenset(hidden - public - known - FUNCTION_WORDS)
        """Telling words that are said in private only."""

    def passes(self, text: str, evidence: Iterable[str] = ()) -> bool:
        """Whether players may read it."""
        if not self.private.isdisjoint([*evidence, *_CITED.findall(text)]) or self._secrets.named_in(text):
            return False
        return self.hidden_words.isdisjoint(_words(text))

    def speakers(self, speakers: Sequence[Speaker]) -> list[Speaker]:
        """Those whom players hear, without what would tell a secret of them."""
        heard = {utterance.speaker for utterance in self.public}
        found = []
        for speaker in speakers:
            if speaker.label not in heard:
                continue
            name = speaker.name if not self._secrets.named_in(speaker.name) else speaker.label
            kept = speaker.character if speaker.character and not self._secrets.named_in(speaker.character) else None
            role = speaker.role if speaker.role and not self._secrets.named_in(speaker.role) else None
            found.append(
                speaker.model_copy(
                    update={
                        "name": name,
                        "character": kept,
                        "role": role,
                        "role_by": speaker.role_by if role else None,
                        "named_by": speaker.named_by if name == speaker.name else "nobody",
                    }
                )
            )
        return found


def players_version(notes: Notes, floor: Notes, censor: Censor, speakers: Sequence[Speaker], main: str) -> PlayersNotes:
    """The notes that players may read.

    Args:
        notes: the game master's.
        floor: the bundled engine's, of the public utterances alone.
        censor: tells what players may read.
        speakers: as players may know them.
        main: heading of the section that tells what happened.
    """
    if notes.engine == "chat":
        kept = [c for c in notes.claims if c.supported and censor.passes(_whole(c), c.evidence)]
        abstract = abstract_of([claim.text for claim in kept if claim.section == main])
        title = notes.title if censor.passes(notes.title) else floor.title
        headings = [section.heading for section in notes.sections]
        story = notes.story
    else:
        kept, abstract, title, story = floor.claims, floor.abstract, floor.title, floor.story
        kept = [claim for claim in kept if censor.passes(claim.text, claim.evidence)]
        headings = [section.heading for section in floor.sections]
    claims = [claim.model_copy(update={"id": f"c{number:03d}"}) for number, claim in enumerate(kept, 1)]
    public = {utterance.id for utterance in censor.public}
    made = Notes(
        profile=notes.profile,
        engine=notes.engine,
        title=title if censor.passes(title) else "Session notes",
        abstract=abstract if censor.passes(abstract) else "",
        sections=[
            Section(heading=heading, claims=[claim.id for claim in claims if claim.section == heading])
            for heading in headings
        ],
        claims=claims,
        chapters=[
            chapter.model_copy(update={"title": chapter.title if censor.passes(chapter.title) else f"Part {number}"})
            for number, chapter in enumerate(floor.chapters, 1)
        ],
        words_read=floor.words_read,
        story=_story(story, censor),
        labels=[label for label in notes.labels if {label.first, label.last} <= public and label.kind != "private"],
        changes=_changes(notes.changes, censor),
    )
    return PlayersNotes(notes=made, speakers=list(speakers))


def _whole(claim: Claim) -> str:
    return " ".join([claim.text, *claim.details.values()])


def _story(story: str | None, censor: Censor) -> str | None:
    """Paragraph by paragraph; a heading with nothing left below it goes as well."""
    if story is None:
        return None
    kept: list[str] = []
    for paragraph in story.strip().split("\n\n"):
        if not censor.passes(paragraph):
            if not paragraph.startswith("#"):
                continue
            paragraph = "## …"
        if paragraph.startswith("#") and kept and kept[-1].startswith("#"):
            kept.pop()
        kept.append(paragraph)
    while kept and kept[-1].startswith("#"):
        kept.pop()
    return "\n\n".join(kept) + "\n" if kept else None


def _changes(changes: Changes | None, censor: Censor) -> Changes | None:
    if changes is None or not all(censor.passes(text) for text in (changes.scope, *(e.name for e in changes.earlier))):
        return None

    def shown(listed: Sequence[Change]) -> list[Change]:
        return [
            change if censor.passes(change.told) else change.model_copy(update={"told": ""})
            for change in listed
            if not change.secret and censor.passes(change.text, change.evidence)
        ]

    return changes.model_copy(
        update={
            "earlier": [
                earlier if censor.passes(earlier.title) else earlier.model_copy(update={"title": ""})
                for earlier in changes.earlier
            ],
            **{name: shown(lines) for name, lines in changes.lists.items()},
        }
    )


def _labelled(utterances: Sequence[Utterance], labels: Sequence[Label]) -> set[str]:
    place = {utterance.id: number for number, utterance in enumerate(utterances)}
    spans = [(place[label.first], place[label.last]) for label in labels if label.kind == "private"]
    return {utterances[number].id for first, last in spans for number in range(first, last + 1)}


def _in_span(utterance: Utterance, secrets: Secrets) -> bool:
    start, end = utterance.start_ms, utterance.end_ms
    if start is None or end is None:
        return False
    return any(start < until and end > begin for begin, until in secrets.spans_ms)


def _words(text: str) -> list[str]:
    return [word.removesuffix("'s") for word in terms(text.replace("_", " ").replace("-", " "))]


def _contains(words: Sequence[str], wanted: Sequence[str]) -> bool:
    return _last(words, wanted) >= 0


def _last(words: Sequence[str], wanted: Sequence[str]) -> int:
    size = len(wanted)
    starts = range(len(words) - size, -1, -1) if size else ()
    return next((at for at in starts if list(words[at : at + size]) == list(wanted)), -1)
