"""The embedded broker: one node that speaks Kafka's protocol on loopback."""

from stepwell.streams.broker.config import BrokerConfig, Fsync
from stepwell.streams.broker.embedded import EmbeddedBroker

__all__ = ["BrokerConfig", "EmbeddedBroker", "Fsync"]
