"""Traces as the rooms see them: each tells what it begins, and hands on what names it.

`streams/tracing.py` does it with OpenTelemetry; `NO_TRACING` is what all use unless told otherwise.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from stepwell.schemas.journal import InstanceKey
from stepwell.schemas.parts import ErrorInfo, Trace

Headers = Sequence[tuple[str, bytes]]
"""Of a Kafka record."""


class Record(Protocol):
    """A Kafka record as it was read."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp_ms(self) -> int: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an instance that was created within a trace."""

    trace: Trace
    instance: InstanceKey
    run: int


@dataclass(frozen=True, slots=True)
class Body:
    """One attempt of a step body."""

    step: str
    occurrence: int
    attempt: int
    kind: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How and when a run ended."""

    status: str
    started_ms: int
    at_ms: int
    error: ErrorInfo | None = None


class Span(Protocol):
    """Something that takes time: until the end of its `with`. What raises in there has failed."""

    @property
    def trace(self) -> Trace | None:
        """Where what it makes belongs; None: in no trace."""
        ...

    @property
    def headers(self) -> Headers:
        """The same, for a Kafka record that is sent meanwhile."""
        ...

    def note(self, **what: str | int) -> None:
        """Say more about it; names are those of OpenTelemetry, with `__` for a dot."""
        ...

    def failed(self, name: str, message: str = "") -> None:
        """It did not succeed, and why."""
        ...


class Linked(Protocol):
    """Whatever asked for a part of a batch."""


class Tracing(Protocol):
    """Told of work as it begins. What was done before a crash is not told again."""

    def serving(
        self, method: str, route: str, headers: Mapping[str, str]
    ) -> AbstractContextManager[Span]:
        """A request is answered; its sender's trace goes on, or one begins."""
        ...

    def sending(self, topic: str) -> AbstractContextManager[Span]:
        """A record is sent; add the span's headers to it."""
        ...

    def processing(self, record: Record) -> AbstractContextManager[Span]:
        """A record is processed: a second time, in the same place of the same trace."""
        ...

    def attempt(self, run: Run, body: Body) -> AbstractContextManager[Span]:
        """A step body runs."""
        ...

    def ended(self, run: Run, ending: Ending) -> None:
        """A run is over; told again, it is the same span."""
        ...

    def child(self, run: Run) -> Trace | None:
        """Where an instance belongs that this run starts."""
        ...

    def current(self) -> Trace | None:
        """Where an instance belongs that is created now."""
        ...

    def link(self) -> Linked | None:
        """What a batch is told of who submits to it now."""
        ...

    def batch(
        self, operation: str, links: Sequence[Linked | None], size: int
    ) -> AbstractContextManager[Span]:
        """One call for many: it belongs to none of their traces, and names all."""
        ...

    def inference(self, links: Sequence[Linked | None], size: int) -> AbstractContextManager[Span]:
        """One run of the model for many, in whatever thread: like a batch."""
        ...


def headers_of(trace: Trace | None) -> Headers:
    """What tells the reader of a Kafka record which trace it belongs to."""
    if trace is None:
        return ()
    state = [("tracestate", trace.tracestate.encode())] if trace.tracestate else []
    return [("traceparent", trace.traceparent.encode()), *state]


class _NoSpan:
    trace = None
    headers: Headers = ()

    def note(self, **what: str | int) -> None: ...
    def failed(self, name: str, message: str = "") -> None: ...


NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())


class NoTracing:
    """Nothing is traced, and nothing is paid for it."""

    def serving(
        self,
        method: str,  # noqa: ARG002
        route: str,  # noqa: ARG002
        headers: Mapping[str, str],  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Nothing."""
        return NO_SPAN

    def sending(self, topic: str) -> AbstractContextManager[Span]:  # noqa: ARG002
        """Nothing."""
        return NO_SPAN

    def processing(self, record: Record) -> AbstractContextManager[Span]:  # noqa: ARG002
        """Nothing."""
        return NO_SPAN

    def attempt(self, run: Run, body: Body) -> AbstractContextManager[Span]:  # noqa: ARG002
        """Nothing."""
        return NO_SPAN

    def ended(self, run: Run, ending: Ending) -> None:
        """Nothing."""

    def child(self, run: Run) -> Trace | None:
        """It stays in its trace: others may look at it."""
        return run.trace

    def current(self) -> Trace | None:
        """Nowhere."""
        return None

    def link(self) -> Linked | None:
        """Nobody."""
        return None

    def batch(
        self,
        operation: str,  # noqa: ARG002
        links: Sequence[Linked | None],  # noqa: ARG002
        size: int,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Nothing."""
        return NO_SPAN

    def inference(
        self,
        links: Sequence[Linked | None],  # noqa: ARG002
        size: int,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Nothing."""
        return NO_SPAN


NO_TRACING: Tracing = NoTracing()


class ModelRuns:
    """What an embedder tells of its runs, as spans."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def asked(self) -> Linked | None:
        """Whoever submits a text now."""
        return self._tracing.link()

    def running(self, asked: Sequence[Linked | None]) -> AbstractContextManager[Span]:
        """Their texts run together."""
        return self._tracing.inference(asked, len(asked))
