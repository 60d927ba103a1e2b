"""Faust, made safe by `streams/kafka`: tables, their recovery, and workers that come and go."""

from collections import Counter
from dataclasses import replace

from tests.contract.log_contract_clients import LogFixtures
from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually
from tests.kafka.flavours import Setup
from tests.kafka.processes import commits_ahead_of_rows, counted, worker

EVENTS = 400
KEYS = 20


class FaustContract(LogFixtures):
    """Every event is counted once, whatever happens to the workers."""

    async def test_a_new_worker_recovers_the_table_from_the_changelog(self, setup, broker):
        setup = replace(setup, partitions=2)
        await setup.create_topics(broker)
        sent: Counter[bytes] = Counter()
        for life in ("first", "second"):
            await send_events(setup, broker, sent)
            async with worker(setup, name=life) as process:  # with an empty folder
                await process.ready()
                total = sent.total()
                await eventually(lambda total=total: counts(setup, broker, total), "all counted")
                assert await process.stop() == 0
        assert await counted(setup, broker) == sent
        assert sum((await broker.committed(setup.app_id, setup.source)).values()) == sent.total()

    async def test_two_workers_share_and_one_is_killed(self, setup, broker):
        setup = replace(setup, partitions=4)
        await setup.create_topics(broker)
        sent: Counter[bytes] = Counter()
        async with worker(setup, name="a") as stays:
            await stays.ready()
            await send_events(setup, broker, sent)
            async with worker(setup, name="b", pause_ms=5) as victim:
                await victim.ready()
                await send_events(setup, broker, sent)
                await victim.kill()
                assert await commits_ahead_of_rows(setup, broker) == {}
            await send_events(setup, broker, sent)
            await eventually(lambda: counts(setup, broker, sent.total()), "the other takes over")
            assert await stays.stop() == 0
        assert await counted(setup, broker) == sent
        assert sum((await broker.committed(setup.app_id, setup.source)).values()) == sent.total()


async def send_events(setup: Setup, broker: Broker, sent: Counter[bytes]) -> None:
    for number in range(EVENTS):
        key = b"key-%d" % (number % KEYS)
        await broker.send(setup.source, key, b"", number % setup.partitions)
        sent[key] += 1


async def counts(setup: Setup, broker: Broker, total: int) -> bool:
    return (await counted(setup, broker)).total() >= total
