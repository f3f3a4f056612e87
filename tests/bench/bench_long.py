"""Memory and time on long recordings, a stage at a time and as a whole.

    .venv/bin/python -m tests.bench.bench_long [--long 240] [--short 30] [--whole 180] [--recognise] [--folder DIR]

Builds recordings from the constructed conversations of `../shared/data`, one after the other until the length is
reached, with their transcripts as sidecar, and prints

1. each stage in a process of its own (its children included) on the long and on the short one: peak resident memory,
   the ratio of the two (wanted: 1.3 at most), and the time. `--recognise` also lets the bundled recogniser hear the
   words, which takes about half of the recording's length;
2. all stages by `run_flow` on the whole: peak resident memory of all processes together beyond that of the same run on
   60 s of it, which holds the same models (wanted: 2 GB at most).

An hour on two cores; `--long 0` or `--whole 0` leaves a part out.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeVar

from earwitness.schema import StageResult
from tests.bench.bench_reading import timed

R = TypeVar("R", bound=StageResult)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "conversations"
RATE_HZ = 16_000
MOST_RATIO = 1.3
MOST_BEYOND_MB = 2048
STAGES = ("validate", "preprocess", "listen", "diarize", "transcribe", "align", "summarize", "clip", "publish")
RECOGNISE = "recognise"

_STAGE = """
import sys
from pathlib import Path
from tests.bench.bench_long import run_stage
run_stage(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
"""

_FLOW = """
import sys
from flows import run_flow
result = run_flow(sys.argv[1], profile="podcast", out=sys.argv[2])
assert result.outcome == "done", result
print(result.model_dump_json())
"""


def build(minutes: float, folder: Path) -> Path:
    """A FLAC of so many minutes with an STM beside it; made once a length."""
    import soundfile

    target = folder / f"conversations-{minutes:g}min.flac"
    if target.is_file():
        return target
    sources = sorted(DATA.glob("constructed_*.flac"))
    wanted, done = round(minutes * 60 * RATE_HZ), 0
    lines: list[str] = []
    part = target.with_suffix(".part")
    with soundfile.SoundFile(part, "w", RATE_HZ, 1, "PCM_16", format="FLAC") as out:
        while done < wanted:
            for source in sources:
                sound, rate = soundfile.read(source, dtype="int16", frames=wanted - done)
                assert rate == RATE_HZ
                lines += _moved(source.with_suffix(".stm"), target.stem, done / RATE_HZ, wanted / RATE_HZ)
                out.write(sound)
                done += len(sound)
    target.with_suffix(".stm").write_text("\n".join(lines) + "\n")
    part.replace(target)
    return target


def _moved(stm: Path, name: str, by_s: float, end_s: float) -> list[str]:
    """The lines of a transcript that are over before `end_s`, later by `by_s`."""
    moved = []
    for line in stm.read_text().splitlines():
        _, channel, speaker, start, end, rest = line.split(maxsplit=5)
        if float(end) + by_s <= end_s:
            moved.append(f"{name} {channel} {speaker} {float(start) + by_s:.3f} {float(end) + by_s:.3f} {rest}")
    return moved


def run_stage(stage: str, recording: Path, folder: Path) -> None:
    """One stage on what the stages before it left in `folder`; leaves its own result there."""
    from earwitness.archive.findings import Findings
    from earwitness.audio.facts import ListeningCopy, Preprocessed, Validated
    from earwitness.clips.clip import Clipped
    from earwitness.clips.make import choose_clip_maker, make_clips
    from earwitness.job import plan_job
    from earwitness.notes.notes import Summarized
    from earwitness.notes.summarize import choose_writer
    from earwitness.options import read_options
    from earwitness.speech.segments import Transcribed
    from earwitness.speech.turns import Diarized
    from earwitness.words.align import choose_aligner
    from earwitness.words.cast import Speaker
    from earwitness.words.naming import name_speakers
    from earwitness.words.transcript import Aligned, read_words, utterances_of

    bundled = {"engine": "bundled"}
    asked: dict[str, object] = {"profile": "podcast", "diarize": bundled, "align": bundled}
    if stage == RECOGNISE:
        asked["transcribe"] = bundled
    job = plan_job(recording, read_options(asked))
    want = job.options
    engines = {**job.engines, "align": choose_aligner(want.align, "en"), "summarize": choose_writer(want.summarize)}
    engines["clip"] = choose_clip_maker()

    def known(name: str, kind: type[R]) -> R:
        return kind.model_validate_json((folder / f"{name}.json").read_text())

    def speakers() -> list[Speaker]:
        labels = sorted({turn.speaker for turn in known("diarize", Diarized).turns})
        return name_speakers(labels, known("align", Aligned).names, None, {})

    result: StageResult
    if stage == "validate":
        from earwitness.audio.validate import validate_recording

        result = validate_recording(recording, want.validate_, None)
    elif stage == "preprocess":
        from earwitness.audio.preprocess import preprocess

        result = preprocess(known("validate", Validated), want.preprocess)
    elif stage == "listen":
        from earwitness.audio.listen import make_listening_copy

        result = make_listening_copy(recording, known("validate", Validated), want.listen)
    elif stage == "diarize":
        from earwitness.speech.diarize import diarize

        result = diarize(known("preprocess", Preprocessed).speech.path, want.diarize, engines["diarize"])
    elif stage in {"transcribe", RECOGNISE}:
        from earwitness.speech.transcribe import transcribe

        sound = known("preprocess", Preprocessed).speech.path
        result = transcribe(sound, want.transcribe, engines["transcribe"], job.sidecar)
    elif stage == "align":
        from earwitness.words.align import align

        sound = known("preprocess", Preprocessed).speech.path
        said, turns = known("transcribe", Transcribed), known("diarize", Diarized)
        result = align(sound, said, turns, want.align, engines["align"])
    elif stage == "summarize":
        from earwitness.notes.summarize import summarize

        words = utterances_of(read_words(known("align", Aligned).words.path))
        result = summarize(words, speakers(), None, want.profile, want.summarize, engines["summarize"])
    elif stage == "clip":
        words = utterances_of(read_words(known("align", Aligned).words.path))
        notes = known("summarize", Summarized).notes
        audio = known("listen", ListeningCopy).audio.path
        result = make_clips(audio, words, speakers(), notes, want.clip, engines["clip"], profile=want.profile)
    else:
        from earwitness.archive.bundle import compose_bundle

        findings = Findings(
            recording_id=job.recording_id,
            source_name=recording.name,
            profile="podcast",
            settings={},
            engines=engines,
            validated=known("validate", Validated),
            preprocessed=known("preprocess", Preprocessed),
            listening=known("listen", ListeningCopy),
            diarized=known("diarize", Diarized),
            transcribed=known("transcribe", Transcribed),
            aligned=known("align", Aligned),
            speakers=speakers(),
            summarized=known("summarize", Summarized),
            clipped=known("clip", Clipped),
        )
        result = compose_bundle(findings)
    (folder / f"{stage}.json").write_text(result.model_dump_json())


def stages(long_min: float, short_min: float, folder: Path, *, recognise: bool) -> None:
    """Print a line a stage."""
    names = [*STAGES[:5], *([RECOGNISE] if recognise else []), *STAGES[5:]]
    recordings = [build(minutes, folder) for minutes in (long_min, short_min)]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        print(f"{'stage':12}{f'{long_min:g} min':>22}{f'{short_min:g} min':>22}{'ratio':>8}  (wanted {MOST_RATIO})")
        for stage in names:
            runs = []
            for recording in recordings:
                results = Path(scratch) / recording.stem
                results.mkdir(exist_ok=True)
                command = [sys.executable, "-c", _STAGE, stage, str(recording), str(results)]
                runs.append(timed(command, Path(scratch) / "home"))
            cells = "".join(f"{f'{run.peak_mb:.0f} MB {run.wall_s:.1f} s':>22}" for run in runs)
            print(f"{stage:12}{cells}{runs[0].peak_mb / runs[1].peak_mb:8.2f}", flush=True)


def whole(minutes: float, folder: Path) -> None:
    """Print the peak of a complete run and of the same on 60 s."""
    peaks = []
    for length in (1.0, minutes):
        recording = build(length, folder)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            home = Path(scratch) / "home"
            os.environ["PREFECT_HOME"] = str(Path(scratch) / "prefect")
            os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
            os.environ["PREFECT_SERVER_LOGGING_LEVEL"] = "CRITICAL"
            ran = timed([sys.executable, "-c", _FLOW, str(recording), str(Path(scratch) / "out")], home)
        result = json.loads(ran.said.splitlines()[-1])
        peaks.append(ran.peak_mb)
        spent = ", ".join(f"{name} {run['seconds']:.0f}" for name, run in result["stages"].items())
        print(f"run_flow on {length:g} min: {ran.wall_s:.0f} s, {ran.peak_mb:.0f} MB  ({spent})", flush=True)
    print(f"beyond the models: {peaks[1] - peaks[0]:.0f} MB (wanted {MOST_BEYOND_MB})", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", type=float, default=240, help="minutes; 0: no stages one by one")
    parser.add_argument("--short", type=float, default=30, help="minutes")
    parser.add_argument("--whole", type=float, default=180, help="minutes; 0: no complete run")
    parser.add_argument("--recognise", action="store_true", help="also with the bundled recogniser")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "earwitness-bench")
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"No evaluation data at {DATA}.")
    options.folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    if options.long:
        stages(options.long, options.short, options.folder, recognise=options.recognise)
    if options.whole:
        whole(options.whole, options.folder)
    print(f"took {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
