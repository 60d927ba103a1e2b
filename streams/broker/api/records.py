"""Writing and reading records: Produce, Fetch, ListOffsets, DeleteRecords, OffsetForLeaderEpoch."""

import asyncio
from collections.abc import Iterable

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.coordination.transactions import Identity
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.messages import Message
from stepwell.streams.broker.storage import batch as batches
from stepwell.streams.broker.storage.log import Appended, PartitionLog
from stepwell.streams.broker.topics import Topic

READ_COMMITTED = 1
LEADER_EPOCH = 0
LATEST, EARLIEST, LATEST_TIME = -1, -2, -3
PRODUCE_SERVED_FROM = 3
"""Older versions are advertised because librdkafka takes them as a sign of compression support."""


def produce(call: Call, request: Message) -> Answer:
    """Append one batch to each partition."""
    response = call.response.TopicProduceResponse
    refused = _refusal_of_all(call, request)
    topics = [
        response(
            name=topic.name,
            partition_responses=[
                _produce(call, request, topic.name, partition, refused)
                for partition in topic.partition_data
            ],
        )
        for topic in request.topic_data
    ]
    return None if request.acks == 0 else call.answer(responses=topics)


def _refusal_of_all(call: Call, request: Message) -> Refused | None:
    if call.version < PRODUCE_SERVED_FROM:
        return Refused(ErrorCode.UNSUPPORTED_VERSION, "record batches of magic 2 only")
    if request.acks not in {-1, 0, 1}:
        return Refused(ErrorCode.INVALID_REQUIRED_ACKS)
    return None


def _produce(
    call: Call, request: Message, topic: str, partition: Message, refused: Refused | None
) -> Message:
    part = call.response.TopicProduceResponse.PartitionProduceResponse
    try:
        if refused is not None:
            raise refused
        found = call.node.topics.log_of(topic, partition.index)
        appended = _append(call, request, (topic, partition.index), partition.records, found)
    except Refused as error:
        return part(
            index=partition.index,
            error_code=error.code,
            base_offset=-1,
            error_message=error.detail or None,
        )
    except StorageFailed as error:
        return part(
            index=partition.index,
            error_code=ErrorCode.KAFKA_STORAGE_ERROR,
            base_offset=-1,
            error_message=str(error),
        )
    return part(
        index=partition.index,
        base_offset=appended.base_offset,
        log_append_time_ms=appended.timestamp,
        log_start_offset=found.start_offset,
    )


def _append(
    call: Call,
    request: Message,
    partition: tuple[str, int],
    records: bytes | None,
    found: PartitionLog,
) -> Appended:
    header = batches.read_header(records) if records else None
    if header is not None and header.is_transactional:
        who = Identity(header.producer_id, header.producer_epoch)
        call.node.transactions.check_batch(request.transactional_id, who, partition)
    return found.append(records, call.now_ms)


def fetch(call: Call, request: Message) -> Answer:
    """Read from partitions; wait until there are `min_bytes`, or `max_wait_ms` are over."""
    if request.session_id:
        code = ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        return call.answer(error_code=code, responses=[])
    answer, size, failed = _read(call, request)
    if size >= request.min_bytes or failed or request.max_wait_ms <= 0:
        return answer
    return _fetch_later(call, request)


async def _fetch_later(call: Call, request: Message) -> Message:
    wake = asyncio.Event()
    logs = list(_logs_of(call, request))
    for found in logs:
        found.watch(wake.set)
    try:
        async with asyncio.timeout(request.max_wait_ms / 1000):
            while True:
                # First of all: something may have come before this task began to watch.
                answer, size, failed = _read(call, request)
                if size >= request.min_bytes or failed:
                    return answer
                await wake.wait()
                wake.clear()
    except TimeoutError:
        return _read(call, request)[0]
    finally:
        for found in logs:
            found.unwatch(wake.set)


def _logs_of(call: Call, request: Message) -> Iterable[PartitionLog]:
    for topic in request.topics:
        for partition in topic.partitions:
            if call.node.topics.has(topic.topic, partition.partition):
                yield call.node.topics.log_of(topic.topic, partition.partition)


def _read(call: Call, request: Message) -> tuple[Message, int, bool]:
    """The answer as of now, its bytes of records, and whether a partition failed."""
    response = call.response.FetchableTopicResponse
    left = min(request.max_bytes, call.node.config.fetch_bytes_max)
    committed = request.isolation_level == READ_COMMITTED
    topics, size, failed = [], 0, False
    for topic in request.topics:
        parts = []
        for partition in topic.partitions:
            part = _read_partition(call, topic.topic, partition, left, committed=committed)
            # The first batch of an answer is given whole, however large; later ones only if room.
            left = max(0, left - len(part.records))
            size += len(part.records)
            failed = failed or part.error_code != ErrorCode.NONE
            parts.append(part)
        topics.append(response(topic=topic.topic, partitions=parts))
    return call.answer(responses=topics), size, failed


