"""A shared real broker, and a worker's setup on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kafka.broker import Broker
from tests.kafka.flavours import Setup
from tests.servers import kafka_bootstrap

__all__ = ["kafka_bootstrap"]


@pytest.fixture
async def broker(kafka_bootstrap: str) -> AsyncIterator[Broker]:
    """Clients of the shared broker."""
    broker = Broker(kafka_bootstrap)
    yield broker
    await broker.close()


@pytest.fixture
def setup(kafka_bootstrap: str, tmp_path: Path) -> Setup:
    """One worker with one partition, on topics of its own that are still to be created."""
    return Setup(kafka_bootstrap, tmp_path)
