"""Alert rules and dashboard ask only for metrics and labels that a real scrape has."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.metrics.conftest import Running, serving

INFRA = Path(__file__).parents[2] / "infra"
RULES = INFRA / "prometheus" / "rules.yaml"
DASHBOARD = INFRA / "grafana" / "stepwell.json"
OF_PROMETHEUS = {"job", "instance", "le"}
"""Labels that a scrape adds, or that every histogram has."""

_METRIC = re.compile(r"\b((?:stepwell|process)_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")

Samples = dict[str, set[str]]


@pytest.mark.slow
async def test_every_metric_and_label_of_a_rule_or_panel_is_in_a_scrape(tmp_path: Path) -> None:
    async with asyncio.timeout(60), serving(tmp_path) as running:
        await running.post("72d3162e-cc78-11e3-81ab-4c9367dc0958")
        await running.post("of somebody else", secret="guessed", status=401)
        await running.until(running.worker, 'upsert_objects_total{outcome="stored"}')
        await running.until(running.worker, 'instances{status="complete"')
        await running.until(running.worker, "consumer_lag{")
        scraped = await scrape(running)
    asked = dict([*rules(), *panels()])
    assert len(asked) > 40
    assert not {name: found for name, text in asked.items() if (found := unknown(text, scraped))}


def test_every_alert_says_how_bad_it_is_what_happened_and_what_to_do() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum by (topic) (stepwell_consumer_lag)", set()),
        ("sum by (color) (stepwell_consumer_lag)", {"color"}),
        ('stepwell_consumer_lag{planet="mars"}', {"stepwell_consumer_lag{planet}"}),
        ("rate(stepwell_missing_total[5m])", {"stepwell_missing_total"}),
    ],
)
def test_what_a_scrape_lacks_is_noticed(text: str, expected: set[str]) -> None:
    assert unknown(text, {"stepwell_consumer_lag": {"topic", "partition"}}) == expected


async def scrape(running: Running) -> Samples:
    """The labels of each sample that both processes give."""
    samples: Samples = {}
    for url in (running.gateway, running.worker):
        for family in text_string_to_metric_families(await running.scrape(url)):
            for sample in family.samples:
                samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def unknown(text: str, scraped: Samples) -> set[str]:
    """The metrics and labels of an expression that are not there."""
    asked = _METRIC.findall(text)
    known = OF_PROMETHEUS.union(*(scraped.get(name, set()) for name, _ in asked))
    grouped = {label.strip() for labels in _GROUPING.findall(text) for label in labels.split(",")}
    missing = {name for name, _ in asked if name not in scraped} | (grouped - known)
    for name, matchers in asked:
        for label in _MATCHER.findall(matchers):
            if name in scraped and label not in scraped[name] | OF_PROMETHEUS:
                missing.add(f"{name}{{{label}}}")
    return missing


def rules() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def panels() -> Iterator[tuple[str, str]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
