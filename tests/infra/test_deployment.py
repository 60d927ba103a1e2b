"""What is deployed elsewhere is checked here as far as that goes without a container engine."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

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
    assert found
    assert found <= {setting.variable for setting in catalog()}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_is_what_kubernetes_takes(path: Path):
    for document in documents(path):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


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
