"""Reading a long recording: validate + preprocess against a bare ffmpeg decode, in one run on one machine.

    .venv/bin/python -m tests.bench.bench_reading [--minutes 180]

Prints one line a measurement and the two ratios that count: wall time (at most 1.5 of the bare decode) and peak memory
of our whole process tree (at most 250 MB). pydub's way, loading everything, is measured on 20 minutes and scaled:
at full length it would need gigabytes.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from earwitness.audio.ffmpeg import ffmpeg_path

_PYDUB_MINUTES = 20.0

_OURS = """
import sys, time
from pathlib import Path
from typing import NamedTuple
from earwitness.audio.validate import validate_recording
from earwitness.audio.preprocess import preprocess
from earwitness.settings import PreprocessSettings, ValidateSettings
validated = validate_recording(Path(sys.argv[1]), ValidateSettings())
speech = preprocess(validated, PreprocessSettings())
print(validated.quality.verdict, validated.facts.duration_ms, validated.quality.metrics.loudness_lufs)
if len(sys.argv) > 2:
    from earwitness.audio.listen import make_listening_copy
    from earwitness.settings import ListenSettings
    started = time.perf_counter()
    copy = make_listening_copy(Path(sys.argv[1]), validated, ListenSettings())
    print(f"{time.perf_counter() - started:.1f}", copy.loudness_lufs)
"""

_PYDUB = """
import subprocess, sys
import warnings
warnings.simplefilter("ignore")
from pydub import AudioSegment
# Raw samples from ffmpeg, then one segment that holds them all: what AudioSegment.from_file comes to without ffprobe.
raw = subprocess.run([sys.argv[2], "-v", "error", "-i", sys.argv[1], "-f", "s16le", "-"], capture_output=True).stdout
sound = AudioSegment(data=raw, sample_width=2, frame_rate=44100, channels=2)
speech = sound.set_channels(1).set_frame_rate(16000)
print(sound.dBFS, len(speech))
"""


def make_mp3(folder: Path, minutes: float) -> Path:
    """A stereo 44.1 kHz MP3 of real speech, looped to length; made once a length."""
    target = folder / f"speech-{minutes:g}min.mp3"
    if target.is_file():
        return target
    spec = find_spec("pyannote.audio")
    assert spec is not None
    assert spec.origin is not None
    call = Path(spec.origin).parent / "sample" / "sample.wav"
    part = target.with_suffix(".part.mp3")
    # Encoded once, then looped without encoding: seconds instead of minutes.
    loop = target.with_suffix(".loop.mp3")
    quiet = [ffmpeg_path(), "-v", "error", "-nostdin", "-y"]
    delays = "adelay=0|7,volume=6dB"  # the channels differ, as in a real stereo recording
    subprocess.run(
        [*quiet, "-i", call, "-ac", "2", "-ar", "44100", "-af", delays, "-b:a", "128k", "-write_xing", "0", loop],
        check=True,
    )
    subprocess.run([*quiet, "-stream_loop", "-1", "-i", loop, "-t", str(minutes * 60), "-c", "copy", part], check=True)
    loop.unlink()
    part.replace(target)
    return target


class Run(NamedTuple):
    """What a command took."""

    wall_s: float
    processor_s: float
    peak_mb: float
    """Resident memory of the process and all its children together."""
    said: str


def timed(command: list[str], home: Path) -> Run:
    """Run a command to its end and watch it."""
    env = {**os.environ, "EARWITNESS_HOME": str(home), "PYTHONPYCACHEPREFIX": str(home.parent / "bytecode")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode: the first run would compile it
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=env) as child:
        peak = [0.0]
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                peak[0] = max(peak[0], sum(_resident_mb(pid) for pid in _tree(child.pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        output = child.communicate()[0]
        seconds = time.perf_counter() - started
        ended.set()
        watcher.join()
    if child.returncode:
        sys.exit(f"failed ({child.returncode}): {' '.join(command[:3])} ...")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, processor, peak[0], output.strip())


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        tasks = Path(f"/proc/{parent}/task")
        try:
            for task in tasks.iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # it ended meanwhile
            continue
    return found


def _resident_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=180)
    parser.add_argument("--listen", action="store_true", help="also make the listening copy (a stage of its own)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "earwitness-bench")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    recording = make_mp3(options.folder, options.minutes)
    short = make_mp3(options.folder, min(options.minutes, _PYDUB_MINUTES))
    ffmpeg = ffmpeg_path()
    warm = make_mp3(options.folder, 0.1)
    with tempfile.TemporaryDirectory(dir=options.folder) as home:
        timed([sys.executable, "-c", _OURS, str(warm), "listen"], Path(home))
        bare = [ffmpeg, "-v", "error", "-nostdin", "-i", str(recording), "-f", "null", "-"]
        # Bare decodes before and after: the machine may be busier at one end than at the other.
        first = timed(bare, Path(home))
        ours = timed([sys.executable, "-c", _OURS, str(recording)], Path(home))
        second = timed(bare, Path(home))
        wall = (first.wall_s + second.wall_s) / 2
        processor = (first.processor_s + second.processor_s) / 2
        print(f"recording           {options.minutes:g} min of stereo 44.1 kHz MP3")
        print(f"bare ffmpeg decode  {first.wall_s:.1f} s and {second.wall_s:.1f} s, {first.peak_mb:.0f} MB")
        print(f"validate+preprocess {ours.wall_s:.1f} s, {ours.peak_mb:.0f} MB  ({ours.said})")
        print(f"wall ratio          {ours.wall_s / wall:.2f} (target 1.5 at most)")
        print(f"processor ratio     {ours.processor_s / processor:.2f} ({ours.processor_s:.1f} s to {processor:.1f} s)")
        print(f"peak memory         {ours.peak_mb:.0f} MB (target 250 at most)")
        minutes = min(options.minutes, _PYDUB_MINUTES)
        loaded = timed([sys.executable, "-c", _PYDUB, str(short), ffmpeg], Path(home))
        scale = options.minutes / minutes
        print(f"pydub               {loaded.wall_s:.1f} s, {loaded.peak_mb:.0f} MB for {minutes:g} min")
        seconds, gigabytes = loaded.wall_s * scale, loaded.peak_mb * scale / 1000
        print(f"pydub, scaled       {seconds:.0f} s, {gigabytes:.1f} GB at this length")
        if options.listen:
            listen = timed([sys.executable, "-c", _OURS, str(recording), "listen"], Path(home))
            print(f"listening copy      {listen.said.split()[-2]} s, {listen.peak_mb:.0f} MB (own stage)")


if __name__ == "__main__":
    main()
