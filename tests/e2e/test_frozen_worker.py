"""A worker that is frozen, replaced, and wakes up again records nothing twice, and works on."""

import signal
import uuid
from pathlib import Path
from random import Random

import aiohttp
import pytest

from stepwell.streams.engine.state import Status
from tests.e2e.deployment import Deployment
from tests.e2e.evidence import gather_evidence
from tests.e2e.flows import STEPS
from tests.e2e.test_kill import webhook

pytestmark = pytest.mark.kafka

INSTANCES = 20


async def test_a_frozen_worker_that_wakes_up_records_nothing_twice_and_works_on(
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
        assert deployment.stop("healthy") == 0
        await post_instances(deployment, INSTANCES)
        await deployment.until(
            lambda ledger: len(ledger.summaries(status="complete")) == 2 * INSTANCES
        )
        evidence = await gather_evidence(deployment)
        evidence.check_nothing_was_committed_ahead()
        assert set(evidence.statuses.values()) == {Status.COMPLETE}
        assert len(evidence.results) == 2 * INSTANCES * STEPS
    finally:
        deployment.close()


async def post_instances(deployment: Deployment, after: int = 0) -> None:
    async with aiohttp.ClientSession() as client:
        for number in range(after + 1, after + INSTANCES + 1):
            delivery = str(uuid.uuid4())
            await deployment.post(client, "issues", delivery, webhook(number, Random(number)))


def steps_done(ledger) -> int:
    details = [one for s in ledger.summaries() for one in ledger.details(s.workflow, s.instance_id)]
    return sum(step.status == "complete" for one in details for step in one.steps)
