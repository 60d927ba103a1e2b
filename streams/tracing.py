"""Traces by OpenTelemetry: the only module that knows it.

A webhook's `traceparent` goes on through the headers of its event and the creation of its instance
to every attempt of a step, in whatever process that runs. A run of an instance may last for days
and move between workers: the id of its span follows from its name, so that attempts have their
parent from the start and the span itself is told once, by whoever reads the end. What was done
before a crash is not done again, and so is not told again.

Calls for many (`batch`) belong to no trace of theirs: they link to the runs, and these to them.
Names are those of the semantic conventions of today; there is no older form to opt out of.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from os import environ

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stepwell.schemas.parts import Trace
from stepwell.streams.spans import (
    Body,
    Ending,
    Headers,
    Linked,
    Record,
    Run,
    Span,
    Tracing,
    headers_of,
)

TRACES_PATH = "/v1/traces"
FLUSH_TIMEOUT_MS = 5_000
"""How long the end of a process waits for a collector to take the last spans."""
NS_PER_MS = 1_000_000
_W3C = TraceContextTextMapPropagator()
_RUN: ContextVar[SpanContext | None] = ContextVar("stepwell_run", default=None)
"""The run whose step body this is."""


@dataclass(frozen=True, slots=True)
class Service:
    """Whose spans they are."""

    name: str
    instance: str = ""
    group: str = ""
    """The consumer group of a worker."""


@asynccontextmanager
async def exporting(endpoint: str, service: Service) -> AsyncIterator[Tracing]:
    """Traces that go to a collector at this address, by OTLP over HTTP, until the end."""
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)
    provider = make_provider(service, BatchSpanProcessor(exporter))
    try:
        yield OtelTracing(provider, service)
    finally:
        # In a thread of its own: a collector that does not answer must not hold up our end.
        closing = threading.Thread(target=_close, args=(provider,), daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, FLUSH_TIMEOUT_MS / 1000)


def make_provider(service: Service, processor: SpanProcessor) -> TracerProvider:
    """A provider with our ids; all else is as the standard `OTEL_…` variables say."""
    ours = {"service.name": service.name, "service.version": version("stepwell")}
    if service.instance:
        ours["service.instance.id"] = service.instance
    resource = Resource.create().merge(Resource(ours)).merge(OTELResourceDetector().detect())
    if name := environ.get("OTEL_SERVICE_NAME"):
        resource = resource.merge(Resource({"service.name": name}))
    provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


class OtelTracing:
    """`Tracing` on a provider of `make_provider`."""

    def __init__(self, provider: TracerProvider, service: Service) -> None:
        self._tracer = provider.get_tracer("stepwell", version("stepwell"))
        self._group = service.group

    def serving(
        self, method: str, route: str, headers: Mapping[str, str]
    ) -> AbstractContextManager[Span]:
        """A request is answered; its sender's trace goes on, or one begins."""
        return self._span(
            f"{method} {route}",
            SpanKind.SERVER,
            {"http.request.method": method, "http.route": route},
            parent=_remote({name.lower(): value for name, value in headers.items()}),
        )

    def sending(self, topic: str) -> AbstractContextManager[Span]:
        """A record is sent; add the span's headers to it."""
        return self._span(f"send {topic}", SpanKind.PRODUCER, _messaging("send", topic))

    def processing(self, record: Record) -> AbstractContextManager[Span]:
        """A record is processed: a second time, in the same place of the same trace."""
        attributes = _messaging("process", record.topic) | {
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": self._group,
        }
        if record.value is None:
            attributes["messaging.kafka.message.tombstone"] = True
        place = f"{self._group} {record.topic} {record.partition} {record.offset}"
        return self._span(
            f"process {record.topic}",
            SpanKind.CONSUMER,
            attributes,
            parent=_remote({k: v.decode(errors="replace") for k, v in record.headers if v}),
            seed=f"{place} {record.timestamp_ms}",
        )

    def attempt(self, run: Run, body: Body) -> AbstractContextManager[Span]:
        """A step body runs."""
        attributes = _about(run) | {
            "stepwell.step": body.step,
            "stepwell.step.occurrence": body.occurrence,
            "stepwell.step.kind": body.kind,
            "stepwell.attempt": body.attempt,
        }
        return self._attempt(_span_of(run), f"step {body.step}", attributes)

    def ended(self, run: Run, ending: Ending) -> None:
        """A run is over; told again, it is the same span."""
        parent = _remote(_pairs(run.trace))
        if not _valid(parent).is_valid:
            return
        with self._ids_of(_seed(run)):
            span = self._tracer.start_span(
                f"workflow {run.instance.workflow}",
                parent,
                SpanKind.INTERNAL,
                _about(run) | {"stepwell.status": ending.status},
                start_time=ending.started_ms * NS_PER_MS,
            )
        if ending.error is not None:
            _Span(span).failed(ending.error.name, ending.error.message)
        span.end(max(ending.at_ms, ending.started_ms) * NS_PER_MS)

    def child(self, run: Run) -> Trace | None:
        """Where an instance belongs that this run starts."""
        context = _span_of(run)
        return None if context is None else _trace(context)

    def current(self) -> Trace | None:
        """Where an instance belongs that is created now."""
        return _trace(otel.get_current_span().get_span_context())

    def link(self) -> Linked | None:
        """What a batch is told of who submits to it now."""
        run = _RUN.get()
        return None if run is None else _Linked(run, otel.get_current_span())

    def batch(
        self, operation: str, links: Sequence[Linked | None], size: int
    ) -> AbstractContextManager[Span]:
        """One call for many: it belongs to none of their traces, and names all."""
        attributes: dict[str, str | int] = {
            "db.operation.name": operation,
            "db.operation.batch.size": size,
        }
        return self._batch(operation, SpanKind.CLIENT, attributes, links)

    def inference(self, links: Sequence[Linked | None], size: int) -> AbstractContextManager[Span]:
        """One run of the model for many, in whatever thread: like a batch."""
        attributes: dict[str, str | int] = {
            "gen_ai.operation.name": "embeddings",
            "stepwell.batch.size": size,
        }
        return self._batch("embed", SpanKind.INTERNAL, attributes, links)

    @contextmanager
    def _batch(
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, str | int],
        links: Sequence[Linked | None],
    ) -> Iterator[Span]:
        linked = [it for it in links if isinstance(it, _Linked)]
        runs = [Link(run) for run in {it.run.span_id: it.run for it in linked}.values()]
        begun = self._span(name, kind, attributes, parent=Context(), links=runs)
        with begun as span:
            for it in linked:  # one whose asker was cancelled has ended
                it.asked.add_link(otel.get_current_span().get_span_context())
            yield span

    @contextmanager
    def _attempt(
        self, run: SpanContext | None, name: str, attributes: dict[str, str | int]
    ) -> Iterator[Span]:
        # Without a run its trace is not what we write; the step runs all the same.
        parent = otel.set_span_in_context(NonRecordingSpan(run), Context()) if run else Context()
        token = _RUN.set(run)
        try:
            with self._span(name, SpanKind.INTERNAL, attributes, parent=parent) as span:
                yield span
        finally:
            _RUN.reset(token)

    @contextmanager
    def _span(  # noqa: PLR0913 - all but three by name
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, str | int],
        *,
        parent: Context | None = None,
        links: Sequence[Link] = (),
        seed: str | None = None,
    ) -> Iterator[Span]:
        with self._ids_of(seed):
            span = self._tracer.start_span(name, parent, kind, attributes, links)
        with otel.use_span(span, end_on_exit=True, record_exception=False):
            yield _Span(span)

    @contextmanager
    def _ids_of(self, seed: str | None) -> Iterator[None]:
        _DERIVED.seed = seed
        try:
            yield
        finally:
            _DERIVED.seed = None


