"""Everything that the runbook names exists, and every alert leads to the section that names it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from stepwell.schemas.errors import RejectReason
from stepwell.streams.cli.invocation import Invocation
from stepwell.streams.cli.root import cli
from stepwell.streams.metrics import Metrics
from stepwell.streams.settings_catalog import catalog, sections

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
RUNBOOK = (INFRA / "RUNBOOK.md").read_text()
DEMANDED = {
    "upgrade",
    "scale-out",
    "lost-broker",
    "lost-worker",
    "lost-gateway",
    "lost-index",
    "poison",
    "replay",
    "disk-full",
    "stuck-instance",
    "re-index-to-a-new-model",
    "key-rotation",
    "backup-and-restore",
}


def slug(heading: str) -> str:
    """The anchor that Markdown gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


SECTIONS = {
    slug(text.partition("\n")[0]): text
    for text in re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((INFRA / "prometheus" / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def commands() -> Iterator[str]:
    """Whole command lines, of blocks and of running text; without comments."""
    blocks = re.findall(r"```\n(.*?)```", RUNBOOK, re.DOTALL)
    yield from (line.partition(" #")[0] for block in blocks for line in block.splitlines())
    prose = re.sub(r"```.*?```", "", RUNBOOK, flags=re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", prose)


STEPWELL = sorted({line for line in commands() if line.startswith("stepwell ") and "…" not in line})


def test_every_situation_has_its_section():
    assert SECTIONS.keys() >= DEMANDED
    for name in DEMANDED:
        assert re.search(r"^\*(?:Symptom|When):\*", SECTIONS[name], re.MULTILINE), name
        assert "Metric" in SECTIONS[name] or "Alert" in SECTIONS[name] or "Backup" in SECTIONS[name]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_a_section_that_names_it(rule):
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (ROOT / file).read_text() == RUNBOOK
    assert re.search(rf"\b{rule['alert']}\b", SECTIONS[anchor])


@pytest.mark.parametrize("line", STEPWELL)
def test_a_command_is_one_that_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "running.jsonl").touch()
    command: click.Command = cli
    context = click.Context(cli, obj=Invocation())
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group) and words:
        name, *words = words
        assert name in command.commands, f"stepwell has no {name}"
        command = command.commands[name]
        context = click.Context(command, parent=context, info_name=name)
    if not isinstance(command, click.Group):
        command.parse_args(context, words)


def test_there_are_commands_to_check():
    assert len(STEPWELL) > 30


def test_settings_and_variables_exist():
    settings = {setting.path for setting in catalog()}
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", RUNBOOK))
    of_ours = {name for name in named if name.partition(".")[0] in sections()}
    assert len(of_ours) > 20
    assert of_ours - settings == set()
    variables = set(re.findall(r"\bSTEPWELL_\w+", RUNBOOK))
    assert variables <= {setting.variable for setting in catalog()}


def test_metrics_and_alerts_exist():
    metrics = {
        name
        for family in Metrics("test").registry.collect()
        for name in (family.name, f"{family.name}_total")
    }
    named = set(re.findall(r"\bstepwell_\w+", RUNBOOK))
    assert len(named) > 15
    assert named - metrics == set()
    assert set(re.findall(r"\bStepwell[A-Z]\w+", RUNBOOK)) - {
        "StepwellDocument"  # the collection, by default
    } == {rule["alert"] for rule in alerts()}


def test_links_and_files_lead_somewhere():
    links = set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK))
    assert links <= SECTIONS.keys()
    files = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:yaml|md))`", RUNBOOK))
    assert files
    missing = [name for name in files if not (INFRA / name).exists() and not (ROOT / name).exists()]
    assert missing == []


def test_what_is_told_kubernetes_and_compose_is_there():
    manifests = [
        document
        for path in (INFRA / "kubernetes").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
    ]
    there = {f"{it['kind'].lower()}/{it['metadata']['name']}" for it in manifests}
    named = set(re.findall(r"\b((?:statefulset|deployment)/[\w-]+)", RUNBOOK))
    assert named
    assert named <= there
    services = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    assert set(re.findall(r"\bworker-\d\b", RUNBOOK)) <= services.keys() | {"worker-0"}


def test_reasons_of_dead_letters_are_ours():
    named = set(re.findall(r"--reason ([a-z]+)", RUNBOOK)) | {"version"}
    assert named <= set(RejectReason)
