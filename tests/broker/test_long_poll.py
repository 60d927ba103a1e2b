"""A fetch waits for records: it must not miss those that come just as it begins to."""

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

from stepwell.streams.broker.api.call import Call
from stepwell.streams.broker.api.records import fetch
from stepwell.streams.broker.messages import message_class
from tests.broker.making import NOW_MS, make_log, sent
from tests.kafka.conditions import eventually

VERSION = 4
LONG_MS = 600_000


class OneTopic:
    """The topics of a node that has one log."""

    def __init__(self, log: Any) -> None:
        self.log = log

    def has(self, _topic: str, _partition: int) -> bool:
        return True

    def log_of(self, _topic: str, _partition: int) -> Any:
        return self.log


def waiting_fetch(log: Any, offset: int) -> Any:
    """What the broker is to run for a fetch at the end of a log."""
    request_class = message_class("FetchRequest")
    partition = request_class.FetchTopic.FetchPartition(
        version=VERSION, partition=0, fetch_offset=offset, partition_max_bytes=2**20
    )
    topic = request_class.FetchTopic(version=VERSION, topic="t", partitions=[partition])
    request = request_class(
        version=VERSION,
        replica_id=-1,
        max_wait_ms=LONG_MS,
        min_bytes=1,
        max_bytes=2**20,
        isolation_level=0,
        topics=[topic],
    )
    config = SimpleNamespace(fetch_bytes_max=2**20)
    node: Any = SimpleNamespace(topics=OneTopic(log), config=config)
    return fetch(Call(node, "Fetch", VERSION, "test", "here", NOW_MS, 0), request)


async def test_a_record_appended_before_the_wait_begins_ends_it(tmp_path):
    log = make_log(tmp_path)
    waiting = waiting_fetch(log, 0)
    assert inspect.isawaitable(waiting), "it had nothing to give at once"
    log.append(sent(b"in between"), NOW_MS)
    answer = await asyncio.wait_for(waiting, LONG_MS / 60_000)
    assert b"in between" in answer.responses[0].partitions[0].records


async def test_a_record_appended_during_the_wait_ends_it(tmp_path):
    log = make_log(tmp_path)
    waiting = asyncio.ensure_future(waiting_fetch(log, 0))
    await eventually(lambda: log._watchers, "it waits")
    log.append(sent(b"later"), NOW_MS)
    answer = await asyncio.wait_for(waiting, LONG_MS / 60_000)
    assert b"later" in answer.responses[0].partitions[0].records
