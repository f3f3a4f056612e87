"""Word alignment with whisperX (wav2vec2 CTC models)."""

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from earwitness.audio.pcm import read_speech
from earwitness.engines.hub import fetching, model_available
from earwitness.engines.peek import literal, source_of
from earwitness.engines.quiet import import_speech_library
from earwitness.errors import EngineUnavailable, ServiceUnavailable
from earwitness.progress import Progress, no_progress
from earwitness.services.breaker import hosted
from earwitness.settings import AlignSettings
from earwitness.spans import Span
from earwitness.speech.segments import Segment
from earwitness.words.placing import Placed, fill

_log = logging.getLogger(__name__)

PAD_MS = 300
LONGEST_MS = 40_000
_PIECE_MS = 25_000
_PROBE = "config.json"
_TORCH = "PyTorch downloads"


@dataclass(frozen=True, slots=True)
class Found:
    """Whether an alignment model can be had, which, and why."""

    ok: bool
    model: str
    why: str


def whisperx_version() -> str:
    """Of the installed package, without importing it."""
    from importlib.metadata import version

    return version("whisperx")


def find_model(model: str | None, language: str) -> Found:
    """Look for an alignment model: the one asked for, or whisperX's own choice for the language.

    Args:
        model: folder or hub id of a wav2vec2 CTC model; None: by language.
        language: ISO 639-1.
    """
    if model is None:
        model = _default_models().get(language)
        if model is None:
            return Found(False, "", f"whisperX knows no alignment model for language {language!r}")
    if "/" not in model and (file := _torchaudio_file(model)) is not None:
        return _find_torchaudio(model, file)
    answer = model_available(model, probe_file=_PROBE)
    return Found(answer.ok, model, answer.why)


@lru_cache(maxsize=1)
def _default_models() -> dict[str, str]:
    """Language → model, as whisperX has it."""
    tables = ("DEFAULT_ALIGN_MODELS_HF", "DEFAULT_ALIGN_MODELS_TORCH")
    return {key: value for name in tables for key, value in (literal("whisperx", "alignment.py", name) or {}).items()}


def _torchaudio_file(name: str) -> str | None:
    """File of one of torchaudio's own models, None for any other name."""
    source = source_of("torchaudio", "pipelines/_wav2vec2/impl.py")
    match = re.search(rf'^{re.escape(name)} = \w+\(\s*(?:_path=)?"([^"]+)"', source, re.MULTILINE)
    return match[1] if match else None


def _find_torchaudio(name: str, file: str) -> Found:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = Path(os.environ.get("TORCH_HOME") or f"{cache}/torch").expanduser()
    if (home / "hub" / "checkpoints" / file).is_file():
        return Found(True, name, f"{name} is in torch's cache")
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return Found(False, name, f"{name} is not in torch's cache and HF_HUB_OFFLINE is set")
    import httpx

    try:
        with hosted(_TORCH):
            answer = httpx.head(f"https://download.pytorch.org/torchaudio/models/{file}", timeout=3.0)
    except (ServiceUnavailable, httpx.HTTPError) as error:
        # the reason stands in the bundle, which must not differ with the state of a breaker
        _log.info("%s can't be fetched: %s", name, error)
        return Found(False, name, f"{name} is not in torch's cache and can't be fetched")
    if answer.is_success:
        return Found(True, name, f"{name} can be fetched")
    return Found(False, name, f"{name} is not in torch's cache and its server answered {answer.status_code}")


def place_segments(
    speech: Path,
    segments: Sequence[Segment],
    language: str,
    settings: AlignSettings,
    spans: Sequence[Span],
    duration_ms: int,
    progress: Progress = no_progress,
) -> list[list[Placed]]:
    """One list of words a segment, each with its time.

    Args:
        speech: 16 kHz mono file.
        segments: with times.
        language: ISO 639-1.
        settings: model and device.
        spans: voice activity, for words that can't be aligned.
        duration_ms: of the recording.
        progress: told after every segment.

    Raises:
        EngineUnavailable: the model can't be loaded.
    """
    model = settings.model or _default_models().get(language, "")
    aligner = _Aligner(speech, language, settings.device, model, spans, duration_ms)
    placed: list[list[Placed]] = []
    for number, segment in enumerate(segments, 1):
        placed.append(aligner.place(segment.text.split(), segment.start_ms or 0, segment.end_ms or 0))
        progress(number / len(segments), f"aligning segment {number} of {len(segments)}")
    return placed


