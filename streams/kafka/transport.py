"""The Faust transport that wires the strict parts, under a URL scheme of its own."""

from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers.aiokafka import Transport

from stepwell.streams.kafka.consumer import StrictConsumer
from stepwell.streams.kafka.delivery import RawConductor
from stepwell.streams.kafka.producer import StrictProducer

SCHEME = "stepwell-kafka"


class StrictTransport(Transport):
    """Faust on aiokafka, strictly."""

    Consumer = StrictConsumer
    Producer = StrictProducer
    Conductor = RawConductor
    default_port = 9092
    driver_version = "stepwell"


def register() -> None:
    """Make Faust know the scheme. Idempotent."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:{StrictTransport.__name__}"
