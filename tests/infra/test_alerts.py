"""Each alert fires in its situation, no other one does, and none when all is well.

Prometheus's own promtool is the judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import Promtool

pytestmark = pytest.mark.slow

PROMETHEUS = Path(__file__).parents[2] / "infra" / "prometheus"
RULES = PROMETHEUS / "rules.yaml"
LATE = "3h"
"""When it is looked: every alert has had time to fire."""

GATEWAY = 'up{job="stepwell-gateway",instance="gateway:8400"}'
WORKERS = [f'up{{job="stepwell-worker",instance="worker-{n}:8401"}}' for n in (1, 2)]
STEADY = "1x200"
LAG = 'stepwell_consumer_lag{topic="stepwell.journal",partition="0"}'
LAST = 'stepwell_last_processed_timestamp_seconds{topic="stepwell.journal"}'
STEP = 'stepwell_step_attempts_total{workflow="embed",step="upsert",outcome="%s"}'
FINISHED = 'stepwell_instances_finished_total{workflow="embed",status="%s"}'
TEXTS = 'stepwell_embed_texts_total{model="m",outcome="%s"}'
OBJECTS = 'stepwell_upsert_objects_total{outcome="%s"}'


def buckets(name: str, **counts: str) -> dict[str, str]:
    """A histogram: how its buckets grow, by their bounds; `_` stands for a dot."""
    return {
        f'{name}_bucket{{le="{bound[1:].replace("_", ".")}"}}': values
        for bound, values in counts.items()
    }


HEALTHY = {
    GATEWAY: STEADY,
    **dict.fromkeys(WORKERS, STEADY),
    "stepwell_partitions_owned": "8x200",
    'stepwell_events_rejected_total{source="github",reason="signature"}': "0x200",
    **buckets("stepwell_webhook_request_duration_seconds", b5="0+60x200", bInf="0+60x200"),
    LAG: "12x200",
    LAST: "0+60x200",
    **buckets("stepwell_event_age_seconds", b1="0+60x200", b300="0+60x200", bInf="0+60x200"),
    "stepwell_rebalances_total": "3x200",
    **buckets("stepwell_recovery_duration_seconds", b3="3x200", b60="3x200", bInf="3x200"),
    'stepwell_dead_letters_total{reason="shape"}': "5x200",
    FINISHED % "complete": "0+60x200",
    FINISHED % "errored": "0+1x200",
    'stepwell_instances{workflow="embed",status="paused"}': "0x200",
    STEP % "succeeded": "0+60x200",
    STEP % "failed": "0+5x200",
    TEXTS % "embedded": "0+600x200",
    TEXTS % "failed": "0+1x200",
    OBJECTS % "stored": "0+60x200",
    OBJECTS % "retry": "4x200",
    "stepwell_upsert_backlog": "40x200",
}


@dataclass(frozen=True)
class Case:
    """What is different from a healthy deployment, and who says so."""

    name: str
    alerts: set[str]
    series: Mapping[str, str] = field(default_factory=dict)


CASES = [
    Case("all is well", set()),
    Case("the gateway is down", {"StepwellGatewayDown"}, {GATEWAY: "0x200"}),
    Case("a worker is down", {"StepwellWorkerDown"}, {WORKERS[1]: "0x200"}),
    Case("a worker restarts now and then", set(), {WORKERS[1]: "1x60 0x2 1x60 0x2 1x60"}),
    Case(
        "nobody owns anything", {"StepwellNothingIsOwned"}, {"stepwell_partitions_owned": "0x200"}
    ),
    Case(
        "a wrong secret",
        {"StepwellEventsRejected"},
        {'stepwell_events_rejected_total{source="github",reason="signature"}': "0+6x200"},
    ),
    Case(
        "somebody scans the gateway",
        set(),
        {'stepwell_events_rejected_total{source="github",reason="signature"}': "0+1x200"},
    ),
    Case(
        "slow answers",
        {"StepwellWebhooksSlow"},
        buckets(
            "stepwell_webhook_request_duration_seconds",
            b5="0+50x200",
            b10="0+60x200",
            bInf="0+60x200",
        ),
    ),
    Case("more comes than is done", {"StepwellLagging"}, {LAG: "20000x200"}),
    Case("a burst", set(), {LAG: "0x178 20000x5 0x20"}),
    Case("records wait and nothing is done", {"StepwellStandsStill"}, {LAST: "0+60x160 9600x40"}),
    Case("nothing is to be done", set(), {LAG: "0x200", LAST: "100x200"}),
    Case(
        "events are old",
        {"StepwellEventsOld"},
        buckets("stepwell_event_age_seconds", b1="0x200", b300="0+6x200", b1000="0+60x200"),
    ),
    Case("partitions go round", {"StepwellRebalancing"}, {"stepwell_rebalances_total": "0+2x200"}),
    Case(
        "slow recoveries",
        {"StepwellRecoverySlow"},
        buckets(
            "stepwell_recovery_duration_seconds",
            b3="0x200",
            b60="0x200",
            b120="0+1x200",
            bInf="0+1x200",
        ),
    ),
    Case(
        "a dead letter",
        {"StepwellDeadLetters"},
        {'stepwell_dead_letters_total{reason="shape"}': "0x170 1x30"},
    ),
    Case("instances fail", {"StepwellInstancesErrored"}, {FINISHED % "errored": "0+20x200"}),
    Case(
        "instances are paused",
        {"StepwellInstancesPaused"},
        {'stepwell_instances{workflow="embed",status="paused"}': "2x200"},
    ),
    Case("attempts fail", {"StepwellStepsFail"}, {STEP % "failed": "0+90x200"}),
    Case("no vectors", {"StepwellTextsNotEmbedded"}, {TEXTS % "failed": "0+30x200"}),
    Case("the index is away", {"StepwellIndexFails"}, {OBJECTS % "retry": "0+5x200"}),
    Case("the index is slow", {"StepwellIndexBacklog"}, {"stepwell_upsert_backlog": "1500x200"}),
]


def test_each_alert_fires_in_its_case_and_in_no_other(promtool: Promtool, tmp_path: Path) -> None:
    tests = tmp_path / "rules.test.yaml"
    cases = [unit_test(case) for case in CASES]
    written = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}
    tests.write_text(yaml.safe_dump(written))
    promtool("test", "rules", tests)


def test_a_case_that_is_not_met_is_noticed(promtool: Promtool, tmp_path: Path) -> None:
    tests = tmp_path / "rules.test.yaml"
    wrong = [
        unit_test(Case("calm", {"StepwellGatewayDown"})),
        unit_test(Case("x", set(), {GATEWAY: "0x200"})),
    ]
    written = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": wrong}
    tests.write_text(yaml.safe_dump(written))
    with pytest.raises(AssertionError) as failed:
        promtool("test", "rules", tests)
    assert "calm" in str(failed.value)
    assert "StepwellGatewayDown" in str(failed.value)


def test_every_alert_has_a_case() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert set().union(*(case.alerts for case in CASES)) == alerts


def test_prometheus_takes_rules_and_configuration(promtool: Promtool) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    for name in ("prometheus.yaml", "kubernetes.yaml"):
        promtool("check", "config", "--syntax-only", PROMETHEUS / name)


def unit_test(case: Case) -> dict[str, Any]:
    """As promtool takes it: which alerts fire in the end, and no others."""
    series = {**HEALTHY, **case.series}
    assert len(series) <= len(HEALTHY) + 2, "a series that a healthy deployment lacks"
    return {
        "name": case.name,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                # The comment, because promtool does not tell the name.
                "expr": f'count by (alertname) (ALERTS{{alertstate="firing"}}) # {case.name}',
                "eval_time": LATE,
                "exp_samples": [
                    {"labels": f'{{alertname="{alert}"}}', "value": 1}
                    for alert in sorted(case.alerts)
                ],
            }
        ],
    }
