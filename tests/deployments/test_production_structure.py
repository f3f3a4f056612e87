"""The files for production hold together: names that one part gives to another, and what each part may do."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.production_files import (
    FOLDER,
    UNITS,
    compose,
    composed,
    containers,
    kubernetes,
    kustomization,
    pods,
    pool,
    stages,
    unit,
)


@pytest.mark.parametrize("which", ["compose", "compose.worker"])
def test_compose_refers_only_to_what_it_has(which: str) -> None:
    file = compose(which)
    services: dict[str, Any] = file["services"]
    for name, part in services.items():
        assert set(part.get("networks", ())) <= set(file.get("networks", ())), name
        for other, wanted in part.get("depends_on", {}).items():
            assert other in services, name
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other], (name, other)
            if wanted["condition"] == "service_completed_successfully":
                assert str(services[other]["restart"]).startswith("on-failure"), (name, other)
        for volume in part.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in file["volumes"] or source.startswith("$") or (FOLDER / source).exists(), (name, volume)
        if "build" in part:
            assert (FOLDER / part["build"]["context"] / part["build"]["dockerfile"]).is_file()
            assert part["build"]["target"] in stages()
    assert set(yaml.safe_load((FOLDER / "compose.gpu.yaml").read_text())["services"]) <= set(services)


def test_in_compose_nobody_is_root_but_postgres_while_it_starts() -> None:
    for where, part in composed():
        name = where.split()[1]
        assert part["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in part["security_opt"], name
        if name != "postgres":
            assert int(part["user"].split(":")[0]) > 0, name
            assert part["read_only"] is True, name
        if name not in {"migrate", "deploy"}:
            assert "mem_limit" in part, name
            assert part["restart"] == "unless-stopped", name
        assert all(port.startswith("127.0.0.1:") for port in part.get("ports", ())), name
    assert compose()["networks"]["data"]["internal"] is True


def test_the_proxy_knows_the_replicas() -> None:
    text = (FOLDER / "images" / "haproxy.cfg").read_text()
    known = set(re.findall(r"^ +server \w+ ([\w-]+):4200$", text, re.MULTILINE))
    assert known == {name for name, part in compose()["services"].items() if "--no-services" in part.get("command", ())}
    assert len(known) == 2


def test_images_end_as_a_normal_user_and_keep_no_token() -> None:
    for name in ("server", "worker", "worker-with-models"):
        users = [line.split()[1] for line in stages()[name] if line.startswith("USER ")]
        assert users[-1] == "1000:1000", name
    for name, lines in stages().items():
        for line in lines:
            assert not re.match(r"(ARG|ENV|COPY) .*TOKEN", line), (name, line)
            if "/run/secrets/" in line:
                assert "--mount=type=secret" in line
            if "pip install" in line and "--requirement" in line:
                assert "--require-hashes" in line


def test_kubernetes_selects_its_own_pods_and_mounts_what_it_has() -> None:
    for item in kubernetes():
        spec = item.get("spec", {})
        labels = {pod["metadata"]["labels"]["app"] for pod in pods().values()}
        if item["kind"] == "Service":
            assert spec["selector"]["app"] in labels
        if item["kind"] in {"StatefulSet", "Deployment"}:
            assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
            claims = {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())}
            there = claims | {one["name"] for one in spec["template"]["spec"].get("volumes", ())}
            for container in (
                *spec["template"]["spec"].get("initContainers", ()),
                *spec["template"]["spec"]["containers"],
            ):
                assert {one["name"] for one in container["volumeMounts"]} <= there, container["name"]
    files = {path.name for path in (FOLDER / "kubernetes" / "base").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization("base")["resources"]) == files


def test_kubernetes_lets_through_those_who_ask() -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in kubernetes() if item["kind"] == "NetworkPolicy"}
    (rule,) = policies["prefect"]["ingress"]
    runs = pool("kubernetes")["job_configuration"]["job_manifest"]["spec"]["template"]["metadata"]["labels"]["app"]
    assert set(rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]) >= {"earwitness", runs}
    (rule,) = policies["databases"]["ingress"]
    assert set(rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]) == {"prefect", "prefect-services"}


def test_kubernetes_gives_few_rights_and_limited_memory() -> None:
    for name, pod in pods().items():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True, name
        assert pod["spec"]["securityContext"]["runAsUser"] > 0, name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name
    for where, container in containers():
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True, where
        assert rights["allowPrivilegeEscalation"] is False, where
        assert rights["capabilities"] == {"drop": ["ALL"]}, where
        assert "memory" in container["resources"]["limits"], where
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if "httpGet" in container.get(kind, {}):
                ports = {value for port in container["ports"] for value in (port["name"], port["containerPort"])}
                assert container[kind]["httpGet"]["port"] in ports, where


def test_kubernetes_takes_its_secrets_from_one_that_the_docs_make() -> None:
    wanted = set()
    for _, container in containers():
        for one in container.get("env", ()):
            if "valueFrom" in one:
                reference = one["valueFrom"]["secretKeyRef"]
                assert reference["name"] == "earwitness-secrets"
                wanted.add(reference["key"])
    page = (FOLDER.parent / "docs" / "production.md").read_text()
    assert "create secret generic earwitness-secrets" in page
    assert wanted == set(re.findall(r"--from-literal=([A-Z_]+)=", page))


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_kubectl_makes_the_overlays(overlay: str, tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    command = [kubectl, "kustomize", str(FOLDER / "kubernetes" / "overlays" / overlay)]
    nowhere = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "KUBECONFIG": str(tmp_path / "none")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=nowhere)
    made = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout)}
    pod = made["StatefulSet", "earwitness"]["spec"]["template"]["spec"]
    worker = next(one for one in pod["containers"] if one["name"] == "worker")
    assert worker["image"] == "earwitness-worker:0.1.0"
    assert worker["command"][:3] == ["prefect", "worker", "start"]
    assert ("nvidia.com/gpu" in worker["resources"]["limits"]) is (overlay == "gpu")
    assert "memory" in worker["resources"]["limits"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_run_as_a_normal_user_with_few_rights(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["User"] == "earwitness"
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["PrivateTmp"]) == ("strict", "yes", "yes")
    assert service["CapabilityBoundingSet"] == ""
    if "deployments" not in path.name:
        assert service["Restart"] == "always"
    if "worker" in path.name or "watcher" in path.name:
        assert unit(path)["Unit"]["After"] == "earwitness-deployments.service"
        assert service["ReadWritePaths"] == "/srv/earwitness"
    assert "Wants" in unit(path)["Unit"] or "Requires" in unit(path)["Unit"]
