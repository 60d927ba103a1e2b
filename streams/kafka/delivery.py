"""From the consumer to the agent: the conductor fills a topic's queue, the stream empties it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, MutableSet
from typing import TYPE_CHECKING, Any, cast

from faust import Channel, Event, Stream
from faust.transport.conductor import Conductor
from faust.types import TP, Message
from mode.utils.queues import ThrowableQueue

if TYPE_CHECKING:
    from stepwell.streams.kafka.app import SafeApp

Deliver = Callable[[Message], None]

TURN = 32
"""So many events in a row before other tasks get their turn."""


class RawConductor(Conductor):
    """Delivers bytes as they came, in the call itself; decoding is the agent's business."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queues: dict[str, ThrowableQueue[Event]] = {}
        """What waits for each topic's agent."""

    def deliverers(self) -> Mapping[TP, Deliver]:
        """What puts a message into its queue, by topic and partition."""
        return cast(Mapping[TP, Deliver], self._tp_to_callback)

    def _build_handler(self, tp: TP, channels: MutableSet[Any]) -> Any:
        app = self.app
        assert all(channel.value_serializer == "raw" for channel in channels), "use raw_topic()"
        queues = [channel.queue for channel in channels]
        self.queues[tp.topic] = queues[0]

        def deliver(message: Message) -> None:
            message.incref(len(queues))
            event = Event(app, message.key, message.value, message.headers, message)
            for queue in queues:
                queue.force_put_nowait(event)

        return deliver


class SafeStream(Stream[Any]):
    """Hands out events while this worker is sure to own them, and acknowledges only what is done.

    An event counts as done when the loop body comes back for the next one, or by `event.ack()` on a
    `noack()` stream. An exception in the body acknowledges nothing.
    """

    async def events(self) -> AsyncIterator[Event]:
        """The events, one after the other."""
        app = cast("SafeApp", self.app)
        queue, consumer = cast(Channel[Any], self.channel).queue, app.consumer
        started_here = await self.maybe_start()
        turn = 0
        try:
            while not self.should_stop:
                event = await queue.get() if queue.empty() else queue.get_nowait()
                if not consumer.lease_holds:
                    await consumer.lease_renewed()
                if not _is_current(event, app):
                    continue
                consumer.take(event.message)
                self._set_current_event(event)
                yield event
                if self.enable_acks:
                    event.ack()
                turn += 1
                if turn % TURN == 0:
                    await asyncio.sleep(0)
        except StopAsyncIteration:
            return  # how Faust tells an agent to stop
        finally:
            self._channel_stop_iteration(self.channel)
            if started_here:
                await self.stop()
                self.service_reset()

    async def _values(self) -> AsyncIterator[Any]:
        async for event in self.events():
            yield event.value

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._values()


def _is_current(event: Event, app: "SafeApp") -> bool:
    """Whether the event is of the assignment that we have now."""
    active: bool = app.flow_control.is_active()
    return active and event.message.generation_id == app.consumer_generation_id