class _Aligner:
    def __init__(
        self, speech: Path, language: str, device: str, model: str, spans: Sequence[Span], duration_ms: int
    ) -> None:
        import torch

        self._device = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
        self._model, self._metadata = _load(model, language, self._device)
        self._speech, self._spans, self._duration_ms = speech, spans, duration_ms

    def place(self, texts: Sequence[str], start_ms: int, end_ms: int) -> list[Placed]:
        start_ms = max(0, min(start_ms, self._duration_ms - 1))
        end_ms = max(start_ms + 1, min(end_ms, self._duration_ms))
        if end_ms - start_ms > LONGEST_MS:
            # attention over a long window needs memory that grows with its square
            return [word for piece in self._pieces(texts, start_ms, end_ms) for word in self._place_short(*piece)]
        return self._place_short(texts, start_ms, end_ms)

    def _pieces(self, texts: Sequence[str], start_ms: int, end_ms: int) -> Iterator[tuple[list[str], int, int]]:
        from earwitness.words.bundled_aligner import BundledAligner

        rough = BundledAligner(self._speech, self._spans, self._duration_ms).place(texts, start_ms, end_ms)
        begin = 0
        for at in range(1, len(rough) + 1):
            if at == len(rough) or rough[at].end_ms - rough[begin].start_ms > _PIECE_MS:
                yield list(texts[begin:at]), rough[begin].start_ms, rough[at - 1].end_ms
                begin = at

    def _place_short(self, texts: Sequence[str], start_ms: int, end_ms: int) -> list[Placed]:
        first, last = max(0, start_ms - PAD_MS), min(self._duration_ms, end_ms + PAD_MS)
        samples = read_speech(self._speech, first, last)
        segment = {"start": 0.0, "end": samples.size / 16_000, "text": " ".join(texts)}
        whisperx = import_speech_library("whisperx.alignment")
        with _whole_text_as_sentence(whisperx), contextlib.redirect_stdout(sys.stderr):
            result = whisperx.align([segment], self._model, self._metadata, samples, self._device)
        return fill(texts, _matched(texts, result["word_segments"], first), start_ms, end_ms, self._spans)


def _matched(texts: Sequence[str], found: Sequence[dict[str, Any]], offset_ms: int) -> list[Placed | None]:
    """Words of whisperX → ours, by counting letters: it parts Chinese and Japanese into single ones."""
    placed: list[Placed | None] = []
    queue = [(len("".join(str(row["word"]).split())), row) for row in found]
    at = 0
    for text in texts:
        rows: list[dict[str, Any]] = []
        missing = len(text)
        while missing > 0 and at < len(queue):
            missing -= queue[at][0]
            rows.append(queue[at][1])
            at += 1
        # whisperX fills in times of words it could not align; those carry no score
        scored = [row for row in rows if "score" in row and row.get("end", 0) > row.get("start", 0)]
        if not scored:
            placed.append(None)
            continue
        score = sum(float(row["score"]) for row in scored) / len(scored)
        start, end = (
            offset_ms + round(float(row[key]) * 1000) for row, key in ((scored[0], "start"), (scored[-1], "end"))
        )
        placed.append(Placed(text, start, end, round(min(1.0, max(0.0, score)), 3), estimated=False))
    return placed


class _OneSentence:
    @staticmethod
    def span_tokenize(text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


@contextlib.contextmanager
def _whole_text_as_sentence(alignment: Any) -> Iterator[None]:
    """Keep whisperX from fetching NLTK's sentence model: utterances are cut later, and by our own rule.

    With a single sentence it also keeps all words: it groups sentences by their times and drops those without.
    """
    original = alignment.nltk_load
    alignment.nltk_load = lambda _: _OneSentence
    try:
        yield
    finally:
        alignment.nltk_load = original


@lru_cache(maxsize=1)
def _load(model: str, language: str, device: str) -> tuple[Any, Any]:
    whisperx = import_speech_library("whisperx.alignment")
    said = io.StringIO()
    try:
        # it prints what went wrong and raises something less helpful
        with contextlib.redirect_stdout(said), _source_of(model):
            loaded, metadata = whisperx.load_align_model(language, device, model_name=model)
    except (ValueError, OSError, RuntimeError) as error:
        raise EngineUnavailable(
            f"The alignment model {model} can't be loaded ({said.getvalue().strip().splitlines()[:1] or error}).",
            "Fetch it once while online, set align.model to a folder with a wav2vec2 CTC model, "
            "or set align.engine=bundled.",
        ) from error
    loaded.eval()
    return loaded, metadata


def _source_of(model: str) -> contextlib.AbstractContextManager[None]:
    """The breaker of whoever hands the model out."""
    return hosted(_TORCH) if _torchaudio_file(model) and "/" not in model else fetching(model, probe_file=_PROBE)
