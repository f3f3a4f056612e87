"""What the files in deployments/ start, with which variables: read once for all tests that look at them."""

import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deployments"
UNITS = sorted((FOLDER / "systemd").glob("*.service"))
DOCKERFILE = FOLDER / "images" / "Dockerfile"


class Command(NamedTuple):
    """One thing that is started."""

    where: str
    words: list[str]


class Variable(NamedTuple):
    """One variable that is set; None where its value comes from a secret."""

    where: str
    name: str
    value: str | None


def compose(name: str = "compose") -> dict[str, Any]:
    """compose.yaml or compose.worker.yaml, anchors resolved."""
    read: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return read


def composed() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every container of either."""
    for file in ("compose", "compose.worker"):
        for name, part in compose(file)["services"].items():
            yield f"{file} {name}", part


def kubernetes() -> list[dict[str, Any]]:
    """All objects of the base."""
    files = [
        path for path in sorted((FOLDER / "kubernetes" / "base").glob("*.yaml")) if path.name != "kustomization.yaml"
    ]
    return [item for path in files for item in yaml.safe_load_all(path.read_text("utf-8"))]


def kustomization(folder: str) -> dict[str, Any]:
    """Of base, overlays/cpu or overlays/gpu."""
    read: dict[str, Any] = yaml.safe_load((FOLDER / "kubernetes" / folder / "kustomization.yaml").read_text("utf-8"))
    return read


def pods() -> dict[str, dict[str, Any]]:
    """Name → pod of each workload of the base."""
    return {
        item["metadata"]["name"]: item["spec"]["template"]
        for item in kubernetes()
        if "template" in item.get("spec", {})
    }


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every container, those that only prepare too."""
    for name, pod in pods().items():
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield f"kubernetes {name}/{container['name']}", container


def unit(path: Path) -> configparser.ConfigParser:
    """A systemd unit; of keys that stand twice only the last is seen."""
    read = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(path.read_text("utf-8"))
    return read


def pool(kind: str) -> dict[str, Any]:
    """The base job template for docker or kubernetes."""
    read: dict[str, Any] = json.loads((FOLDER / "pools" / f"{kind}.json").read_text("utf-8"))
    return read


def stages() -> dict[str, list[str]]:
    """Stage of the Dockerfile → its instructions, continued lines joined."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text("utf-8")).splitlines():
        if line.startswith("FROM "):
            name = line.rpartition(" AS ")[2]
            found[name] = [line]
        elif line and not line.startswith("#") and name:
            found[name].append(line)
    return found


def commands() -> list[Command]:
    """Everything that any of the files starts."""
    found = [Command(where, part["command"]) for where, part in composed() if "command" in part]
    found += [Command(where, container["command"]) for where, container in containers() if "command" in container]
    found += [Command(path.name, shlex.split(unit(path)["Service"]["ExecStart"])) for path in UNITS]
    for name, lines in stages().items():
        found += [Command(f"image {name}", json.loads(line[4:])) for line in lines if line.startswith("CMD ")]
    for where, words in tuple(found):
        if words[0] == "sh":
            found += [
                Command(where, shlex.split(part)) for part in re.findall(r"(?:earwitness|prefect) [^;]+", words[2])
            ]
    return [Command(where, [words[0].rpartition("/")[2], *words[1:]]) for where, words in found]


def env_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Names and values of an example of variables, those too that are commented out."""
    for line in path.read_text("utf-8").splitlines():
        if match := re.fullmatch(r"(?:# )?([A-Z][A-Z0-9_]*)=(.*)", line):
            yield match[1], match[2]


def variables() -> list[Variable]:
    """Everything that any of the files sets."""
    found: list[Variable] = []
    for where, part in composed():
        found += [Variable(where, key, str(value)) for key, value in part.get("environment", {}).items()]
    for path in sorted([*FOLDER.glob(".env*"), *FOLDER.glob("systemd/*.example")]):
        found += [Variable(path.name, key, value) for key, value in env_lines(path)]
    for where, container in containers():
        found += [Variable(where, item["name"], item.get("value")) for item in container.get("env", ())]
    for generated in kustomization("base")["configMapGenerator"]:
        for literal in generated["literals"]:
            key, _, value = literal.partition("=")
            found.append(Variable(f"kubernetes map {generated['name']}", key, value))
    for name, lines in stages().items():
        for line in lines:
            if line.startswith("ENV "):
                for word in shlex.split(line[4:]):
                    key, _, value = word.partition("=")
                    found.append(Variable(f"image {name}", key, value))
    return found
