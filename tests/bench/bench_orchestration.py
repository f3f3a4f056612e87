"""What Prefect, checkpoints, contracts and supervision cost: `run_flow` against the same engines in a plain script.

Both sides run in fresh processes on the same recording (the telephone call, repeated), with empty checkpoints, and
both pay for importing what they use. The plain script calls the stage functions one after the other, as a whisperX
script would.

    python -m tests.bench.bench_orchestration [--minutes 10]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

PLAIN = """
import sys
from pathlib import Path
from earwitness.archive.bundle import compose_bundle, place_bundle
from earwitness.archive.findings import Findings
from earwitness.audio.listen import make_listening_copy
from earwitness.audio.preprocess import preprocess
from earwitness.audio.validate import validate_recording
from earwitness.clips.make import choose_clip_maker, make_clips
from earwitness.job import plan_job
from earwitness.notes.summarize import choose_writer, summarize
from earwitness.options import read_options
from earwitness.speech.diarize import diarize
from earwitness.speech.transcribe import transcribe
from earwitness.talk.talk import analyse_talk
from earwitness.words.align import align, choose_aligner
from earwitness.words.naming import name_speakers
from earwitness.words.transcript import read_words, utterances_of

path, out = map(Path, sys.argv[1:3])
job = plan_job(path, read_options({"profile": "podcast"}))
want, engines = job.options, dict(job.engines)
validated = validate_recording(path, want.validate_, None)
speech = preprocess(validated, want.preprocess)
listening = make_listening_copy(path, validated, want.listen)
diarized = diarize(speech.speech.path, want.diarize, engines["diarize"])
transcribed = transcribe(speech.speech.path, want.transcribe, engines["transcribe"], job.sidecar)
engines["align"] = choose_aligner(want.align, transcribed.language)
aligned = align(speech.speech.path, transcribed, diarized, want.align, engines["align"])
words = read_words(aligned.words.path)
utterances = utterances_of(words)
talk = analyse_talk(speech.speech.path, diarized.turns, words)
speakers = name_speakers(sorted({turn.speaker for turn in diarized.turns}), aligned.names, None, {})
engines["summarize"] = choose_writer(want.summarize)
summarized = summarize(utterances, speakers, None, want.profile, want.summarize, engines["summarize"])
engines["clip"] = choose_clip_maker()
clipped = make_clips(
    listening.audio.path, utterances, speakers, summarized.notes, want.clip, engines["clip"], profile=want.profile
)
findings = Findings(
    recording_id=job.recording_id, source_name=path.name, profile="podcast", settings={}, engines=engines,
    validated=validated, preprocessed=speech, listening=listening, diarized=diarized, transcribed=transcribed,
    aligned=aligned, talk=talk, speakers=speakers, summarized=summarized, clipped=clipped,
)
place_bundle(compose_bundle(findings), out)
"""

FLOW = """
import sys
from flows import run_flow
result = run_flow(sys.argv[1], profile="podcast", out=sys.argv[2])
print(result.model_dump_json())
"""


def _timed(code: str, recording: Path, home: Path) -> tuple[float, str]:
    home.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "EARWITNESS_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    }
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(recording), str(home / "out")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - started, done.stdout


def _repeated_call(minutes: float, folder: Path) -> Path:
    import numpy as np
    import soundfile

    spec = find_spec("pyannote.audio")
    if spec is None or spec.origin is None:
        raise SystemExit("pyannote.audio is not installed")
    sound, rate = soundfile.read(Path(spec.origin).parent / "sample" / "sample.wav", dtype="int16")
    target = folder / "call.wav"
    soundfile.write(target, np.tile(sound, max(1, round(minutes * 60 * rate / len(sound)))), rate)
    return target


def main() -> None:
    """Print both times, their ratio, and what a second run costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        recording = _repeated_call(minutes, folder)
        plain, _ = _timed(PLAIN, recording, folder / "plain")
        flow, answer = _timed(FLOW, recording, folder / "flow")
        again, second = _timed(FLOW, recording, folder / "flow")
        result, repeat = json.loads(answer), json.loads(second)
        print(f"orchestration, {minutes:g} min of speech, engines {result['engines']}")
        print(f"  the same engines in a plain script  {plain:8.1f} s")
        print(f"  run_flow, server start included     {flow:8.1f} s   ratio {flow / plain:.3f} (target <= 1.05)")
        stages = ", ".join(f"{name} {run['seconds']:.1f}" for name, run in result["stages"].items())
        print(f"  stages (s): {stages}")
        states = {run["state"] for run in repeat["stages"].values()}
        print(f"  second run, whole process           {again:8.1f} s   stages {states}, of which")
        print(f"  inside the recording's flow         {repeat['seconds']:8.1f} s")


if __name__ == "__main__":
    main()
