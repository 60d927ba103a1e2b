"""What the log says, read from Kafka without any code of the worker but codec and fold."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceCreated, InstanceKey
from stepwell.schemas.topics import Topics
from stepwell.streams.engine.fold import Verdict
from stepwell.streams.engine.names import StepKey
from stepwell.streams.engine.state import Status
from stepwell.streams.kafka.tail import read_tail
from stepwell.streams.wiring import topics_of
from tests.e2e.deployment import Deployment
from tests.simulation.world import Reference

Place = tuple[int, int]
"""Partition and offset."""


@dataclass
class Evidence:
    """The journal, the history changelog and the committed offsets at one moment."""

    topics: Topics
    committed: dict[tuple[str, int], int]
    accepted: dict[Place, bytes] = field(default_factory=dict)
    origins: set[Place] = field(default_factory=set)
    history: dict[bytes, bytes] = field(default_factory=dict)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    events: list[Place] = field(default_factory=list)
    results: dict[tuple[InstanceKey, StepKey], Any] = field(default_factory=dict)
    statuses: dict[InstanceKey, Status] = field(default_factory=dict)
    records: Counter[str] = field(default_factory=Counter)

    def check_nothing_was_committed_ahead(self) -> int:
        """Every record below a committed offset has its effects in the log; how many there are."""
        looked = 0
        for (partition, offset), key in self.accepted.items():
            if offset < self.committed.get((self.topics.journal, partition), 0):
                looked += 1
                row = b"%b\x00%016x" % (key, offset)
                assert row in self.history, f"committed, but no history row: {row!r}"
                assert key in self.headers, f"committed, but no header row: {key!r}"
        for partition, offset in self.events:
            if offset < self.committed.get((self.topics.events, partition), 0):
                looked += 1
                assert (partition, offset) in self.origins, (
                    f"event {partition}@{offset} is committed, but no instance was created"
                )
        return looked


async def gather_evidence(deployment: Deployment) -> Evidence:
    """Read everything; the offsets first, so that what they promise must be there already."""
    topics = topics_of(deployment.settings.kafka)
    evidence = Evidence(topics, await _committed(deployment))
    references: dict[int, Reference] = {}

    def take_journal(record: ConsumerRecord) -> None:
        entry = codec.decode(record.value)
        evidence.records[type(entry).__name__] += 1
        reference = references.setdefault(record.partition, Reference())
        accepted_before = reference.verdicts[Verdict.ACCEPTED]
        reference.take(record.offset, record.key, entry)
        if reference.verdicts[Verdict.ACCEPTED] > accepted_before:
            evidence.accepted[record.partition, record.offset] = record.key
        if isinstance(entry, InstanceCreated) and entry.origin is not None:
            evidence.origins.add((entry.origin.partition, entry.origin.offset))

    def take_row(rows: dict[bytes, bytes], record: ConsumerRecord) -> None:
        if record.value is None:
            rows.pop(record.key, None)
        else:
            rows[record.key] = record.value

    visits = {
        topics.journal: take_journal,
        topics.history_changelog: lambda record: take_row(evidence.history, record),
        topics.instances_changelog: lambda record: take_row(evidence.headers, record),
        topics.events: lambda record: evidence.events.append((record.partition, record.offset)),
    }
    for topic, visit in visits.items():
        bootstrap = deployment.settings.kafka.bootstrap
        await read_tail(bootstrap, topic, visit, count_max=10_000_000)
    for reference in references.values():
        evidence.results |= reference.finished
        evidence.statuses |= {key: state.status for key, state in reference.states.items()}
        for verdict, count in reference.verdicts.items():
            evidence.records[f"verdict {verdict}"] += count
    return evidence


async def _committed(deployment: Deployment) -> dict[tuple[str, int], int]:
    kafka = deployment.settings.kafka
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(kafka.app_id)
    except GroupCoordinatorNotAvailableError:
        return {}  # no group was ever joined on this broker
    finally:
        await admin.close()
    committed: dict[tuple[str, int], int] = {}
    for tp, offset in offsets.items():
        assert isinstance(tp, TopicPartition)
        committed[tp.topic, tp.partition] = offset.offset
    return committed
