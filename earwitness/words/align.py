"""Giving each word of a transcript its time and its speaker."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from earwitness.audio.pcm import speech_duration_ms
from earwitness.engines.engine import EngineUse
from earwitness.engines.weights import weights_id
from earwitness.errors import EngineUnavailable
from earwitness.progress import Progress, no_progress, part_of
from earwitness.settings import AlignSettings
from earwitness.spans import Span
from earwitness.speech.segments import Doubt, Segment, Transcribed
from earwitness.speech.turns import Diarized
from earwitness.storage.store import FileRef, keep, workspace
from earwitness.words.assign import Attribution, is_label, match_names
from earwitness.words.placing import Placed, in_order, spread, within
from earwitness.words.transcript import Aligned, Word, words_frame
from earwitness.words.utterances import Spoken, into_utterances

_DOUBTFUL_RUN = 3


def choose_aligner(settings: AlignSettings, language: str) -> EngineUse:
    """The aligner to use, without loading anything heavy.

    Args:
        settings: `auto` falls back to the bundled aligner and says why; `whisperx` never falls back.
        language: ISO 639-1 of the transcript, "und" when unknown.

    Raises:
        EngineUnavailable: whisperX was asked for and has no model; lists what was tried.
    """
    from earwitness.engines.sphinx import model_id, version
    from earwitness.words.whisper_aligner import find_model, whisperx_version

    if settings.engine == "bundled":
        return EngineUse(name="bundled", version=version(), model=model_id(), reason="asked for")
    found = find_model(settings.model, language)
    if found.ok:
        return EngineUse(name="whisperx", version=whisperx_version(), model=weights_id(found.model), reason=found.why)
    if settings.engine == "whisperx":
        raise EngineUnavailable(
            f"whisperX has no alignment model for language {language!r}. Tried: {found.why}.",
            "Fetch the model once while online, set align.model to a folder with a wav2vec2 CTC model, "
            "or set align.engine=bundled.",
            tried=found.why,
        )
    return EngineUse(name="bundled", version=version(), model=model_id(), degraded=True, reason=found.why)


def align(
    speech: Path,
    transcribed: Transcribed,
    diarized: Diarized | None,
    settings: AlignSettings,
    engine: EngineUse,
    progress: Progress = no_progress,
) -> Aligned:
    """Place every word of the transcript on the clock and give it a speaker.

    Words come out as they were written, none is dropped, and each has start < end inside the recording. They are
    grouped by utterance; utterances follow one another by their start, and those of people who talk at the same time
    overlap. Names of the transcript win over the diarization; a line without a name is one person's if their turns
    cover it, else its words go by the exclusive turns.

    Args:
        speech: 16 kHz mono file.
        transcribed: segments, with times or without.
        diarized: None when nobody could tell the speakers apart.
        settings: of this stage.
        engine: from `choose_aligner`.
        progress: told after every segment.
    """
    duration_ms = speech_duration_ms(speech)
    segments = [segment for segment in transcribed.segments if segment.text.split()]
    placed = place_words(speech, segments, transcribed, settings, engine, duration_ms, part_of(progress, 0, 0.95))
    found = words_of(segments, placed, transcribed, diarized, settings, engine, duration_ms)
    progress(1.0, f"{found.word_count} words")
    return found


ESTIMATED = EngineUse(
    name="estimated",
    version="1",
    degraded=True,
    reason="alignment failed: words are spread over the speech of their segments",
)


def estimate_words(
    speech: Path,
    transcribed: Transcribed,
    diarized: Diarized | None,
    settings: AlignSettings,
    engine: EngineUse,
    known: Mapping[str, str] | None = None,
) -> Aligned:
    """As `align`, without listening: words share the speech of their segment by their length, marked as estimated.

    Segments without times share all speech. What there is to publish where no aligner can be made to work.

    Args:
        speech: 16 kHz mono file; only its length is looked at.
        transcribed: segments, with times or without.
        diarized: None when nobody could tell the speakers apart.
        settings: how words are cut into utterances.
        engine: `ESTIMATED`.
        known: speaker of a segment → label, where that needs no finding out.
    """
    duration_ms = speech_duration_ms(speech)
    segments = [segment for segment in transcribed.segments if segment.text.split()]
    placed = [
        spread(segment.text.split(), within(transcribed.speech_spans, start_ms, end_ms))
        for segment, (start_ms, end_ms) in zip(segments, _rough_times(segments, transcribed, duration_ms), strict=True)
    ]
    return words_of(segments, placed, transcribed, diarized, settings, engine, duration_ms, known)


def _rough_times(segments: Sequence[Segment], transcribed: Transcribed, duration_ms: int) -> list[Span]:
    """The segments' own times inside the recording; all speech, shared out by length, where one has none."""
    if all(segment.start_ms is not None for segment in segments):
        return [(min(s.start_ms or 0, duration_ms - 1), min(s.end_ms or duration_ms, duration_ms)) for s in segments]
    shares = spread([segment.text for segment in segments], within(transcribed.speech_spans, 0, duration_ms))
    return [(share.start_ms, share.end_ms) for share in shares]


