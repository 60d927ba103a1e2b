"""A real gateway on loopback, in front of a log in memory that obeys the log's contract."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import structlog
from aiohttp import web

from stepwell.schemas.cloudevents import decode
from stepwell.schemas.errors import EventRejected, RejectReason
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.app import build_app
from stepwell.streams.gateway.github import GithubSource
from stepwell.streams.gateway.guards import Guard
from stepwell.streams.gateway.intake import Intake
from stepwell.streams.gateway.server import make_runner
from stepwell.streams.gateway.standard_webhooks import StandardWebhooksSource
from stepwell.streams.gateway.webhooks import Rules, Webhooks
from stepwell.streams.kafka.publisher import RECORD_BYTES_MAX, Position
from stepwell.streams.metrics import Metrics

SAMPLES = Path(__file__).resolve().parents[1] / "schemas" / "samples"
GITHUB_SECRET = "It's a Secret to Everybody"
NEXT_GITHUB_SECRET = "the next secret of this hook"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
NOW_S = 1_700_000_000


@dataclass
class MemoryLog:
    """An event log in memory. `up` and `open_gate` are the test's hands on it."""

    records: list = field(default_factory=list)
    up: bool = True
    open_gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    def __post_init__(self):
        self.open_gate.set()

    async def append(self, record):
        if len(record.key) + len(record.value) > RECORD_BYTES_MAX:
            raise EventRejected(RejectReason.SIZE, "too large for a record")
        self.waiting += 1
        try:
            await self.open_gate.wait()
        finally:
            self.waiting -= 1
        if not self.up:
            raise BrokerUnavailable("the log is down")
        self.records.append(record)
        return Position(0, len(self.records) - 1)

    async def reachable(self):
        return self.up

    @property
    def events(self):
        return [decode(*record) for record in self.records]


@dataclass
class Gateway:
    """A running gateway and a client for it."""

    url: str
    session: aiohttp.ClientSession
    log: MemoryLog
    intake: Intake
    metrics: Metrics

    async def request(self, method, path, **options):
        """(status, decoded body, headers)."""
        async with self.session.request(method, self.url + path, **options) as answer:
            raw = await answer.read()
            is_json = answer.content_type.endswith("json")
            body = json.loads(raw) if is_json and raw else raw.decode()
            return answer.status, body, answer.headers

    async def post(self, body, headers, source="github"):
        status, answer, _ = await self.request(
            "POST", f"/webhooks/{source}", data=body, headers=headers
        )
        return status, answer

    async def post_github(self, payload, event="issues", delivery=DELIVERY, **headers):
        """Post a payload, or a raw body, signed as GitHub does it."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self.post(body, sign(body, event, delivery) | headers)

    def count(self, name, **labels):
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(f"stepwell_{name}", labels) or 0

    @property
    def address(self):
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)


def sign(body, event="issues", delivery=DELIVERY, secret=GITHUB_SECRET):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={digest}",
    }


def sample_of(name):
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


@asynccontextmanager
async def running_gateway(*, rules=None, token=None, read_token=None, more_sources=None):
    log = MemoryLog()
    rules = rules or Rules()
    metrics = Metrics("test")
    intake = Intake(log, metrics)
    sources = {
        "github": GithubSource([GITHUB_SECRET, NEXT_GITHUB_SECRET]),
        "standard": StandardWebhooksSource([STANDARD_SECRET]),
    }
    sources |= more_sources or {}
    guard = Guard(token, read_token)
    webhooks = Webhooks(sources, intake, metrics.gateway, rules, guard, clock=lambda: NOW_S)
    app = build_app(webhooks, log, metrics, max_body_bytes=rules.max_body_bytes, guard=guard)
    runner = make_runner(app, shutdown_timeout_s=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as session:
            yield Gateway(f"http://{host}:{port}", session, log, intake, metrics)
    finally:
        await runner.cleanup()


@pytest.fixture
def memory_log():
    return MemoryLog()


@pytest.fixture
async def gateway():
    async with running_gateway() as running:
        yield running


@pytest.fixture
def gateway_with():
    """A gateway with other rules, as an async context manager."""
    return running_gateway


@pytest.fixture
def sample():
    """A webhook payload by its name."""
    return sample_of


@pytest.fixture
def github_headers():
    """The headers that GitHub sends with a body."""
    return sign


@pytest.fixture
def until():
    """Give the loop time until a condition holds; a test that waits in vain is stopped."""

    async def wait(condition):
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - any condition
                await asyncio.sleep(0)

    return wait


@pytest.fixture
def logs_shown():
    """Lines of level info and above are made, whatever other tests have set."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield
    structlog.configure(wrapper_class=before)
