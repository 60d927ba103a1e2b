"""The consumer of whoever only looks: in no group, committing nothing, seeing what is committed."""

from typing import Literal

from aiokafka import AIOKafkaConsumer

from stepwell.streams.kafka.security import Security

POLL_MS = 50
"""How long the broker may wait for a record; short, for a look is often at the end of a topic."""


def make_onlooker(
    bootstrap: str,
    *topics: str,
    security: Security | None = None,
    reset: Literal["earliest", "latest", "none"] = "latest",
) -> AIOKafkaConsumer:
    """Not started yet; with topics it gets all their partitions, as there is no group."""
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",  # records of aborted transactions are none
        auto_offset_reset=reset,
        fetch_max_wait_ms=POLL_MS,
        **(security or Security()).client_options(),
    )