def _read_partition(
    call: Call, topic: str, partition: Message, left: int, *, committed: bool
) -> Message:
    part = call.response.FetchableTopicResponse.PartitionData
    index, offset = partition.partition, partition.fetch_offset
    try:
        found = call.node.topics.log_of(topic, index)
        check_leader_epoch(partition.current_leader_epoch)
        limit = min(left, partition.partition_max_bytes)
        data = found.read(offset, limit, committed=committed) if left > 0 else b""
    except Refused as refused:
        return part(partition_index=index, error_code=refused.code, high_watermark=-1, records=b"")
    except OSError:
        code = ErrorCode.KAFKA_STORAGE_ERROR
        return part(partition_index=index, error_code=code, high_watermark=-1, records=b"")
    aborted = None
    if committed:
        aborted = [
            part.AbortedTransaction(producer_id=row.producer_id, first_offset=row.first_offset)
            for row in found.aborted(offset, data)
        ]
    return part(
        partition_index=index,
        error_code=0,
        high_watermark=found.high_watermark,
        last_stable_offset=found.stable_offset,
        log_start_offset=found.start_offset,
        aborted_transactions=aborted,
        records=data,
    )


def check_leader_epoch(epoch: int) -> None:
    """Raise `Refused` for a client that has heard of another leader; there is only one."""
    if epoch > LEADER_EPOCH:
        raise Refused(ErrorCode.UNKNOWN_LEADER_EPOCH)


def list_offsets(call: Call, request: Message) -> Answer:
    """The ends of partitions, or the first record at or after a time."""
    response = call.response.ListOffsetsTopicResponse
    committed = request.isolation_level == READ_COMMITTED
    return call.answer(
        topics=[
            response(
                name=topic.name,
                partitions=[
                    _list_offsets(call, topic.name, partition, committed=committed)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _list_offsets(call: Call, topic: str, partition: Message, *, committed: bool) -> Message:
    part = call.response.ListOffsetsTopicResponse.ListOffsetsPartitionResponse
    index, time = partition.partition_index, partition.timestamp
    try:
        found = call.node.topics.log_of(topic, index)
        check_leader_epoch(partition.current_leader_epoch)
        offset, timestamp = _offset_at(found, time, committed=committed)
    except Refused as refused:
        return part(partition_index=index, error_code=refused.code)
    epoch = LEADER_EPOCH if offset >= 0 else -1
    return part(partition_index=index, timestamp=timestamp, offset=offset, leader_epoch=epoch)


def _offset_at(found: PartitionLog, time: int, *, committed: bool) -> tuple[int, int]:
    """The offset that a time, or a number that stands for one, means; and the record's time."""
    if time == LATEST:
        return (found.stable_offset if committed else found.high_watermark), -1
    if time == EARLIEST:
        return found.start_offset, -1
    if time == LATEST_TIME:
        return found.latest_time(committed=committed) or (-1, -1)
    if time >= 0:
        return found.find_time(time, committed=committed) or (-1, -1)
    raise Refused(ErrorCode.UNSUPPORTED_VERSION, f"timestamp {time}")


def delete_records(call: Call, request: Message) -> Answer:
    """Let partitions begin later."""
    response = call.response.DeleteRecordsTopicResult
    return call.answer(
        topics=[
            response(
                name=topic.name,
                partitions=[_delete_records(call, topic.name, part) for part in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _delete_records(call: Call, topic: str, partition: Message) -> Message:
    part = call.response.DeleteRecordsTopicResult.DeleteRecordsPartitionResult
    index = partition.partition_index
    try:
        found = call.node.topics.log_of(topic, index)
        offset = _checked_start(call.node.topics.get(topic), found, partition.offset)
        call.node.topics.delete_records(call.node.topics.get(topic), index, offset)
    except Refused as refused:
        return part(partition_index=index, low_watermark=-1, error_code=refused.code)
    except StorageFailed:
        code = ErrorCode.KAFKA_STORAGE_ERROR
        return part(partition_index=index, low_watermark=-1, error_code=code)
    return part(partition_index=index, low_watermark=found.start_offset)


def _checked_start(topic: Topic, found: PartitionLog, offset: int) -> int:
    """Where a partition is to begin; raises `Refused`."""
    if not topic.rules.deletes:
        raise Refused(ErrorCode.POLICY_VIOLATION, "the topic is compacted only")
    offset = found.high_watermark if offset == LATEST else offset
    if not 0 <= offset <= found.high_watermark:
        raise Refused(ErrorCode.OFFSET_OUT_OF_RANGE)
    return offset


def offset_for_leader_epoch(call: Call, request: Message) -> Answer:
    """Where an epoch ended. There is only one, and it goes on."""
    response = call.response.OffsetForLeaderTopicResult
    return call.answer(
        topics=[
            response(
                topic=topic.topic,
                partitions=[_epoch_end(call, topic.topic, part) for part in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _epoch_end(call: Call, topic: str, partition: Message) -> Message:
    part = call.response.OffsetForLeaderTopicResult.EpochEndOffset
    try:
        found = call.node.topics.log_of(topic, partition.partition)
        check_leader_epoch(partition.current_leader_epoch)
    except Refused as refused:
        return part(partition=partition.partition, error_code=refused.code)
    if partition.leader_epoch != LEADER_EPOCH:
        return part(partition=partition.partition)
    end = found.high_watermark
    return part(partition=partition.partition, leader_epoch=LEADER_EPOCH, end_offset=end)
