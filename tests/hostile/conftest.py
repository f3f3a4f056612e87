"""Broken and hostile files, made once."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.child import Child
from tests.hostile.doors import Answer
from tests.hostile.seeds import broken_files, whole_files


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small good file of each format."""
    return whole_files(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory, whole: dict[str, Path]) -> dict[str, tuple[Path, str]]:
    """A file for each way of being broken, with what should come of it."""
    return broken_files(tmp_path_factory.mktemp("broken"), whole)


@pytest.fixture(scope="session")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A process that opens doors."""
    with Child(tmp_path_factory.mktemp("child-home")) as process:
        yield process


@pytest.fixture(scope="session")
def answers(broken: dict[str, tuple[Path, str]], child: Child) -> dict[str, Answer]:
    """What comes of the broken files."""
    return {name: child.ask("recording", path) for name, (path, _) in broken.items()}


@pytest.fixture(scope="session")
def offline() -> tuple[str, ...]:
    """A command that runs another without any network interface, where the system lets us."""
    program = shutil.which("unshare")
    command = (program, "--map-root-user", "--net") if program else ()
    if not command or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system has no unshare, or does not let us make a network namespace")
    return command
