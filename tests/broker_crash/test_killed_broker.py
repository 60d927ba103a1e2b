"""Kill the broker under load, spoil the tails of its files: what it acknowledged is there."""

import asyncio
import os
import secrets
from pathlib import Path
from random import Random

import orjson
import pytest

from tests.broker_crash.load import PARTITIONS, Load, faults, stored
from tests.broker_process import broker_process
from tests.kafka.broker import Broker
from tests.kafka.conditions import eventually

pytestmark = pytest.mark.slow

KILLS = 24
LIFE_S = 0.8
"""A broker lives for up to this long."""


async def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path) -> None:
    seed = int(os.environ.get("STEPWELL_TEST_SEED", secrets.randbelow(10**9)))
    chance = Random(seed)
    spoilt = 0
    with broker_process(tmp_path) as broker:
        load = Load(broker.address)
        await load.create_topic()
        running = asyncio.ensure_future(load.run())
        for kill in range(KILLS):
            goal = len(load.acked) + 1
            await eventually(lambda goal=goal: len(load.acked) >= goal or running.done(), "acks")
            await asyncio.wait([running], timeout=chance.uniform(0, LIFE_S))
            assert not running.done(), running.exception()
            broker.kill()
            if kill % 2:
                spoilt += spoil_tails(broker.data, chance)
            promised = dict(load.committed)
            broker.start()
            await check_commits(load, promised)
        load.stopping = True
        await asyncio.wait_for(running, 60)
        found = list(faults(load, records := await stored(load)))
        report(load, seed, spoilt, len(records))
        assert found == []
        assert load.failed == load.read_again == []
        assert len(load.acked) == sum(load.sent.values())
        assert broker.stop() == 0


async def check_commits(load: Load, promised: dict[int, int]) -> None:
    """Nothing acknowledged before the kill was forgotten; what was only tried may be there."""
    kept = await committed(load)
    for partition, offset in promised.items():
        assert offset <= kept.get(partition, -1) <= load.tried[partition], (partition, kept)


async def committed(load: Load) -> dict[int, int]:
    broker = Broker(load.bootstrap)
    try:
        return await broker.committed(load.group, load.topic)
    finally:
        await broker.close()


def spoil_tails(data: Path, chance: Random) -> int:
    """Append garbage, as an interrupted write would, to the last segments and to the journal."""
    segments = {path.parent: path for path in sorted(data.rglob("*.log"))}
    tails = [*segments.values(), *data.glob("*.journal")]
    assert len(tails) > PARTITIONS
    for tail in tails:
        head = tail.read_bytes()[:60]
        garbage = chance.choice(
            (chance.randbytes(chance.randint(1, 5_000)), bytes(chance.randint(1, 5_000)), head)
        )
        with tail.open("ab") as file:
            file.write(garbage)
    return len(tails)


def report(load: Load, seed: int, spoilt: int, records: int) -> None:
    figures = {
        "test": "killed broker",
        "seed": seed,
        "kills": KILLS,
        "tails_spoilt": spoilt,
        "acknowledged": len(load.acked),
        "stored": records,
        "commits": load.commits,
    }
    print("\n" + orjson.dumps(figures).decode())
