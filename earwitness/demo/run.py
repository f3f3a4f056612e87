"""Two recordings through the whole pipeline, to see what comes out."""

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from earwitness.errors import EngineUnavailable, ExitCode, StorageError
from earwitness.result import Outcome, RunResult

_HERE = Path(__file__).parent

_ABOUT = """What lies here, and what it is for.

telephone-call.wav  Two people on the telephone, 30 s, real speech. From the pyannote.audio package (MIT).
telephone-call.stm  Its transcript, with times and speakers.
scene.ogg           A tabletop session, 4 min. All four voices are synthetic (Kokoro-82M, Apache-2.0); the people
                    are invented.
scene.txt           What is said in it, without times: Earwitness finds them.
scene-truth.json    Who speaks when, exactly: to compare with.
cast.yaml           Who sits at the table.

Process them yourself:

  earwitness run telephone-call.wav --profile workplace
  earwitness run scene.ogg --profile tabletop --cast cast.yaml
"""


@dataclass(frozen=True, slots=True)
class DemoInputs:
    """The files that the demo processes, copied to where users see them."""

    call: Path
    call_transcript: Path
    scene: Path
    script: Path
    truth: Path
    cast: Path


def run_demo(out: Path) -> int:
    """Process a real telephone call and a spoken tabletop scene, and tell where the results lie.

    Args:
        out: a folder; `inputs/` and `bundles/` are made in it.

    Returns:
        What the command line returns: 0 when both are done.

    Raises:
        EngineUnavailable: the pyannote.audio package does not carry its sample.
        StorageError: the folder can't be written.
    """
    inputs = place_inputs(out / "inputs")
    bundles = out / "bundles"
    click.echo("1 of 2: a telephone call of 30 s with its transcript, profile workplace", err=True)
    call = _process(inputs.call, profile="workplace", out=bundles, transcript=inputs.call_transcript)
    click.echo("2 of 2: a tabletop scene of 4 min with its script, synthetic voices, profile tabletop", err=True)
    scene = _process(inputs.scene, profile="tabletop", out=bundles, transcript=inputs.script, cast=inputs.cast)
    results = [call, scene]
    click.echo(_told(results, inputs))
    return int(next((r.exit_code for r in results if r.exit_code is not ExitCode.DONE), ExitCode.DONE))


def place_inputs(folder: Path) -> DemoInputs:
    """Copy the demo's recordings, transcripts and cast into `folder`.

    Raises:
        EngineUnavailable: the pyannote.audio package does not carry its sample.
        StorageError: the folder can't be written.
    """
    sample = _sample_folder()
    inputs = DemoInputs(
        call=folder / "telephone-call.wav",
        call_transcript=folder / "telephone-call.stm",
        scene=folder / "scene.ogg",
        script=folder / "scene.txt",
        truth=folder / "scene-truth.json",
        cast=folder / "cast.yaml",
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample / "sample.wav", inputs.call)
        shutil.copyfile(sample / "sample.stm", inputs.call_transcript)
        shutil.copyfile(_HERE / "scene.ogg", inputs.scene)
        shutil.copyfile(_HERE / "scene.txt", inputs.script)
        shutil.copyfile(_HERE / "spoken.json", inputs.truth)
        shutil.copyfile(_HERE / "cast.yaml", inputs.cast)
        (folder / "README.txt").write_text(_ABOUT, "utf-8")
    except OSError as error:
        raise StorageError(
            f"{folder} can't be written ({error.strerror or error}).", "Choose another folder: --out DIR."
        ) from error
    return inputs


def _sample_folder() -> Path:
    spec = find_spec("pyannote")  # a namespace package: finding it imports nothing
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "audio" / "sample"
        if (folder / "sample.wav").is_file() and (folder / "sample.stm").is_file():
            return folder
    raise EngineUnavailable(
        "The pyannote.audio package is missing or carries no sample recording.",
        "Install the locked versions: make install",
    )


def _process(path: Path, **options: Any) -> RunResult:
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    from earwitness.cli.display import ProgressDisplay

    with ProgressDisplay() as display:
        display.say("starting Prefect")
        from flows import run_flow
        from tasks.progress import listening

        with listening(display.show):
            return run_flow(path, **options)


def _told(results: list[RunResult], inputs: DemoInputs) -> str:
    from earwitness.cli.display import describe

    lines = ["", "What was made:", ""]
    for result in results:
        lines.append(describe(result))
        if result.bundle is not None:
            lines += [f"  {result.bundle}", *_listing(result.bundle)]
        lines.append("")
    made = [result for result in results if result.outcome in {Outcome.DONE, Outcome.PARTIAL}]
    if made:
        lines.append("Open these in a browser (nothing is loaded from the internet):")
        lines += [f"  {(result.bundle / 'report.html').resolve()}" for result in made if result.bundle is not None]
    lines.append(f"What went in, to try for yourself: {inputs.scene.parent}")
    lines.append("Run it once more: finished stages are not computed again.")
    return "\n".join(lines)


def _listing(bundle: Path) -> list[str]:
    """What a bundle holds, folders summed up."""
    rows = []
    for item in sorted(bundle.iterdir()):
        if item.is_dir():
            files = [file for file in sorted(item.rglob("*")) if file.is_file()]
            size, name = sum(file.stat().st_size for file in files), f"{item.name}/ ({len(files)} files)"
        else:
            size, name = item.stat().st_size, item.name
        rows.append(f"    {name:<28} {_size(size):>9}")
    return rows


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