class _Span:
    """`Span` on one of OpenTelemetry."""

    def __init__(self, span: otel.Span) -> None:
        self._span = span

    @property
    def trace(self) -> Trace | None:
        return _trace(self._span.get_span_context())

    @property
    def headers(self) -> Headers:
        return headers_of(self.trace)

    def note(self, **what: str | int) -> None:
        for name, value in what.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def failed(self, name: str, message: str = "") -> None:
        self._span.set_attribute("error.type", name)
        self._span.set_status(Status(StatusCode.ERROR, message or name))


@dataclass(frozen=True, slots=True)
class _Linked:
    run: SpanContext
    asked: otel.Span
    """The attempt, which goes on meanwhile."""


class _Derived(threading.local):
    seed: str | None = None


_DERIVED = _Derived()


class _Ids(RandomIdGenerator):
    """Random ids, but for spans that must have the same one whoever tells of them."""

    def generate_span_id(self) -> int:
        if _DERIVED.seed is None:
            return super().generate_span_id()
        return _span_id(_DERIVED.seed)

    def generate_trace_id(self) -> int:
        if _DERIVED.seed is None:
            return super().generate_trace_id()
        return int.from_bytes(blake2b(_DERIVED.seed.encode(), digest_size=16).digest(), "big") or 1


def _span_id(seed: str) -> int:
    return int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big") or 1


def _seed(run: Run) -> str:
    return f"{run.trace.traceparent} {run.instance} {run.run}"


def _span_of(run: Run) -> SpanContext | None:
    """The span of a run, which is told when it ends; None: its trace is not one."""
    made_by = _valid(_remote(_pairs(run.trace)))
    if not made_by.is_valid:
        return None
    span_id, flags, state = _span_id(_seed(run)), made_by.trace_flags, made_by.trace_state
    return SpanContext(
        made_by.trace_id, span_id, is_remote=True, trace_flags=flags, trace_state=state
    )


def _about(run: Run) -> dict[str, str | int]:
    return {
        "stepwell.workflow": run.instance.workflow,
        "stepwell.instance": run.instance.instance,
        "stepwell.run": run.run,
    }


def _messaging(operation: str, topic: str) -> dict[str, str | int]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }


def _remote(pairs: Mapping[str, str]) -> Context:
    """The context that headers name; one without a span if they make no sense."""
    return _W3C.extract(pairs, Context())


def _valid(context: Context) -> SpanContext:
    return otel.get_current_span(context).get_span_context()


def _trace(context: SpanContext) -> Trace | None:
    if not context.is_valid:
        return None
    pairs: dict[str, str] = {}
    _W3C.inject(pairs, otel.set_span_in_context(NonRecordingSpan(context), Context()))
    return Trace(pairs["traceparent"], pairs.get("tracestate", ""))


def _pairs(trace: Trace) -> dict[str, str]:
    pairs = {"traceparent": trace.traceparent}
    return pairs | {"tracestate": trace.tracestate} if trace.tracestate else pairs


def _close(provider: TracerProvider) -> None:
    provider.force_flush(FLUSH_TIMEOUT_MS)
    provider.shutdown()
