"""CloudEvents over HTTP: one in binary or structured mode, or a batch where batches are wanted."""

from stepwell.schemas.cloudevents_http import (
    Mode,
    decode_batch,
    decode_binary,
    decode_structured,
    mode_of,
)
from stepwell.schemas.envelope import STRUCTURED
from stepwell.streams.gateway.sources import (
    JSON,
    Batch,
    Delivery,
    Outcome,
    unsupported_media_type,
)

EVENTS = "events"


class CloudEventsSource:
    """Takes events as they are; who sent them is a matter of the token."""

    def __init__(self, max_batch_events: int) -> None:
        self._max_batch_events = max_batch_events

    def accept(self, delivery: Delivery) -> Outcome:
        """The events; raises `Problem` for a batch that is not wanted, and `EventRejected`."""
        match mode_of(delivery.header("Content-Type") or ""):
            case Mode.BINARY:
                return decode_binary(delivery.headers.items(), delivery.body)
            case Mode.STRUCTURED:
                return decode_structured(delivery.body)
            case Mode.BATCH if self._max_batch_events:
                return Batch(tuple(decode_batch(delivery.body, self._max_batch_events)))
            case Mode.BATCH:
                raise unsupported_media_type(f"{STRUCTURED}; gateway.max_batch_events is 0")
            case None:
                raise unsupported_media_type(f"{STRUCTURED}, or {JSON} with ce- headers")
