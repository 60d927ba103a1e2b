"""A worker that is frozen, replaced, and wakes up again: what it still writes is refused."""

import asyncio
import signal
import uuid
from pathlib import Path
from random import Random

import aiohttp
import pytest

from stepwell.streams.engine.fold import Verdict
from stepwell.streams.engine.state import Status
from tests.e2e.deployment import Deployment
from tests.e2e.evidence import gather_evidence
from tests.e2e.flows import STEPS
from tests.e2e.test_kill import webhook

pytestmark = pytest.mark.kafka

INSTANCES = 20


async def test_a_frozen_worker_that_wakes_up_is_refused(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    deployment = Deployment.create(
        tmp_path, kafka_bootstrap, STEPWELL_WORKER_WORKFLOWS="tests.e2e.flows:slow"
    )
    try:
        await deployment.start_gateway()
        await deployment.start_worker("frozen")
        await post_instances(deployment)
        await deployment.until(lambda ledger: steps_done(ledger) >= INSTANCES)
        deployment.processes["frozen"].send_signal(signal.SIGSTOP)
        await deployment.start_worker("healthy")
        await deployment.until(lambda ledger: steps_done(ledger) >= 2 * INSTANCES)
        deployment.processes["frozen"].send_signal(signal.SIGCONT)
        await deployment.until(lambda ledger: len(ledger.summaries(status="complete")) == INSTANCES)
        await until_refused(deployment)
        evidence = await gather_evidence(deployment)
        evidence.check_nothing_was_committed_ahead()
        assert set(evidence.statuses.values()) == {Status.COMPLETE}
        assert len(evidence.results) == INSTANCES * STEPS
    finally:
        deployment.close()


async def post_instances(deployment: Deployment) -> None:
    async with aiohttp.ClientSession() as client:
        for number in range(1, INSTANCES + 1):
            delivery = str(uuid.uuid4())
            await deployment.post(client, "issues", delivery, webhook(number, Random(number)))


def steps_done(ledger) -> int:
    details = [one for s in ledger.summaries() for one in ledger.details(s.workflow, s.instance_id)]
    return sum(step.status == "complete" for one in details for step in one.steps)


async def until_refused(deployment: Deployment) -> None:
    """The bodies that were frozen end, and their records reach the journal: too late."""
    async with asyncio.timeout(30):
        while True:
            evidence = await gather_evidence(deployment)
            if evidence.records[f"verdict {Verdict.FENCED}"] > 0:
                return
