"""Events to instances: each trigger that matches an event starts an instance, or sends it one."""

from collections.abc import Callable

from stepwell.schemas import cloudevents, codec
from stepwell.schemas.commands import EventReceived
from stepwell.schemas.errors import EventRejected
from stepwell.schemas.events import CloudEvent
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.schemas.parts import Origin
from stepwell.schemas.values import NotSerialisable
from stepwell.streams.agents.records import DeadLetters, Failure, RawRecord
from stepwell.streams.engine.errors import describe_error
from stepwell.streams.engine.limits import RESULT_BYTES_MAX
from stepwell.streams.engine.names import check_event_type
from stepwell.streams.engine.triggers import EventTrigger, MessageTrigger, event_instance_id
from stepwell.streams.metrics import Metrics
from stepwell.streams.runtime.clock import Clock
from stepwell.streams.runtime.registry import Workflows


class Router:
    """Takes records of the events topic. A record ends as instances, as ignored, or as dead letter.

    The ids of an instance and of what it is sent follow from the event, so a redelivered event
    changes nothing. An instance is created before it is sent anything, and sent one event once,
    however many triggers of its workflow match.
    """

    def __init__(
        self,
        workflows: Workflows,
        append: Callable[[bytes, bytes], None],
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._triggers: tuple[tuple[str, EventTrigger | MessageTrigger], ...] = (
            *workflows.triggers(),
            *workflows.messages(),
        )
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
        sent: dict[InstanceKey, bytes] = {}
        for name, trigger in self._triggers:
            try:
                if trigger.matches(event):
                    made = created if isinstance(trigger, EventTrigger) else sent
                    made.update([self._make(name, trigger, event, record)])
            except EventRejected as error:
                self._reject(record, Failure("route", error.reason, f"{name}: {error.detail}"))
                return
            except Exception as error:  # noqa: BLE001 - the edge to user code: a trigger's functions
                info = describe_error(error)
                self._reject(record, Failure("route", info.name, f"{name}: {info.message}"))
                return
        if not (created or sent):
            self._metrics.worker.events_ignored.labels(reason="no-trigger").inc()
        for key, value in (*created.items(), *sent.items()):
            self._append(key.encode(), value)

    def _make(
        self,
        workflow: str,
        trigger: EventTrigger | MessageTrigger,
        event: CloudEvent,
        record: RawRecord,
    ) -> tuple[InstanceKey, bytes]:
        key = InstanceKey(workflow, trigger.instance_for(event))
        # Times are the record's own, not the clock's: a redelivery makes the same bytes.
        if isinstance(trigger, EventTrigger):
            what, value = "parameters", codec.encode(_created(trigger, event, record))
        else:
            event_type = check_event_type(trigger.type or event.type)
            payload, at_ms = trigger.payload(event), record.timestamp_ms
            received = EventReceived(event_type, payload, at_ms, event_instance_id(event))
            what, value = "payload", codec.encode(received)
        if len(value) > RESULT_BYTES_MAX:
            raise NotSerialisable(f"{what}: {len(value)} bytes, the limit is {RESULT_BYTES_MAX}")
        return key, value

    def _reject(self, record: RawRecord, failure: Failure) -> None:
        self._metrics.worker.dead_letters.labels(reason=failure.reason).inc()
        self._dead_letters(record, failure)


def _created(trigger: EventTrigger, event: CloudEvent, record: RawRecord) -> InstanceCreated:
    return InstanceCreated(
        trigger.params(event),
        record.timestamp_ms,
        origin=Origin(
            event_id=event.id,
            event_type=event.type,
            source=event.source,
            subject=event.subject,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        ),
        lane=trigger.lane,
        debounce_ms=trigger.debounce_ms,
    )
