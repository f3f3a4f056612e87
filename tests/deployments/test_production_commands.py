"""What the files for production start and set exists: commands, options, variables, versions, pools."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.production_files import FOLDER, ROOT, Command, Variable, commands, pool, stages, variables

LOCK = re.compile(r"^([a-z0-9._-]+)==(\S+)((?: ; [^\\]*)?) \\$", re.MULTILINE)
OTHERS = {  # read by the system, by Python, by what we use, or by the images of others
    *"HOME PATH DO_NOT_TRACK PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE VIRTUAL_ENV UV_LINK_MODE UV_HTTP_TIMEOUT".split(),
    *"HF_HOME HF_TOKEN HF_HUB_OFFLINE HF_HUB_DISABLE_TELEMETRY NUMBA_CACHE_DIR MPLCONFIGDIR".split(),
    *"GX_ANALYTICS_ENABLED PYANNOTE_METRICS_ENABLED NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES".split(),
    *"OPENAI_API_KEY ASSEMBLYAI_API_KEY ANTHROPIC_API_KEY".split(),
    *"AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL".split(),
    *"POSTGRES_USER POSTGRES_DB POSTGRES_PASSWORD PGDATA REDIS_PASSWORD REDISCLI_AUTH".split(),
}
IN_COMPOSE = {
    "PREFECT_AUTH",
    "EARWITNESS_RECORDINGS",
    "EARWITNESS_PORT",
    "EARWITNESS_URL",
    "EARWITNESS_AT_ONCE",
    "EARWITNESS_WORKER_MEMORY",
}
"""Read by compose.yaml itself; a test holds that it does."""


def pins(path: Path) -> dict[str, str]:
    return {match[1]: match[2] for match in LOCK.finditer(path.read_text("utf-8"))}


def ours() -> list[Command]:
    return [one for one in commands() if one.words[0] in {"prefect", "earwitness", "python"}]


def test_the_server_has_the_versions_of_the_lock_and_so_has_prefect_yaml() -> None:
    server, lock = pins(FOLDER / "images" / "server.lock"), pins(ROOT / "requirements.lock")
    assert {"prefect", "sqlalchemy", "fastapi", "asyncpg"} <= set(server) & set(lock)
    assert {name: server[name] for name in server if name in lock} == {
        name: lock[name] for name in server if name in lock
    }
    assert yaml.safe_load((ROOT / "prefect.yaml").read_text())["prefect-version"] == lock["prefect"]
    text = (FOLDER / "images" / "server.lock").read_text()
    assert len(re.findall(r"^\S+==", text, re.MULTILINE)) == len(server), "a package without hashes"
    assert f"prefect-redis=={server['prefect-redis']} " in (FOLDER / "images" / "server.in").read_text()


@pytest.mark.parametrize("command", ours(), ids=lambda one: f"{one.where}: {' '.join(one.words[:3])}")
def test_every_command_and_all_of_its_options_exist(command: Command) -> None:
    program, *words = (re.sub(r"\$\{[A-Z_]+:-(\w+)\}", r"\1", word) for word in command.words)
    if program == "prefect":
        from prefect.cli._app import _app

        _app.parse_args(words, print_error=False, exit_on_error=False)
    elif program == "earwitness":
        from earwitness.cli import cli

        found = cli.get_command(click.Context(cli), words[0])
        assert found is not None
        found.make_context(words[0], words[1:])
    elif words[:2] == ["-m", "deployments.server"]:
        from prefect.cli._app import _app

        _app.parse_args(["server", "start", *words[2:]], print_error=False, exit_on_error=False)
    elif words[0] == "-m":
        assert importlib.util.find_spec(f"{words[1]}.__main__") is not None
        assert len(words) == 3
    else:
        assert words[0] == "-c"
        compile(words[1], command.where, "exec")


def test_everything_is_started_by_something() -> None:
    said = [" ".join(one.words) for one in ours()]
    for kind in ("compose ", "kubernetes ", "earwitness-"):
        of_kind = [" ".join(one.words) for one in ours() if one.where.startswith(kind)]
        server = (
            "-m deployments.server" if kind == "earwitness-" else "prefect server start"
        )  # on SQLite, on PostgreSQL
        for part in (server, "-m deployments ", "earwitness watch", "worker start"):
            assert any(part in f"{line} " for line in of_kind), (kind, part)
    # with systemd the server has its services inside
    assert sum("--no-services" in line for line in said) == sum("prefect server start" in line for line in said)


def test_workers_serve_the_pools_of_prefect_yaml() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    pools = {one["work_pool"]["name"] for one in deployments}
    for kind in ("compose ", "kubernetes "):
        words = [one.words for one in ours() if one.where.startswith(kind) and one.words[1:3] == ["worker", "start"]]
        assert {line[line.index("--pool") + 1] for line in words} == pools
    target = (FOLDER / "systemd" / "earwitness.target").read_text()
    assert set(re.findall(r"earwitness-worker@(\S+)\.service", target)) == pools


def known_to_prefect() -> set[str]:
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_valid_setting_names

    return {str(name) for name in _get_valid_setting_names(Settings)}


def known_to_redis() -> set[str]:
    from prefect_redis.client import RedisMessagingSettings  # type: ignore[import-untyped]
    from prefect_redis.messaging import RedisMessagingPublisherSettings  # type: ignore[import-untyped]

    kinds = (RedisMessagingSettings, RedisMessagingPublisherSettings)
    return {f"{kind.model_config['env_prefix']}{name}".upper() for kind in kinds for name in kind.model_fields}


def known_to_us() -> set[str]:
    from earwitness.alerts.settings import AlertSettings
    from earwitness.money.budget import Budget

    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "earwitness").rglob("*.py"))
    found = set(re.findall(r"EARWITNESS_[A-Z_]*[A-Z]", source + (ROOT / "prefect.yaml").read_text()))
    found |= {f"EARWITNESS_ALERT_{name.upper()}" for name in AlertSettings.model_fields}
    return found | {f"EARWITNESS_BUDGET_{name.upper()}" for name in Budget.model_fields}


def test_every_variable_is_one_that_somebody_reads() -> None:
    known = known_to_prefect() | known_to_us() | known_to_redis() | OTHERS | IN_COMPOSE
    assert {(one.where, one.name) for one in variables() if one.name not in known} == set()


def test_what_compose_reads_itself_is_in_its_example_and_the_other_way_round() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    read = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))
    assert set(re.findall(r"\$\{([A-Z_]+)", (FOLDER / "compose.worker.yaml").read_text())) <= read
    assert read == {one.name for one in variables() if one.where == ".env.example"}
    assert read >= IN_COMPOSE


@pytest.mark.parametrize("where", ["compose server-1", "kubernetes map server", "service.env.example"])
def test_prefect_takes_the_values(where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from prefect.settings import Settings

    monkeypatch.setenv("PREFECT_SERVER_DATABASE_PASSWORD", "secret")
    for one in variables():
        if one.where == where and one.name.startswith("PREFECT_") and one.value and "${" not in one.value:
            monkeypatch.setenv(one.name, one.value)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", raising=False)
    server = Settings().server
    address = server.database.connection_url
    assert address is not None
    assert address.get_secret_value().startswith("postgresql+asyncpg://prefect:secret@")
    assert server.deployments.concurrency_slot_wait_seconds == 2
    if where != "service.env.example":
        assert server.database.migrate_on_start is False
        assert server.events.messaging_broker == "prefect_redis.messaging"


def test_no_secret_has_a_value() -> None:
    secret = re.compile(r"(PASSWORD|SECRET|TOKEN|API_KEY|ACCESS_KEY|AUTH)")
    empty = re.compile(r"|\$\{[A-Z_]+(:\?[^}]*)?\}")
    found: list[Variable] = [one for one in variables() if secret.search(one.name)]
    assert len(found) > 20
    assert [one for one in found if not empty.fullmatch(one.value or "")] == []
    for one in variables():
        if "@" in (one.value or ""):  # an address with a password in it
            assert re.search(r":\$[{(][^@]*[)}]@", one.value or ""), one


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_a_pool_of_the_template_takes_the_deployments(kind: str) -> None:
    """Prefect checks deployments against their pool's variables, and its own variables may change with a version."""
    import json

    import prefect
    from prefect.utilities.schema_tools.validation import is_valid_schema, validate

    template = pool(kind)
    schema: dict[str, Any] = template["variables"]
    is_valid_schema(schema, preprocess=False)
    defaults = {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        validate({**defaults, **deployment["work_pool"]["job_variables"]}, schema, raise_on_error=True)
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(template["job_configuration"])))
    assert used <= set(schema["properties"])
    assert set(schema["properties"]) - used <= {"working_dir"}
    views = (
        Path(prefect.__file__).parent
        / "server"
        / "api"
        / "collections_data"
        / "views"
        / "aggregate-worker-metadata.json"
    )
    own = json.loads(views.read_text())[f"prefect-{kind}"][kind]["default_base_job_configuration"]
    assert set(own["variables"]["properties"]) <= set(schema["properties"])
    assert set(own["job_configuration"]) == set(template["job_configuration"])


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("prefect", "python", "earwitness"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    units = []
    for path in sorted((FOLDER / "systemd").glob("earwitness*")):
        units.append(tmp_path / path.name)
        units[-1].write_text(path.read_text().replace("/opt/earwitness/.venv/bin", str(programs)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_images_are_made_of_what_is_there_and_let_through() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, lines in stages().items():
        for line in lines:
            if line.startswith("COPY ") and "--from=" not in line:
                for source in line.split()[1:-1]:
                    assert (ROOT / source).exists(), (name, line)
                    assert source.split("/")[0] in allowed, (name, line)
    assert all((ROOT / one).exists() for one in allowed)
