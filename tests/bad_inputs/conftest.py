"""A real gateway and a real worker in front of the embedded broker, shared by the rows of a table.

They run in the loop of the module's tests; what is sent to them comes over sockets.
"""

import asyncio
import logging
import re
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import aiohttp
import pytest
import pytest_asyncio
import structlog
from aiokafka import AIOKafkaConsumer

from stepwell.schemas.cloudevents import decode
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.gateway.server import GatewayConfig, run_gateway
from stepwell.streams.gateway.sources import SourcesConfig
from stepwell.streams.gateway.webhooks import Rules
from tests.bad_inputs.sending import GITHUB_SECRET, STANDARD_SECRET
from tests.kafka.conditions import eventually

TRICKLE_S = 0.01
GATEWAYS = {
    "": {},
    "conflicts refused": {"rules": Rules(on_conflict="refuse")},
    "impatient": {
        "rules": Rules(max_body_bytes=10_000, body_timeout_ms=200),
        "idle_timeout_ms": 200,
    },
    "batches": {"rules": Rules(max_batch_events=100)},
}


@dataclass(frozen=True)
class Answer:
    """What a gateway said: its status line's number (0: it hung up), and all of its bytes."""

    status: int
    text: str


@dataclass
class Gateways:
    """Gateways of several settings over one log."""

    ports: dict[str, int]
    consumer: AIOKafkaConsumer
    lines: list[dict] = field(default_factory=list)
    """What they logged."""

    async def send(self, at, pieces):
        """Send the pieces, slowly if they are several; the answer, once the gateway hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[at])
        try:
            async with asyncio.timeout(30):
                sending = asyncio.create_task(_trickle(writer, pieces))
                raw = b""
                with suppress(ConnectionError):  # it need not read all that is sent
                    while chunk := await reader.read(65_536):
                        sending.cancel()
                        raw += chunk
                sending.cancel()
        finally:
            writer.close()
        return Answer(int(raw.split()[1]) if raw else 0, raw.decode())

    async def refusals(self, at):
        """How often each reason for a refusal was counted, over all sources."""
        url = f"http://127.0.0.1:{self.ports[at]}/metrics"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            text = await answer.text()
        counted = re.findall(r'events_rejected_total\{reason="(\w+)".*?\} (\d+)', text)
        found = {}
        for reason, count in counted:
            found[reason] = found.get(reason, 0) + int(count)
        return found

    async def stored(self):
        """The events that were stored since the last call."""
        events = []
        ends = await self.consumer.end_offsets(self.consumer.assignment())
        for tp, end in ends.items():
            while await self.consumer.position(tp) < end:
                records = (await self.consumer.getmany(tp, timeout_ms=1000)).get(tp, ())
                events += [decode(one.key, one.value, one.headers) for one in records]
        return events


async def _trickle(writer, pieces):
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(TRICKLE_S)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(tmp_path_factory, shown_logs):
    """Running gateways."""
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(
            EmbeddedBroker(BrokerConfig(tmp_path_factory.mktemp("broker")))
        )
        ports = {}
        for name, changes in GATEWAYS.items():
            ports[name] = free_port()
            config = GatewayConfig(
                bootstrap=broker.address,
                port=ports[name],
                sources=SourcesConfig(
                    github_secrets=(GITHUB_SECRET,), standard_secrets=(STANDARD_SECRET,)
                ),
                **changes,
            )
            await stack.enter_async_context(running(partial(run_gateway, config), ports[name]))
        consumer = AIOKafkaConsumer(
            "stepwell.events",
            bootstrap_servers=broker.address,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=10,  # the question for ends waits behind it
        )
        yield Gateways(ports, await stack.enter_async_context(consumer), shown_logs)


@pytest.fixture(scope="module")
def shown_logs():
    """The lines that were logged, as they come."""
    capture = structlog.testing.LogCapture()
    before = structlog.get_config()
    shown = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(wrapper_class=shown, processors=[capture])
    yield capture.entries
    structlog.configure(**before)


@asynccontextmanager
async def running(process, port):
    """Run `process(stop)` meanwhile, a server that says at this port when it is ready."""
    stop = asyncio.Event()
    server = asyncio.create_task(process(stop))

    async def ready():
        assert not server.done(), server.exception()
        with suppress(aiohttp.ClientConnectionError):
            async with client.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200

    try:
        async with aiohttp.ClientSession() as client:
            await eventually(ready, "a server that is ready")
        yield
    finally:
        stop.set()
        await server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
