"""How loud a file is by ffmpeg's own meter, which is not ours."""

import re
import subprocess
from pathlib import Path

from earwitness.audio.ffmpeg import ffmpeg_path


def by_ffmpeg(path: Path) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP."""
    command = [ffmpeg_path(), "-nostdin", "-hide_banner", "-nostats", "-i", str(path), "-map", "0:a"]
    command += ["-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    loudness, peak = re.search(r"I:\s+(-?[\d.]+) LUFS", said), re.search(r"Peak:\s+(-?[\d.]+) dBFS", said)
    assert loudness
    assert peak
    return float(loudness.group(1)), float(peak.group(1))
