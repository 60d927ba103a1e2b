"""What is deployed elsewhere is checked here as far as that goes without a container engine."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stepwell.streams.agents.instances import RELEASE_TIMEOUT_MS
from stepwell.streams.gateway.server import SHUTDOWN_TIMEOUT_S
from stepwell.streams.settings_catalog import catalog

INFRA = Path(__file__).parents[2] / "infra"
MANIFESTS = sorted((INFRA / "kubernetes").glob("*.yaml"))
KUBERNETES = "1.34"


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


def variables(node: Any) -> Iterator[str]:
    """Every name that looks like a setting, wherever it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from variables(key)
            yield from variables(value)
    elif isinstance(node, list):
        for item in node:
            yield from variables(item)
    elif isinstance(node, str) and node.startswith("STEPWELL_"):
        yield node


@pytest.mark.parametrize("path", [INFRA / "compose.yaml", *MANIFESTS], ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path):
    found = set(variables(documents(path)))
    assert found or path.name == "autoscaling.yaml"
    assert found <= {setting.variable for setting in catalog()}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_what_kubernetes_takes(path: Path):
    for document in documents(path):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.slow
def test_the_compose_file_is_what_compose_takes():
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", INFRA / "compose.yaml")


def test_the_image_is_built_as_it_should_be():
    run("hadolint", INFRA / "Dockerfile")


def test_the_image_is_built_of_all_that_the_wheel_is_built_of():
    copied = [
        word
        for line in (INFRA / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    for name in ("pyproject.toml", "scripts/build_hook.py", "streams", "models", "schemas"):
        assert name in copied


def run(program: str, *arguments: str | Path) -> None:
    command = [Path(sys.executable).with_name(program), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def manifest(kind: str, name: str) -> Any:
    (found,) = (
        document
        for path in MANIFESTS
        for document in documents(path)
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
    )
    return found


def container(kind: str, name: str) -> Any:
    (found,) = manifest(kind, name)["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize(
    ("kind", "name"), [("Deployment", "stepwell-gateway"), ("StatefulSet", "stepwell-worker")]
)
def test_kubernetes_knows_when_a_process_lives_and_when_it_is_ready(kind: str, name: str):
    found = container(kind, name)
    assert found["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert found["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert found["startupProbe"]
    assert found["resources"]["limits"]["memory"]
    assert manifest("PodDisruptionBudget", name)["spec"]["maxUnavailable"] == 1


def test_a_process_has_time_to_end():
    """Longer than it takes by itself: to end requests, and to give partitions up."""
    worker = manifest("StatefulSet", "stepwell-worker")["spec"]["template"]["spec"]
    gateway = manifest("Deployment", "stepwell-gateway")["spec"]["template"]["spec"]
    before_s = gateway["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert worker["terminationGracePeriodSeconds"] > 2 * RELEASE_TIMEOUT_MS / 1000
    assert gateway["terminationGracePeriodSeconds"] > before_s + 2 * SHUTDOWN_TIMEOUT_S
    services = documents(INFRA / "compose.yaml")[0]["services"]
    for name in ("gateway", "worker-1", "worker-2"):
        assert services[name]["stop_grace_period"] == "30s"


def test_workers_keep_their_names_and_their_disks():
    names = {it["name"]: it for it in container("StatefulSet", "stepwell-worker")["env"]}
    own_name = names["STEPWELL_WORKER_INSTANCE_ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert own_name == "metadata.name"
    assert manifest("StatefulSet", "stepwell-worker")["spec"]["volumeClaimTemplates"]
    services = documents(INFRA / "compose.yaml")[0]["services"]
    for name in ("worker-1", "worker-2"):
        assert services[name]["environment"]["STEPWELL_WORKER_INSTANCE_ID"] == name


def test_workers_are_scaled_on_lag_up_to_the_number_of_partitions():
    scaler = manifest("HorizontalPodAutoscaler", "stepwell-worker")["spec"]
    assert scaler["scaleTargetRef"]["kind"] == "StatefulSet"
    (metric,) = scaler["metrics"]
    adapter = yaml.safe_load(manifest("ConfigMap", "stepwell-adapter")["data"]["config.yaml"])
    (rule,) = adapter["externalRules"]
    assert metric["external"]["metric"]["name"] == rule["name"]["as"] == "stepwell_consumer_lag"
    partitions = manifest("ConfigMap", "stepwell")["data"]["STEPWELL_KAFKA_PARTITIONS"]
    assert scaler["maxReplicas"] == int(partitions)


def test_compose_has_all_of_it():
    services = documents(INFRA / "compose.yaml")[0]["services"]
    assert services.keys() == {
        *("kafka", "weaviate", "gateway", "worker-1", "worker-2", "prometheus", "grafana")
    }


def test_jobs_have_the_names_that_alerts_ask_for():
    rules = (INFRA / "prometheus" / "rules.yaml").read_text()
    asked = set(re.findall(r'job="([\w-]+)"', rules))
    (plain,) = documents(INFRA / "prometheus" / "prometheus.yaml")
    assert {job["job_name"] for job in plain["scrape_configs"]} == asked
    components = {
        document["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for path in MANIFESTS
        for document in documents(path)
        if document["kind"] in {"Deployment", "StatefulSet"}
    }
    assert {f"stepwell-{component}" for component in components} == asked
