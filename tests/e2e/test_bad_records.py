"""Records that are no events of ours end in dead letters with a reason; the worker goes on."""

import uuid
from pathlib import Path
from random import Random

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.wiring import topics_of
from tests.e2e.deployment import Deployment
from tests.e2e.test_kill import webhook

pytestmark = pytest.mark.kafka

EVENT = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"t")]
BAD = {
    "t2 not JSON": (b"k", b"{", EVENT),
    "t2 registry framing": (b"k", b"\x00\x00\x00\x00\x07avro", []),
    "t3 huge key": (b"k" * 900_000, b"{}", EVENT),
    "missing attribute": (b"k", b"{}", EVENT[:-1]),
    "shape of another event": (
        b"k",
        b"{}",
        [*EVENT[:-1], ("ce_type", b"com.github.issues.opened")],
    ),
}
REASONS = {
    "t2 not JSON": ("decode", "decode"),
    "t2 registry framing": ("decode", "framing"),
    "t3 huge key": ("decode", "key"),
    "missing attribute": ("decode", "attribute"),
    "shape of another event": ("route", "shape"),
}


async def test_bad_records_are_set_aside_and_good_ones_go_on(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    deployment = Deployment.create(
        tmp_path, kafka_bootstrap, STEPWELL_WORKER_WORKFLOWS="tests.e2e.flows:strict"
    )
    topics = topics_of(deployment.settings.kafka)
    try:
        await deployment.start_gateway()
        await deployment.start_worker()
        async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
            await producer.send_and_wait(topics.events, None, key=b"t1 tombstone", partition=0)
            await producer.send_and_wait(topics.journal, b"garbage", key=b"flow/x", partition=1)
            for name, (key, value, headers) in BAD.items():
                marked = [*headers, ("name", name.encode())]
                await producer.send_and_wait(
                    topics.events, value, key=key, headers=marked, partition=0
                )
        async with aiohttp.ClientSession() as client:
            good = str(uuid.uuid4())
            await deployment.post(client, "issues", good, webhook(1, Random(1)))
        await deployment.until(lambda ledger: bool(ledger.summaries(status="complete")))
    finally:
        deployment.close()

    letters: dict[str, ConsumerRecord] = {}

    def keep(record: ConsumerRecord) -> None:
        headers = dict(record.headers)
        letters[headers.get("name", headers["stepwell-stage"]).decode()] = record

    await read_tail(kafka_bootstrap, topics.dead_letters, keep, count_max=1000)
    assert set(letters) == {*BAD, "journal"}
    assert letters["journal"].value == b"garbage"
    for name, (key, value, _) in BAD.items():
        assert (letters[name].key, letters[name].value) == (key, value)
        headers = dict(letters[name].headers)
        found = (headers["stepwell-stage"].decode(), headers["stepwell-reason"].decode())
        assert found == REASONS[name], headers["stepwell-message"]
        assert headers["stepwell-topic"].decode() == topics.events
