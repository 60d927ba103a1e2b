"""Events to instances: every trigger that matches an event appends one `InstanceCreated`."""

from collections.abc import Callable

from stepwell.schemas import cloudevents, codec
from stepwell.schemas.errors import EventRejected
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.journal import InstanceCreated, InstanceKey, Origin
from stepwell.schemas.values import NotSerialisable
from stepwell.streams.agents.records import DeadLetters, Failure, RawRecord
from stepwell.streams.engine.execution import describe_error
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.engine.triggers import EventTrigger
from stepwell.streams.metrics import Metrics
from stepwell.streams.runtime.clock import Clock
from stepwell.streams.runtime.registry import Workflows


class Router:
    """Takes records of the events topic. A record ends as instances, as ignored, or as dead letter.

    The id of an instance follows from its event, so a redelivered event creates nothing new.
    """

    def __init__(
        self,
        workflows: Workflows,
        append: Callable[[bytes, bytes], None],
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._triggers = tuple(workflows.triggers())
        self._append = append
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._clock = clock

    def handle(self, record: RawRecord) -> None:
        """Route one record."""
        try:
            event = cloudevents.decode(record.key, record.value, record.headers)
        except EventRejected as error:
            self._reject(record, Failure("decode", error.reason, error.detail))
            return
        if event is None:
            self._metrics.worker.events_ignored.labels(reason="tombstone").inc()
            return
        self._metrics.worker.observe_event_age(event.time, self._clock() / 1000)
        created: dict[InstanceKey, bytes] = {}
        for name, trigger in self._triggers:
            try:
                if trigger.matches(event):
                    created.update([self._create(name, trigger, event, record)])
            except EventRejected as error:
                self._reject(record, Failure("route", error.reason, f"{name}: {error.detail}"))
                return
            except Exception as error:  # noqa: BLE001 - the edge to user code: a trigger's functions
                info = describe_error(error)
                self._reject(record, Failure("route", info.name, f"{name}: {info.message}"))
                return
        if not created:
            self._metrics.worker.events_ignored.labels(reason="no-trigger").inc()
        for key, value in created.items():
            self._append(key.encode(), value)

    def _create(
        self, workflow: str, trigger: EventTrigger, event: CloudEvent, record: RawRecord
    ) -> tuple[InstanceKey, bytes]:
        key = InstanceKey(workflow, trigger.instance_for(event))
        origin = Origin(
            event_id=event.id,
            event_type=event.type,
            source=event.source,
            subject=event.subject,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        # The record's own time, not the clock: a redelivery makes the same bytes.
        value = codec.encode(InstanceCreated(trigger.params(event), record.timestamp_ms, origin))
        if len(value) > RESULT_BYTES_MAX:
            raise NotSerialisable(
                f"the parameters take {len(value)} bytes, the limit is {RESULT_BYTES_MAX}"
            )
        return key, value

    def _reject(self, record: RawRecord, failure: Failure) -> None:
        self._metrics.worker.dead_letters.labels(reason=failure.reason).inc()
        self._dead_letters(record, failure)
