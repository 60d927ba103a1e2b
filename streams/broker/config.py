"""How a broker is set up."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

MIB = 1024 * 1024


class Fsync(StrEnum):
    """When written data is forced to the disk. A killed process loses nothing either way."""

    INTERVAL = "interval"
    """In the background: power loss takes at most the last `fsync_interval_ms`."""
    ALWAYS = "always"
    """Before the answer, and before consumers see it."""


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Where a broker keeps its data, where it listens, and its limits."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port."""
    fsync: Fsync = Fsync.INTERVAL
    fsync_interval_ms: int = 1000
    upkeep_interval_ms: int = 5000
    """How often retention and compaction look for work."""
    partitions_default: int = 1
    auto_create_topics: bool = False
    segment_bytes: int = 64 * MIB
    """The default of the topic setting `segment.bytes`."""
    message_bytes_max: int = 1024 * 1024 + 12
    """The default of the topic setting `max.message.bytes`."""
    request_bytes_max: int = 100 * MIB
    fetch_bytes_max: int = 2 * MIB
    """One answer holds no more, whatever the client allows: it bounds the broker's memory."""
    session_timeout_min_ms: int = 1000
    session_timeout_max_ms: int = 1_800_000
    transaction_timeout_max_ms: int = 900_000
    group_members_max: int = 1000
