"""Every metric of a Stepwell process, defined once.

Label values are few and known, never ids: those that come from outside or from user code are
counted under their own names while they are few, then as `other`. An id may only be an exemplar.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from stepwell.schemas.envelope import event_age_s
from stepwell.schemas.errors import RejectReason

CONTENT_TYPE = CONTENT_TYPE_LATEST
OPENMETRICS_TYPE = openmetrics.CONTENT_TYPE_LATEST
PREFIX = "stepwell_"
OTHER = "other"
EVENT_LABELS_MAX = 100
WORKFLOW_LABELS_MAX = 50
STEP_LABELS_MAX = 200
EXEMPLAR_LENGTH_MAX = 128
"""Of names and values together, says OpenMetrics."""

_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # GitHub gives up at 10 s
_APPEND_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_STEP_S = (0.01, 0.025, 0.06, 0.15, 0.4, 1, 2.5, 6, 15, 40, 100, 250, 600)
_AGE_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 14400, 86400)
_RECOVERY_S = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics in one registry; a process has one, a test makes its own."""

    def __init__(self, version: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        make = _Make(self.registry)
        self.gateway = GatewayMetrics(make)
        self.worker = WorkerMetrics(make)
        self.index = IndexMetrics(make)
        self.embedding = EmbeddingMetrics()
        self.registry.register(self.embedding)
        self.duplicates = make.counter(
            "duplicates_total", "What was there already, by where it was noticed", "stage"
        )
        for stage in ("gateway", "gateway-conflict"):
            self.duplicates.labels(stage)
        self.replay_records = make.counter(
            "replay_records_total",
            "Instances that a replay asked for, by what came of it",
            "outcome",
        )
        info = make.gauge("build_info", "What is running; always 1", "version", "python")
        info.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)  # CPU, memory, open files: under their usual names

    def render(self) -> bytes:
        """The text that any Prometheus reads, of media type `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def render_openmetrics(self) -> bytes:
        """The same as OpenMetrics, which has exemplars, of media type `OPENMETRICS_TYPE`."""
        text: bytes = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return text


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
        self._events = Few(EVENT_LABELS_MAX)

    def received(self, source: str, event: str) -> None:
        """Count a delivery; beyond a number of event types the label is `other`."""
        self.events_received.labels(source, self._events(event)).inc()


class WorkerMetrics:
    """Records, instances, steps, and the partitions that a worker owns."""

    def __init__(self, make: "_Make") -> None:
        self._define_records(make)
        self._define_instances(make)
        self._workflows = Few(WORKFLOW_LABELS_MAX)
        self._steps = Few(STEP_LABELS_MAX)
        self._reasons = Few(EVENT_LABELS_MAX)
        for refusal in RejectReason:  # rates of counters that appear late are wrong
            self.dead_letter(refusal, 0)
        for reason in ("tombstone", "no-trigger"):
            self.events_ignored.labels(reason)
        for limit in ("steps", "record-bytes"):
            self.limits_near.labels(limit)

    def _define_records(self, make: "_Make") -> None:
        self.events_ignored = make.counter(
            "events_ignored_total", "Events that start nothing", "reason"
        )
        self.event_age = make.histogram(
            "event_age_seconds", "From the source's time to the routing of its event", _AGE_S
        )
        self.dead_letters = make.counter("dead_letters_total", "Records set aside", "reason")
        self.consumer_lag = make.gauge(
            "consumer_lag", "Records not yet committed", "topic", "partition"
        )
        self.last_processed = make.gauge(
            "last_processed_timestamp_seconds", "When a record was last finished here", "topic"
        )
        self.append_duration = make.histogram(
            "journal_append_duration_seconds",
            "From the first record of a batch to the acknowledgement of the batch",
            _APPEND_S,
        )
        self.unacknowledged = make.gauge(
            "records_unacknowledged", "Records sent that the broker has not acknowledged yet"
        )
        self.partitions_owned = make.gauge("partitions_owned", "Journal partitions owned here")
        self.rebalances = make.counter("rebalances_total", "Changes of the partitions owned here")
        self.recovery_duration = make.histogram(
            "recovery_duration_seconds",
            "From the assignment of partitions until their rows are complete",
            _RECOVERY_S,
        )

    def _define_instances(self, make: "_Make") -> None:
        self.instances = make.gauge(
            "instances", "Instances of the partitions owned here", "workflow", "status"
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
        self.step_attempts = make.counter(
            "step_attempts_total", "Attempts ended", "workflow", "step", "outcome"
        )
        self.step_duration = make.histogram(
            "step_duration_seconds", "Duration of an attempt", _STEP_S, "workflow", "step"
        )
        self.limits_near = make.counter(
            "limits_near_total", "Instances that have used a fifth of a limit", "limit"
        )
        self.timers_pending = make.gauge(
            "timers_pending", "Sleeps, timeouts and retries waited for"
        )

    def workflow(self, name: str) -> str:
        """The label of a workflow: requests may name any."""
        return self._workflows(name)

    def observe_event_age(self, time: str | None, now_s: float) -> None:
        """Record how old an event is; an unknown time is not recorded, a future one counts as 0."""
        age_s = event_age_s(time, now_s)
        if age_s is not None:
            self.event_age.observe(age_s)

    def attempt_ended(
        self, workflow: str, step: str, outcome: str, seconds: float, instance: str
    ) -> None:
        """Count an attempt of a step; names of steps may be made up by the code as it runs."""
        workflow = self.workflow(workflow)
        step = self._steps(f"{workflow}/{step}").rpartition("/")[2]
        self.step_attempts.labels(workflow, step, outcome).inc()
        exemplar = {"instance": instance}
        fits = sum(map(len, ("instance", instance))) <= EXEMPLAR_LENGTH_MAX
        self.step_duration.labels(workflow, step).observe(seconds, exemplar if fits else None)

    def dead_letter(self, reason: str, count: int = 1) -> None:
        """Count records set aside; a reason may be the name of any exception."""
        self.dead_letters.labels(self._reasons(reason)).inc(count)

    def census(self, counts: Mapping[tuple[str, str], int], statuses: Iterable[str]) -> None:
        """Say how many instances there are, by workflow and status; the others are none."""
        self.instances.clear()
        for workflow in {self.workflow(workflow) for workflow, _ in counts}:
            for status in statuses:
                self.instances.labels(workflow, status).set(0)
        for (workflow, status), count in counts.items():
            self.instances.labels(self.workflow(workflow), status).inc(count)


class IndexMetrics:
    """Writes to the index, as its batches see them."""

    def __init__(self, make: "_Make") -> None:
        self.objects = make.counter(
            "upsert_objects_total", "Documents written to the index or removed", "outcome"
        )
        self.batch_duration = make.histogram(
            "upsert_batch_duration_seconds", "Duration of a call to the index", _STEP_S
        )
        self.batch_size = make.histogram(
            "upsert_batch_size", "Documents in a call to the index", _BATCH_SIZES
        )
        self._backlogs: list[Callable[[], int]] = []
        backlog = make.gauge("upsert_backlog", "Documents that wait for a call to the index")
        backlog.set_function(lambda: sum(waiting() for waiting in self._backlogs))

    def called(self, outcomes: Sequence[str], seconds: float) -> None:
        """Count a call and what became of its documents."""
        self.batch_duration.observe(seconds)
        self.batch_size.observe(len(outcomes))
        for outcome in outcomes:
            self.objects.labels(outcome).inc()

    def watch(self, waiting: Callable[[], int]) -> None:
        """Add what says how many documents wait."""
        self._backlogs.append(waiting)


class Tallied(Protocol):
    """A histogram; the last count is of values above all bounds."""

    @property
    def bounds(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def counts(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def total(self) -> float: ...  # noqa: D102


class EmbedCounters(Protocol):
    """What an embedder has done so far: `stepwell.models.Counters`."""

    @property
    def waiting(self) -> int: ...  # noqa: D102
    @property
    def texts(self) -> int: ...  # noqa: D102
    @property
    def tokens(self) -> int: ...  # noqa: D102
    @property
    def failed(self) -> int: ...  # noqa: D102
    @property
    def runs(self) -> Mapping[int, int]: ...  # noqa: D102
    @property
    def waits(self) -> Tallied: ...  # noqa: D102
    @property
    def run_times(self) -> Tallied: ...  # noqa: D102


class Embedder(Protocol):
    """An embedder that counts."""

    @property
    def model_id(self) -> str: ...  # noqa: D102
    @property
    def texts_truncated(self) -> int: ...  # noqa: D102

    def counters(self) -> EmbedCounters: ...  # noqa: D102


class EmbeddingMetrics(Collector):
    """Texts to vectors: read from the embedders when Prometheus asks, nothing is counted twice."""

    def __init__(self) -> None:
        self._embedders: dict[str, Embedder] = {}

    def watch(self, embedder: Embedder) -> None:
        """Read this embedder from now on, in place of another one of its model."""
        self._embedders[embedder.model_id] = embedder

    def collect(self) -> Iterator[Metric]:
        """All of it as it is now, by model."""
        texts = CounterMetricFamily(
            f"{PREFIX}embed_texts",
            "Texts that got their vector, or none",
            labels=("model", "outcome"),
        )
        tokens, truncated, waiting = (
            kind(f"{PREFIX}embed_{name}", about, labels=("model",))
            for kind, name, about in (
                (CounterMetricFamily, "tokens", "Tokens that were embedded"),
                (CounterMetricFamily, "truncated", "Texts cut at the limit of the model"),
                (GaugeMetricFamily, "waiting", "Texts that came but do not run yet"),
            )
        )
        waits, runs, sizes = (
            HistogramMetricFamily(f"{PREFIX}embed_{name}", about, labels=("model",))
            for name, about in (
                ("batch_wait_seconds", "From the arrival of a text to the run of its batch"),
                ("inference_duration_seconds", "Duration of a run of the model"),
                ("batch_size", "Texts in a run of the model"),
            )
        )
        for model, embedder in self._embedders.items():
            now = embedder.counters()
            texts.add_metric((model, "embedded"), now.texts)
            texts.add_metric((model, "failed"), now.failed)
            tokens.add_metric((model,), now.tokens)
            truncated.add_metric((model,), embedder.texts_truncated)
            waiting.add_metric((model,), now.waiting)
            waits.add_metric((model,), *_buckets(now.waits))
            runs.add_metric((model,), *_buckets(now.run_times))
            sizes.add_metric((model,), *_size_buckets(now.runs))
        yield from (texts, tokens, truncated, waiting, waits, runs, sizes)


class Few:
    """Values of a label under their own names, while these are few; later ones are `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """The label for a value."""
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


def _buckets(tallied: Tallied) -> tuple[list[tuple[str, float]], float]:
    """A histogram as Prometheus has it: how many were at most each bound, and the sum."""
    bounds = map(_name, (*tallied.bounds, inf))
    return list(zip(bounds, accumulate(tallied.counts), strict=True)), tallied.total


def _size_buckets(runs: Mapping[int, int]) -> tuple[list[tuple[str, float]], float]:
    """The same of how many runs there were by their size."""
    buckets: list[tuple[str, float]] = [
        (_name(bound), sum(count for size, count in runs.items() if size <= bound))
        for bound in (*_BATCH_SIZES, inf)
    ]
    return buckets, sum(size * count for size, count in runs.items())


def _name(bound: float) -> str:
    return "+Inf" if bound == inf else str(float(bound))


class _Make:
    """Makes metrics of one registry under our prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, about, labels, registry=self._registry)

    def gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, about, labels, registry=self._registry)

    def histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(PREFIX + name, about, labels, buckets=buckets, registry=self._registry)
