"""What holds the house together: who may import whom, how large a file may grow, what must stay fast."""

import ast
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("earwitness", "flows", "tasks", "expectations")
HEAVY = set(
    "torch torchaudio whisperx pyannote resemblyzer silero_vad pocketsphinx faster_whisper ctranslate2 sklearn "
    "scipy pandas pyarrow prefect great_expectations transformers langchain openai assemblyai jinja2 av pydub".split()
)


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """Modules that a file imports, and whether at module level (so when it is imported itself)."""
    tree = ast.parse(path.read_text("utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in inner
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)} imports relatively"
            yield node.module or "", id(node) not in inner


def test_the_library_knows_nothing_of_prefect() -> None:
    allowed = ("earwitness/cli/", "earwitness/demo/")
    wrong = [
        f"{short(path)} imports {name}"
        for path in modules("earwitness")
        for name, _ in imported(path)
        if name.split(".")[0] in {"prefect", "flows", "tasks", "expectations", "deployments"}
        if not short(path).startswith(allowed)
    ]
    assert wrong == []


def test_the_command_line_and_the_demo_import_flows_only_when_they_run() -> None:
    wrong = [
        f"{short(path)} imports {name}"
        for folder in ("earwitness/cli", "earwitness/demo")
        for path in modules(folder)
        for name, at_top in imported(path)
        if at_top and name.split(".")[0] in {"prefect", "flows", "tasks"}
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("folder", "never"),
    [("tasks", {"flows", "deployments"}), ("expectations", {"flows", "tasks", "prefect"}), ("flows", {"deployments"})],
)
def test_arrows_point_one_way(folder: str, never: set[str]) -> None:
    wrong = [
        f"{short(path)} imports {name}"
        for path in modules(folder)
        for name, _ in imported(path)
        if name.split(".")[0] in never
    ]
    assert wrong == []


def test_nothing_that_ships_imports_the_tests() -> None:
    wrong = [
        f"{short(path)} imports {name}"
        for folder in (*PACKAGES, "deployments")
        for path in modules(folder)
        for name, _ in imported(path)
        if name.split(".")[0] == "tests"
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("folder", "most"), [("earwitness", 400), ("tasks", 400), ("expectations", 400), ("flows", 150)]
)
def test_files_stay_readable(folder: str, most: int) -> None:
    sizes = {short(path): len(path.read_text("utf-8").splitlines()) for path in modules(folder)}
    assert {name: lines for name, lines in sizes.items() if lines > most} == {}


def test_help_answers_at_once() -> None:
    command = [sys.executable, "-c", "import sys; from earwitness.cli import main; sys.exit(main(['--help']))"]
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        best = min(best, time.perf_counter() - start)
        assert done.returncode == 0, done.stderr
        assert "run" in done.stdout
    assert best < 1.0


@pytest.mark.parametrize("module", ["earwitness.options", "earwitness.cli", "earwitness.preflight"])
def test_heavy_libraries_wait_until_they_are_needed(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()


def requirements() -> list[Requirement]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [
        table["project"]["dependencies"],
        *table["project"].get("optional-dependencies", {}).values(),
        *table["dependency-groups"].values(),
    ]
    return [Requirement(text) for group in groups for text in group]


def test_every_upper_bound_has_its_reason_beside_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    bare = [
        line.strip()
        for line in lines
        if re.match(r'\s*"[A-Za-z0-9][\w.\-\[\]]*[^"]*(<|==|~=)', line) and "#" not in line.split('",')[-1]
    ]
    # A bound to the major version that exists needs no reason; every narrower one does.
    narrow = [line for line in bare if not re.search(r'<\d+"', line)]
    assert narrow == []


def test_the_lock_covers_every_requirement() -> None:
    locked: dict[str, list[str]] = {}
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", line):
            locked.setdefault(canonicalize_name(match[1]), []).append(match[2])
    # the demo's voices stay out on purpose: young packages, and nothing else needs them
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    voices = {Requirement(text).name for text in table["project"]["optional-dependencies"]["demo"]}
    wanted = [want for want in requirements() if want.name not in voices]
    missing = [str(want) for want in wanted if canonicalize_name(want.name) not in locked]
    stale = [
        f"{want} but locked {locked[canonicalize_name(want.name)]}"
        for want in wanted
        if canonicalize_name(want.name) in locked
        if not any(want.specifier.contains(found) for found in locked[canonicalize_name(want.name)])
    ]
    assert missing == []
    assert stale == []


def test_every_locked_package_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in text
    packages = re.split(r"\n(?=\S)", "\n" + text.strip())
    without = [block.split()[0] for block in packages if "==" in block and "--hash=sha256:" not in block]
    assert without == []


def tracked() -> list[Path]:
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files would be committed is unknown")
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_file_names_a_package_index() -> None:
    forbidden = re.compile(
        r"--(extra-)?index-url[= ]+['\"]?(https?|file)://|^\s*(index-url|extra-index-url|default-index|find-links)\s*=|\[\[tool\.uv\.index\]\]",
        re.MULTILINE,
    )
    named = []
    for path in tracked():
        if path == Path(__file__).resolve() or not path.is_file() or path.stat().st_size > 5_000_000:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if forbidden.search(text):
            named.append(short(path))
    assert named == []
