"""Every metric of a Stepwell process, defined once. Label values are few and known, never ids."""

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from stepwell.schemas.cloudevents import event_age_s
from stepwell.schemas.errors import RejectReason

CONTENT_TYPE = CONTENT_TYPE_LATEST
EVENT_LABELS_MAX = 100

_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # GitHub gives up at 10 s
_APPEND_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_STEP_S = (0.01, 0.025, 0.06, 0.15, 0.4, 1, 2.5, 6, 15, 40, 100, 250, 600)
_AGE_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 14400, 86400)


class Metrics:
    """The metrics in one registry; a process has one, a test makes its own."""

    def __init__(self, version: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        make = _Make(self.registry)
        self.gateway = GatewayMetrics(make)
        self.worker = WorkerMetrics(make)
        self.duplicates = make.counter(
            "duplicates_total", "What was there already, by where it was noticed", "stage"
        )
        info = make.gauge("build_info", "What is running; always 1", "version", "python")
        info.labels(version, platform.python_version()).set(1)

    def render(self) -> bytes:
        """The text that Prometheus reads, of media type `CONTENT_TYPE`."""
        return generate_latest(self.registry)


class GatewayMetrics:
    """Deliveries: what came, what was refused, how long it took."""

    def __init__(self, make: "_Make") -> None:
        self.events_received = make.counter(
            "events_received_total", "Deliveries answered with 2xx", "source", "event"
        )
        self.events_rejected = make.counter(
            "events_rejected_total", "Deliveries refused", "source", "reason"
        )
        self.request_duration = make.histogram(
            "webhook_request_duration_seconds", "From request to answer", _REQUEST_S
        )
        self.append_duration = make.histogram(
            "webhook_append_duration_seconds", "From append to acknowledgement", _APPEND_S
        )
        self._events: set[str] = set()

    def received(self, source: str, event: str) -> None:
        """Count a delivery; beyond a number of event types the label is `other`."""
        if event not in self._events:
            if len(self._events) >= EVENT_LABELS_MAX:
                event = "other"
            self._events.add(event)
        self.events_received.labels(source, event).inc()


class WorkerMetrics:
    """Records, instances, steps, and the partitions that a worker owns."""

    def __init__(self, make: "_Make") -> None:
        self.events_ignored = make.counter(
            "events_ignored_total", "Events that start nothing", "reason"
        )
        self.dead_letters = make.counter("dead_letters_total", "Records set aside", "reason")
        self.consumer_lag = make.gauge(
            "consumer_lag", "Records not yet committed", "topic", "partition"
        )
        self.instances_started = make.counter(
            "instances_started_total", "Instances created", "workflow"
        )
        self.instances_finished = make.counter(
            "instances_finished_total", "Instances that ended", "workflow", "status"
        )
        self.instances_changed = make.counter(
            "instances_changed_total",
            "Instances that were queued, began to wait, paused, continued, restarted, deleted",
            "workflow",
            "change",
        )
        self.event_age = make.histogram(
            "event_age_seconds", "From the source's time to the routing of its event", _AGE_S
        )
        self.step_attempts = make.counter(
            "step_attempts_total", "Attempts ended", "workflow", "step", "outcome"
        )
        self.step_duration = make.histogram(
            "step_duration_seconds", "Duration of an attempt", _STEP_S, "workflow", "step"
        )
        self.timers_pending = make.gauge(
            "timers_pending", "Sleeps, timeouts and retries waited for"
        )
        self.rebalances = make.counter("rebalances_total", "Changes of the partitions owned here")
        for reason in RejectReason:  # rates of counters that appear late are wrong
            self.dead_letters.labels(reason)

    def observe_event_age(self, time: str | None, now_s: float) -> None:
        """Record how old an event is; an unknown time is not recorded, a future one counts as 0."""
        age_s = event_age_s(time, now_s)
        if age_s is not None:
            self.event_age.observe(age_s)


class _Make:
    """Makes metrics of one registry under our prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"stepwell_{name}", about, labels, registry=self._registry)

    def gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"stepwell_{name}", about, labels, registry=self._registry)

    def histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"stepwell_{name}", about, labels, buckets=buckets, registry=self._registry
        )
