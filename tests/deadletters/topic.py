"""The dead-letter topic and the way back, in memory; obeys `LetterTopic`."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stepwell.schemas.dead_letters import Failure, Headers, LetterId
from stepwell.streams.agents.records import RawRecord, dead_letter
from stepwell.streams.deadletters.desk import Desk
from stepwell.streams.deadletters.shelf import LetterRecord
from stepwell.streams.errors import BrokerUnavailable

EVENTS, LETTERS = "stepwell.events", "stepwell.dead-letters"
BAD_JSON = Failure("decode", "decode", "not JSON at byte 0")
CE = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"e-1"),
    ("ce_source", b"/shop"),
    ("ce_type", b"shop.order.placed"),
)


@dataclass
class MemoryTopics:
    """Records by topic and partition. `fails_after` appends the broker goes away."""

    logs: dict[tuple[str, int], list[LetterRecord]] = field(default_factory=dict)
    fails_after: int | None = None
    now_ms: int = 1_000

    async def read(self, visit: Callable[[LetterRecord], object]) -> None:
        for (topic, _), records in sorted(self.logs.items()):
            for record in records if topic == LETTERS else ():
                visit(record)

    async def read_one(self, at: LetterId) -> LetterRecord | None:
        records = self.log(LETTERS, at.partition)
        return records[at.offset] if at.offset < len(records) else None

    async def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> LetterId:
        if self.fails_after == 0:
            raise BrokerUnavailable("the broker is gone")
        if self.fails_after is not None:
            self.fails_after -= 1
        records = self.log(topic, partition)
        at = LetterId(partition, len(records))
        records.append(LetterRecord(at, self.now_ms, key, value, headers))
        return at

    def log(self, topic: str, partition: int) -> list[LetterRecord]:
        return self.logs.setdefault((topic, partition), [])

    def fail(self, record: RawRecord, failure: Failure = BAD_JSON) -> LetterId:
        """A worker sets a record aside."""
        letter = dead_letter(record, failure, now_ms=self.now_ms, app_version="test")
        records = self.log(LETTERS, record.partition)
        at = LetterId(record.partition, len(records))
        records.append(LetterRecord(at, self.now_ms, *letter))
        return at

    def event(
        self, value: bytes = b"{", key: bytes | None = b"order-7", *, partition: int = 3
    ) -> RawRecord:
        """A record of the events topic, as a worker reads it."""
        return RawRecord(EVENTS, partition, 42, 500, key, value, CE)

    def desk(self) -> Desk:
        return Desk(self, letters=LETTERS, events=EVENTS, clock=lambda: self.now_ms)


def raw_of(record: LetterRecord, topic: str = EVENTS) -> RawRecord:
    """A record as a worker reads it."""
    partition, offset = record.at
    return RawRecord(
        topic, partition, offset, record.timestamp_ms, record.key, record.value, record.headers
    )
