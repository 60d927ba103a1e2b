"""A collector of traces: takes OTLP over HTTP, as any real one, and keeps what it gets."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Told:
    """A span, and the service that told it."""

    service: str
    span: Span

    def __getitem__(self, name: str) -> str | int:
        """An attribute."""
        (value,) = (it.value for it in self.span.attributes if it.key == name)
        found: str | int = getattr(value, value.WhichOneof("value"))
        return found


@dataclass
class Collector:
    url: str = ""
    told: list[Told] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {it.key: it.value.string_value for it in each.resource.attributes}
            for scope in each.scope_spans:
                self.told += [Told(names["service.name"], span) for span in scope.spans]
        self.news.set()
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type="application/x-protobuf")

    async def until(self, what: Callable[[list[Told]], bool], timeout_s: float = 60) -> None:
        """Wait until what was told says so."""
        try:
            async with asyncio.timeout(timeout_s):
                while not what(self.told):
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            names = [(it.service, it.span.name) for it in self.told]
            raise AssertionError(f"after {timeout_s} s: {names}") from None

    def named(self, name: str) -> list[Told]:
        return [it for it in self.told if it.span.name == name]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector on a port of its own."""
    collector = Collector()
    app = web.Application()
    app.add_routes([web.post("/v1/traces", collector.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        collector.url = f"http://{host}:{port}"
        yield collector
    finally:
        await runner.cleanup()
