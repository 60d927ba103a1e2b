"""The consumer of whoever only looks: in no group, and committing nothing."""

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
    uncommitted: bool = False,
) -> AIOKafkaConsumer:
    """Not started yet; with topics it gets all their partitions, as there is no group.

    With `uncommitted` it sees the records of open and aborted transactions too.
    """
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        # Records of aborted transactions are none, unless somebody wants to miss nothing.
        isolation_level="read_uncommitted" if uncommitted else "read_committed",
        auto_offset_reset=reset,
        fetch_max_wait_ms=POLL_MS,
        **(security or Security()).client_options(),
    )
