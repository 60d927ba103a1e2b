"""Traces into memory, by the real SDK."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stepwell.streams.tracing import OtelTracing, Service, make_provider

GROUP = "stepwell-worker"


@dataclass
class Traced:
    """A tracing and the spans that were told."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __post_init__(self) -> None:
        self.tracing = self.another()

    def another(self) -> OtelTracing:
        """What another process would have, telling to the same place."""
        service = Service("stepwell-test", "one", GROUP)
        return OtelTracing(make_provider(service, self.processor), service)

    @property
    def processor(self) -> SimpleSpanProcessor:
        """What hands spans to the exporter at once."""
        return SimpleSpanProcessor(self.exporter)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """In the order in which they ended."""
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None, f"{span.name} has no parent"
    return span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


@pytest.fixture
def traced() -> Traced:
    return Traced()