def words_of(
    segments: Sequence[Segment],
    placed: Sequence[Sequence[Placed]],
    transcribed: Transcribed,
    diarized: Diarized | None,
    settings: AlignSettings,
    engine: EngineUse,
    duration_ms: int,
    known: Mapping[str, str] | None = None,
) -> Aligned:
    """Speakers and utterances for placed words.

    Args:
        segments: with text.
        placed: their words.
        transcribed: whose language counts.
        diarized: None when nobody could tell the speakers apart.
        settings: how words are cut into utterances.
        engine: that placed the words.
        duration_ms: of the recording.
        known: speaker of a segment → label, where that needs no finding out.
    """
    spoken = [Spoken(in_order(words, duration_ms)) for words in placed]
    names = _give_speakers(segments, spoken, diarized, known or {})
    order = sorted(range(len(spoken)), key=lambda i: (spoken[i].words[0].start_ms, i))
    words = into_utterances(
        [spoken[i] for i in order], pause_s=settings.pause_s, max_utterance_s=settings.max_utterance_s
    )
    return Aligned(
        engine=engine,
        language=transcribed.language,
        words=store_words(words),
        word_count=len(words),
        names=names,
        doubts=estimated_runs(words),
        warnings=_warnings(segments, words, duration_ms),
    )


def place_words(
    speech: Path,
    segments: Sequence[Segment],
    transcribed: Transcribed,
    settings: AlignSettings,
    engine: EngineUse,
    duration_ms: int,
    progress: Progress,
) -> list[list[Placed]]:
    """Times for the words of some segments of a transcript.

    Args:
        speech: 16 kHz mono file in which they are said.
        segments: with text.
        transcribed: whose language and voice activity count.
        settings: of this stage.
        engine: from `choose_aligner`.
        duration_ms: of the recording.
        progress: told after every segment.

    Returns:
        one list of words a segment, in the segments' order.
    """
    from earwitness.words.bundled_aligner import BundledAligner

    bundled = BundledAligner(speech, transcribed.speech_spans, duration_ms)
    if engine.name != "whisperx":
        return bundled.place_segments(segments, progress)
    if any(segment.start_ms is None for segment in segments):
        rough = bundled.place_segments(segments, part_of(progress, 0, 0.5))
        segments = [
            segment.model_copy(update={"start_ms": words[0].start_ms, "end_ms": words[-1].end_ms})
            for segment, words in zip(segments, rough, strict=True)
        ]
        progress = part_of(progress, 0.5, 1)
    from earwitness.words.whisper_aligner import place_segments

    return place_segments(
        speech, segments, transcribed.language, settings, transcribed.speech_spans, duration_ms, progress
    )


def _give_speakers(
    segments: Sequence[Segment], spoken: Sequence[Spoken], diarized: Diarized | None, known: Mapping[str, str]
) -> dict[str, str]:
    """Fill in the speakers; label → name for the names of the transcript."""
    by_name: dict[str, list[Placed]] = {}
    for segment, said in zip(segments, spoken, strict=True):
        if segment.speaker:
            by_name.setdefault(segment.speaker, []).extend(said.words)
    turns = [turn for turn in diarized.turns if turn.speaker not in known.values()] if diarized else []
    others = {name: words for name, words in by_name.items() if name not in known}
    labels = {**match_names(others, turns, taken=[*known.values()]), **known}
    voices = Attribution(diarized.turns, diarized.exclusive) if diarized else None
    for segment, said in zip(segments, spoken, strict=True):
        if segment.speaker:
            said.speakers = [labels[segment.speaker]] * len(said.words)
        elif voices:
            said.speakers = voices.speakers_of_line(said.words, _span(segment))
        else:
            said.speakers = [None] * len(said.words)
    return {label: name for name, label in sorted(labels.items(), key=lambda item: item[1]) if not is_label(name)}


def _span(segment: Segment) -> Span | None:
    if segment.start_ms is None or segment.end_ms is None or segment.end_ms <= segment.start_ms:
        return None
    return segment.start_ms, segment.end_ms


def store_words(words: Sequence[Word]) -> FileRef:
    """`words.parquet` with labels, in the store; the same words give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # the pandas block of the schema names library versions, which would change the digest from one release to another
    table = pa.Table.from_pandas(words_frame(words), preserve_index=False).replace_schema_metadata(None)
    with workspace("align") as folder:
        path = Path(folder) / "words.parquet"
        pq.write_table(table, path, compression="zstd")
        return keep(path)


def estimated_runs(words: Sequence[Word]) -> list[Doubt]:
    """Runs of words whose times are only estimates."""
    doubts: list[Doubt] = []
    run: list[Word] = []
    for word in [*words, None]:
        if word is not None and word.estimated and (not run or run[-1].utterance == word.utterance):
            run.append(word)
            continue
        if len(run) >= _DOUBTFUL_RUN:
            doubts.append(
                Doubt(
                    kind="estimated-times",
                    start_ms=run[0].start_ms,
                    end_ms=run[-1].end_ms,
                    text=" ".join(w.text for w in run),
                    message=f"{len(run)} words could not be found in the sound; their times are shared out.",
                )
            )
        run = [word] if word is not None and word.estimated else []
    return doubts


def _warnings(segments: Sequence[Segment], words: Sequence[Word], duration_ms: int) -> list[str]:
    found = []
    beyond = sum((segment.start_ms or 0) >= duration_ms for segment in segments)
    if beyond:
        found.append(
            f"{beyond} segments of the transcript start after the recording's end: is it the right transcript?"
        )
    estimated = sum(word.estimated for word in words)
    if words and estimated * 3 > len(words):
        found.append(f"{estimated} of {len(words)} words could not be found in the sound; their times are estimates.")
    return found
