"""Diarization error rate and time of the bundled engine beside pyannote's own pipeline on the same models.

Run from the repository root:

    python -m tests.bench.bench_diarize [--data DIR] [--no-baseline] [FILE...]

DER counts overlap, has no collar, and scores the whole file. "given" is with the true number of speakers. Both run
in this process, one after the other on each recording, after a warm-up. Where other work goes on beside it, only
the ratio of processor times says something.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio.pcm import read_speech, speech_duration_ms
from earwitness.engines.quiet import import_speech_library
from earwitness.evaluation.diarization import diarization_score, whole_file
from earwitness.settings import DiarizeSettings
from earwitness.speech import segmentation, voice_encoder
from earwitness.speech.diarize import choose_diarizer, diarize
from earwitness.speech.rttm import read_rttm
from earwitness.speech.turns import Turn

_DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "conversations"


def baseline(path: Path, speakers: int | None) -> list[Turn]:
    """pyannote's pipeline class on the bundled models, with its own default step and clustering threshold.

    The threshold was made for other embeddings. Of 24 settings of its clustering the best on our own evaluation
    recordings, chosen by looking at them, gives DER 16.5 % and 4 of 13 counts (centroid, 12, 0.55).
    """
    import torch

    sound = {"waveform": torch.from_numpy(read_speech(path))[None], "sample_rate": 16_000, "uri": "recording"}
    output = _pipeline()(sound, num_speakers=speakers)
    return [
        Turn(start_ms=max(0, round(segment.start * 1000)), end_ms=round(segment.end * 1000), speaker=label)
        for segment, _, label in output.speaker_diarization.itertracks(yield_label=True)
    ]


_made: list[Any] = []


def _pipeline() -> Any:
    if not _made:
        _made.append(_make_pipeline())
    return _made[0]


def _make_pipeline() -> Any:
    import torch

    import_speech_library("pyannote.audio")
    from pyannote.audio.core.inference import BaseInference
    from pyannote.audio.pipelines import speaker_diarization as theirs

    class Voices(BaseInference):
        """The voice encoder in the shape that the pipeline wants its embeddings."""

        sample_rate, dimension, metric, min_num_samples = 16_000, voice_encoder.DIMENSIONS, "cosine", 6_400

        def to(self, device: Any) -> Any:
            return self

        def __call__(self, waveforms: Any, masks: Any = None) -> np.ndarray:
            mels = voice_encoder.spectrogram(waveforms[:, 0].numpy())
            vectors = np.full((len(mels), self.dimension), np.nan, np.float32)
            places = np.linspace(0, masks.shape[1] - 1, mels.shape[1]).round().astype(int)
            pieces = {row: mels[row][masks[row].numpy()[places] > 0.5] for row in range(len(mels))}
            heard = [row for row, piece in pieces.items() if len(piece) >= 20]
            if heard:
                vectors[heard] = voice_encoder.embed_frames([pieces[row] for row in heard])
            return vectors

    class Pipeline(theirs.SpeakerDiarization):
        """Without PLDA and without embeddings from the hub."""

    with (
        _replaced(theirs, "get_plda", lambda *_, **__: None),
        _replaced(theirs, "PretrainedSpeakerEmbedding", lambda *_, **__: Voices()),
    ):
        pipeline = Pipeline(
            segmentation=import_speech_library("pyannote.audio").Model.from_pretrained(segmentation.weights_path()),
            embedding="bundled",
            embedding_exclude_overlap=True,
            clustering="AgglomerativeClustering",
            segmentation_batch_size=8,
            embedding_batch_size=8,
        )
    pipeline.instantiate(
        {
            "segmentation": {"threshold": 0.5, "min_duration_off": 0.0},
            "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": 0.6},
        }
    )
    return pipeline.to(torch.device("cpu"))


@contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


@dataclass
class Total:
    """Sums over recordings."""

    errors: float = 0.0
    speech: float = 0.0
    right: int = 0
    files: int = 0
    seconds: float = 0.0
    processor_s: float = 0.0
    sound: float = 0.0

    def add(
        self, reference: list[Turn], found: list[Turn], duration_ms: int, seconds: float, processor_s: float
    ) -> str:
        """Count a recording in; return its cell of the table."""
        score = diarization_score(reference, found, whole_file(duration_ms, reference))
        self.errors += score.missed_s + score.false_alarm_s + score.confusion_s
        self.speech += score.speech_s
        self.right += score.speaker_count_error == 0
        self.files += 1
        self.seconds += seconds
        self.processor_s += processor_s
        self.sound += duration_ms / 1000
        return f"{100 * (score.error_rate or 0):6.1f} {score.speakers_found}/{score.speakers_reference}"

    def line(self) -> str:
        """DER, counts and speed over all."""
        return (
            f"DER {100 * self.errors / self.speech:5.1f} %  count right {self.right}/{self.files}  "
            f"{self.seconds:6.1f} s = {self.seconds / self.sound:.3f} x real time"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Diarization: error rates and time beside pyannote's pipeline.")
    parser.add_argument("files", nargs="*", type=Path, help="recordings with an .rttm beside them")
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of recordings, where no files are named")
    parser.add_argument("--no-baseline", action="store_true", help="only the bundled engine")
    options = parser.parse_args()
    files = options.files or sorted(options.data.glob("*.flac"))
    if not files:
        parser.error(f"no recordings in {options.data}")
    with tempfile.TemporaryDirectory() as home:
        environ["EARWITNESS_HOME"] = home
        _table(files, with_baseline=not options.no_baseline)


def _ours(path: Path, speakers: int | None) -> list[Turn]:
    settings = DiarizeSettings(engine="bundled", speakers=speakers)
    return diarize(path, settings, choose_diarizer(settings)).turns


def _table(files: list[Path], *, with_baseline: bool) -> None:
    runs = {"bundled": (_ours, False), "bundled, given": (_ours, True)}
    if with_baseline:
        runs["pyannote"] = (baseline, False)
    totals = {name: Total() for name in runs}
    for run, _ in runs.values():
        run(files[0], None)
    print(f"{'':32s}" + "".join(f"{name:>18s}" for name in runs))
    for path in files:
        reference, duration_ms = read_rttm(path.with_suffix(".rttm")), speech_duration_ms(path)
        true = len({turn.speaker for turn in reference})
        cells = []
        for name, (run, given) in runs.items():
            began, busy = time.perf_counter(), time.process_time()
            found = run(path, true if given else None)
            spent = (time.perf_counter() - began, time.process_time() - busy)
            cells.append(totals[name].add(reference, found, duration_ms, *spent))
        print(f"{path.stem:32s}" + "".join(f"{cell:>18s}" for cell in cells), flush=True)
    for name, total in totals.items():
        print(f"{name:20s} {total.line()}")
    if with_baseline:
        ours, theirs = totals["bundled"], totals["pyannote"]
        print(
            f"bundled / pyannote = {ours.seconds / theirs.seconds:.2f} in time, "
            f"{ours.processor_s / theirs.processor_s:.2f} in processor time"
        )


if __name__ == "__main__":
    main()
