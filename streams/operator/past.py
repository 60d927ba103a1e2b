"""Instances as they were: the journal folded up to a place in it, or a moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.errors import InstanceNotFound, InvalidRequest
from stepwell.streams.gateway.ledger import Ledger
from stepwell.streams.gateway.requests import check_address, check_workflow
from stepwell.streams.kafka.ranges import LogReader, open_log, partition_of
from stepwell.streams.replay.asking import At, in_words
from stepwell.streams.replay.errors import OutOfBounds, PlaceNotFound
from stepwell.streams.settings import Settings
from stepwell.streams.views import InstanceDetails
from stepwell.streams.wiring import security_of, topics_of


async def describe_instance_at(
    settings: Settings, workflow: str | None, instance_id: str, at: At
) -> InstanceDetails:
    """An instance as it was; raises `InstanceNotFound` when it was not there yet, or no more.

    With an offset, other partitions (children) are seen as they were when that was appended.
    """
    check_address(instance_id)
    topic = topics_of(settings.kafka).journal
    async with open_log(settings.kafka.bootstrap, security_of(settings.kafka)) as log:
        partitions = await _partitions(log, topic)
        if workflow is None and at.offset is not None:
            now = await fold_journal(log, topic)
            workflow = _only(now.find(None, instance_id), instance_id).workflow
        ends = await _ends(log, topic, partitions, _Wanted(workflow, instance_id, at))
        then = await fold_journal(log, topic, ends)
        keys = then.find(workflow, instance_id)
        if not keys:
            raise await _not_there(log, topic, _Wanted(workflow, instance_id, at))
        key = _only(keys, instance_id)
        return next(iter(then.details(key.workflow, key.instance)))


async def fold_journal(log: LogReader, topic: str, ends: Mapping[int, int] | None = None) -> Ledger:
    """All instances as of these ends of the partitions; None: as of now."""
    bounds = await log.bounds(topic, await _partitions(log, topic))
    ranges = {
        partition: (found.earliest, found.end if ends is None else ends[partition])
        for partition, found in bounds.items()
    }
    ledger = Ledger()
    async for record in log.read(topic, ranges):
        ledger.take(record.partition, record.offset, record.key or b"", record.value or b"")
    return ledger


@dataclass(frozen=True, slots=True)
class _Wanted:
    workflow: str | None
    instance_id: str
    at: At

    def __str__(self) -> str:
        if self.at.offset is not None:
            return f"at offset {self.at.offset}"
        return f"at {in_words(self.at.time_ms or 0)}"


async def _ends(
    log: LogReader, topic: str, partitions: list[int], wanted: _Wanted
) -> dict[int, int]:
    bounds = await log.bounds(topic, partitions)
    time_ms, own = wanted.at.time_ms, {}
    if wanted.at.offset is not None:
        offset = wanted.at.offset
        key = InstanceKey(check_workflow(wanted.workflow or ""), wanted.instance_id)
        partition = partition_of(key.encode(), partitions)
        found = bounds[partition]
        if not found.earliest <= offset < found.end:
            raise OutOfBounds(
                [f"partition {partition} holds offsets {found.earliest} to {found.end - 1}"]
            )
        own[partition] = offset + 1
        async for record in log.read(topic, {partition: (found.earliest, offset + 1)}):
            time_ms = record.timestamp
    after = await log.offsets_at(topic, partitions, (time_ms or 0) + 1)
    ends = {one: bounds[one].end if at is None else at for one, at in after.items()}
    return ends | own


async def _not_there(log: LogReader, topic: str, wanted: _Wanted) -> InstanceNotFound:
    """Why an instance was not there: not yet, no more, or never."""
    now = await fold_journal(log, topic)
    for key in now.find(wanted.workflow, wanted.instance_id):
        summary = now.summary(key)
        assert summary is not None
        made = f"it was created at {in_words(summary.created_ms)}"
        return InstanceNotFound(f"there was no instance {key} {wanted}: {made}")
    return InstanceNotFound(
        f"there was no instance {wanted.instance_id} {wanted}, and there is none now"
    )


async def _partitions(log: LogReader, topic: str) -> list[int]:
    topics = await log.topics()
    if topic not in topics:
        raise PlaceNotFound(f"there is no topic {topic!r}")
    return topics[topic]


def _only(keys: list[InstanceKey], instance_id: str) -> InstanceKey:
    if not keys:
        raise InstanceNotFound(f"there is no instance {instance_id}")
    if len(keys) > 1:
        names = ", ".join(key.workflow for key in keys)
        raise InvalidRequest(f"several workflows have an instance {instance_id}: one of {names}")
    return keys[0]
