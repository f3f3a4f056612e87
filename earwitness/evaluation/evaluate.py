"""Scoring a bundle against references."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from earwitness.archive.reading import Bundle
from earwitness.errors import UsageError
from earwitness.evaluation.diarization import diarization_score, whole_file
from earwitness.evaluation.reference import Reference, Said, cut, read_references, read_uem
from earwitness.evaluation.scores import Evaluation
from earwitness.evaluation.tokens import Token, one_name, tokens_of
from earwitness.evaluation.words import Pair, cp_word_errors, word_boundaries, word_errors, word_speakers
from earwitness.spans import Span
from earwitness.speech.turns import Turn
from earwitness.words.transcript import Word, utterances_of


def evaluate(
    bundle: Bundle, references: Sequence[Path], *, collar_s: float = 0.0, uem: Path | None = None
) -> Evaluation:
    """Score a bundle, as it is published, against what people wrote down.

    Speakers are compared by display name: voices with one name are one person. A bundle of a part of a recording is
    compared with that part of the reference.

    Args:
        bundle: of any engine.
        references: RTTM (turns), STM (turns and text), CTM or TSV (words with times); at most one of a kind.
        collar_s: left out of the diarization score on either side of each boundary of the reference.
        uem: what to score; None: all of the recording.

    Raises:
        BadTranscript: a reference can't be read; names file and line.
        UsageError: nothing can be compared.
    """
    if not references:
        raise UsageError("No reference is given.", "Give --reference FILE.rttm, .stm, .ctm or .tsv.")
    if not 0 <= collar_s < 60:
        raise UsageError(f"A collar of {collar_s} s is not possible.", "Give seconds from 0 to 60.")
    recording = bundle.recording
    called = (Path(recording.source.name).stem, recording.recording_id)
    there = read_references(references, called)
    wanted = read_uem(uem, called) if uem is not None else None
    if recording.slice is not None:
        part = round(recording.slice.start_s * 1000), round(recording.slice.end_s * 1000)
        there = there.within(part)
        wanted = None if wanted is None else cut(wanted, part)
    turns = [turn.model_copy(update={"speaker": _shown(bundle, turn.speaker)}) for turn in bundle.turns()]
    words = bundle.words()
    duration_ms = round(recording.duration_s * 1000)
    scored = _without(wanted or whole_file(duration_ms, there.turns or []), there.ignored)
    inside = _inside(scored) if wanted or there.ignored else lambda start_ms, end_ms: True
    warnings = _warnings(bundle, there, turns, words)

    diarization = None
    if there.turns is not None and turns:
        diarization = diarization_score(there.turns, turns, scored, round(collar_s * 1000))
    said = there.segments if there.segments is not None else there.words
    found_words = [word for word in words if inside(word.start_ms, word.end_ms)]
    errors = cp = speakers = boundaries = None
    if said is not None and words:
        theirs, spoken = _theirs(said, inside), any(item.speaker for item in said)
        errors, pairs = word_errors(theirs, _ours(bundle, found_words, by_word=said == there.words))
        if spoken:
            cp = cp_word_errors(theirs, _ours(bundle, found_words, by_word=True))
            speakers = word_speakers(pairs)
        if there.words is not None:
            boundaries = word_boundaries(
                pairs if said == there.words else _timed(bundle, there.words, found_words, inside)
            )
    if diarization is None and errors is None:
        raise UsageError(
            f"Nothing can be compared: {' '.join(warnings)}", "Give a reference for what the bundle holds."
        )
    return Evaluation(
        recording_id=recording.recording_id,
        references=there.files,
        engines={
            stage: recording.engines[stage].name
            for stage, has in (("diarize", turns), ("transcribe", words), ("align", words))
            if has and stage in recording.engines
        },
        scored_s=sum(end - start for start, end in scored) / 1000,
        diarization=diarization,
        words=errors,
        cp_words=cp,
        word_speakers=speakers,
        word_boundaries=boundaries,
        warnings=warnings,
    )


Inside = Callable[[int, int], bool]


def _shown(bundle: Bundle, label: str) -> str:
    return one_name(bundle.names.get(label, label)) or label


def _theirs(said: Iterable[Said], inside: Inside) -> list[Token]:
    return [
        token
        for item in said
        if inside(item.start_ms, item.end_ms)
        for token in tokens_of(item.text, item.speaker, item.start_ms, item.end_ms)
    ]


def _ours(bundle: Bundle, words: Sequence[Word], *, by_word: bool) -> list[Token]:
    """In order of words where the reference is one of words, else of utterances: people who talk at once are mixed."""
    ordered = (
        sorted(words, key=lambda word: (word.start_ms, word.end_ms))
        if by_word
        else [word for utterance in utterances_of(words) for word in utterance.words]
    )
    return [
        token
        for word in ordered
        for token in tokens_of(
            word.text, None if word.speaker is None else _shown(bundle, word.speaker), word.start_ms, word.end_ms
        )
    ]


def _timed(bundle: Bundle, theirs: Sequence[Said], words: Sequence[Word], inside: Inside) -> list[Pair]:
    _, pairs = word_errors(_theirs(theirs, inside), _ours(bundle, words, by_word=True))
    return pairs


def _without(spans: Iterable[Span], ignored: Iterable[Span]) -> list[Span]:
    """Stretches less those to leave out."""
    left = list(spans)
    for start, end in ignored:
        left = [piece for a, b in left for piece in ((a, min(b, start)), (max(a, end), b)) if piece[0] < piece[1]]
    return left


def _inside(spans: Sequence[Span]) -> Inside:
    return lambda start_ms, end_ms: any(a <= (start_ms + end_ms) // 2 < b for a, b in spans)


def _warnings(bundle: Bundle, there: Reference, turns: Sequence[Turn], words: Sequence[Word]) -> list[str]:
    """What the figures do not say by themselves."""
    recording = bundle.recording
    failed = {part.stage: part.message for part in recording.missing}
    found = []
    if there.turns is not None and not turns:
        found.append(f"The bundle has no turns{_because(failed.get('diarize'))}, so who spoke when is not scored.")
    if (there.segments is not None or there.words is not None) and not words:
        found.append(f"The bundle has no words{_because(failed.get('transcribe'))}, so what was said is not scored.")
    if there.turns == []:
        found.append("The reference has no turn in what is scored.")
    if words and (engine := recording.engines.get("transcribe")) and engine.name == "sidecar":
        found.append("The words come from a transcript that was given with the recording, not from a recogniser.")
    if bundle.corrections:
        found.append("A person has corrected this bundle; the figures include the corrections.")
    return found


def _because(reason: str | None) -> str:
    return f" ({reason.rstrip('.')})" if reason else ""
