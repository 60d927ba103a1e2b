"""The settings of topics: what each may be, and what it is when nobody says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.config import BrokerConfig
from stepwell.streams.broker.errors import Refused
from stepwell.streams.broker.storage.log import LogConfig

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
DAY_MS = 24 * 60 * 60 * 1000


class Kind(IntEnum):
    """The type of a setting, by Kafka's numbers."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


@dataclass(frozen=True, slots=True)
class Definition:
    """One setting of topics."""

    kind: Kind
    default: str
    check: Callable[[str], bool]


def _number(default: float, low: float, high: float, kind: Kind = Kind.LONG) -> Definition:
    read = float if kind is Kind.DOUBLE else int

    def check(value: str) -> bool:
        try:
            return low <= read(value) <= high
        except ValueError:
            return False

    return Definition(kind, str(default), check)


def _choice(default: str, *allowed: str, kind: Kind = Kind.STRING) -> Definition:
    several = kind is Kind.LIST

    def check(value: str) -> bool:
        chosen = [part.strip() for part in value.split(",")] if several else [value]
        return all(part in allowed for part in chosen)

    return Definition(kind, default, check)


DEFINITIONS: Mapping[str, Definition] = {
    "cleanup.policy": _choice("delete", "delete", "compact", kind=Kind.LIST),
    "delete.retention.ms": _number(DAY_MS, 0, LONG_MAX),
    "max.compaction.lag.ms": _number(LONG_MAX, 1, LONG_MAX),
    "max.message.bytes": _number(0, 0, INT_MAX, Kind.INT),
    "message.timestamp.after.max.ms": _number(60 * 60 * 1000, 0, LONG_MAX),
    "message.timestamp.before.max.ms": _number(LONG_MAX, 0, LONG_MAX),
    "message.timestamp.type": _choice("CreateTime", "CreateTime", "LogAppendTime"),
    "min.cleanable.dirty.ratio": _number(0.5, 0, 1, Kind.DOUBLE),
    "min.compaction.lag.ms": _number(0, 0, LONG_MAX),
    "retention.bytes": _number(-1, -1, LONG_MAX),
    "retention.ms": _number(7 * DAY_MS, -1, LONG_MAX),
    "segment.bytes": _number(0, 14, INT_MAX, Kind.INT),
    "segment.ms": _number(7 * DAY_MS, 1, LONG_MAX),
    # The rest means nothing on one node, or is this broker's own business: taken and ignored,
    # so that what is written for a cluster works here too.
    "compression.type": _choice("producer", "producer"),
    "file.delete.delay.ms": _number(60_000, 0, LONG_MAX),
    "flush.messages": _number(LONG_MAX, 1, LONG_MAX),
    "flush.ms": _number(LONG_MAX, 0, LONG_MAX),
    "index.interval.bytes": _number(4096, 0, INT_MAX, Kind.INT),
    "min.insync.replicas": _number(1, 1, INT_MAX, Kind.INT),
    "preallocate": _choice("false", "true", "false", kind=Kind.BOOLEAN),
    "segment.index.bytes": _number(10 * 1024 * 1024, 4, INT_MAX, Kind.INT),
    "segment.jitter.ms": _number(0, 0, LONG_MAX),
    "unclean.leader.election.enable": _choice("false", "true", "false", kind=Kind.BOOLEAN),
}


def check_configs(configs: Mapping[str, str | None]) -> dict[str, str]:
    """What a client gives as settings of a topic; raises `Refused`."""
    checked = {}
    for name, value in configs.items():
        definition = DEFINITIONS.get(name)
        if definition is None:
            raise Refused(ErrorCode.INVALID_CONFIG, f"Unknown topic config name: {name}")
        if value is None or not definition.check(value):
            detail = f"Invalid value {value} for configuration {name}"
            raise Refused(ErrorCode.INVALID_CONFIG, detail)
        checked[name] = value
    return checked


def default_of(name: str, broker: BrokerConfig) -> str:
    """The value of a setting that a topic does not set."""
    if name == "segment.bytes":
        return str(broker.segment_bytes)
    if name == "max.message.bytes":
        return str(broker.message_bytes_max)
    return DEFINITIONS[name].default


@dataclass(frozen=True, slots=True)
class TopicRules:
    """What the settings of a topic mean."""

    log: LogConfig
    compacted: bool
    deletes: bool
    retention_ms: int
    retention_bytes: int
    delete_retention_ms: int
    min_compaction_lag_ms: int
    max_compaction_lag_ms: int
    min_cleanable_dirty_ratio: float

    @classmethod
    def of(cls, configs: Mapping[str, str], broker: BrokerConfig) -> Self:
        """From what the topic sets, and the defaults."""

        def text(name: str) -> str:
            return configs.get(name) or default_of(name, broker)

        def number(name: str) -> int:
            return int(text(name))

        policies = {part.strip() for part in text("cleanup.policy").split(",")}
        return cls(
            log=LogConfig(
                segment_bytes=number("segment.bytes"),
                segment_ms=number("segment.ms"),
                message_bytes_max=number("max.message.bytes"),
                past_max_ms=number("message.timestamp.before.max.ms"),
                future_max_ms=number("message.timestamp.after.max.ms"),
                stamps=text("message.timestamp.type") == "LogAppendTime",
                needs_keys="compact" in policies,
            ),
            compacted="compact" in policies,
            deletes="delete" in policies,
            retention_ms=number("retention.ms"),
            retention_bytes=number("retention.bytes"),
            delete_retention_ms=number("delete.retention.ms"),
            min_compaction_lag_ms=number("min.compaction.lag.ms"),
            max_compaction_lag_ms=number("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio=float(text("min.cleanable.dirty.ratio")),
        )
