"""L9, L10: a worker whose tables are not what the changelog says does not become ready."""

import asyncio

import pytest

from stepwell.streams.kafka.errors import RecoveryFailed, RecoveryStalled
from tests.kafka.broker import Broker
from tests.kafka.flavours import Built, Setup, ours, stock
from tests.kafka.proxy import Api, proxied

pytestmark = pytest.mark.kafka


class IndexBroken(Exception):
    """What the rebuilding of an index raises."""


async def broken_index() -> None:
    raise IndexBroken


async def nothing(stream) -> None:
    async for _ in stream.events():
        pass


async def start(built: Built) -> BaseException | None:
    """Start; why it crashed, if it did, or None when it is ready."""
    built.agent(nothing)
    async with built.running():
        await asyncio.sleep(0)
        return built.crash_reason


class TestCallback:
    """L9: what is to run after the recovery fails."""

    async def test_faust_is_ready_all_the_same(self, setup, broker):
        await setup.create_topics(broker)
        built = stock(setup)
        built.table.on_recover(broken_index)
        assert await start(built) is None

    async def test_we_stop(self, setup, broker):
        await setup.create_topics(broker)
        built = ours(setup)

        @built.app.on_recovered
        async def rebuild(partitions):
            assert partitions == {0}
            await broken_index()

        assert isinstance(await start(built), IndexBroken)


class TestRecord:
    """L10: one changelog record cannot be a row."""

    async def fill(self, setup: Setup, broker: Broker) -> None:
        await setup.create_topics(broker)
        for number in range(4):
            value = b"{" if number == 1 else b'{"n": %d}' % number
            await broker.send(setup.changelog, b'"row-%d"' % number, value)

    async def test_faust_is_ready_without_the_row(self, setup, broker):
        await self.fill(setup, broker)
        built = stock(setup, row_type=None)
        assert await start(built) is None
        assert sorted(built.table) == ["row-0", "row-2", "row-3"]

    async def test_we_stop_and_say_which(self, setup, broker):
        await self.fill(setup, broker)

        def check(_, value):
            return None if value.endswith(b"}") else "not JSON"

        crash = await start(ours(setup, check))
        assert isinstance(crash, RecoveryFailed)
        assert str(crash) == f"changelog {setup.changelog}-0@1: not JSON"

    async def test_we_stop_at_a_record_without_a_key(self, setup, broker):
        await setup.create_topics(broker, **{"cleanup.policy": "delete"})
        await broker.send(setup.changelog, b"row", b"1")
        await broker.send(setup.changelog, None, b"2")
        crash = await start(ours(setup))
        assert isinstance(crash, RecoveryFailed)
        assert str(crash) == f"changelog {setup.changelog}-0@1: it has no key"


class TestTimeLimit:
    """A changelog that does not arrive does not keep a worker waiting for ever."""

    async def test_we_stop_and_say_how_far_we_got(self, setup, broker):
        await setup.create_topics(broker)
        await broker.send(setup.changelog, b"row", b"1")
        async with proxied(setup.bootstrap) as proxy:
            proxy.hold(Api.FETCH)
            crash = await start(ours(setup.through(proxy.bootstrap), recovery_stall_timeout_ms=300))
        assert isinstance(crash, RecoveryStalled)
        assert f"{setup.changelog}-0 from 0 to 1" in str(crash)
