"""Producers and transactions.

InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn.
"""

from collections.abc import Callable

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.api.groups import committed_answer, readable_offsets
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.config import Fsync
from stepwell.streams.broker.coordination.groups import Speaker
from stepwell.streams.broker.coordination.transaction import Transaction
from stepwell.streams.broker.coordination.transactions import Identity
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.messages import Message

KNOWS_FENCED_FROM = {
    "InitProducerId": 4,
    "AddPartitionsToTxn": 2,
    "AddOffsetsToTxn": 2,
    "TxnOffsetCommit": 2,
    "EndTxn": 2,
}
"""Clients of older versions take PRODUCER_FENCED for an unknown error."""
CHECKS_MEMBER_FROM = 3


def _code_of(call: Call, action: Callable[[], object]) -> ErrorCode:
    """What an action comes to, in the codes that the client knows."""
    try:
        action()
    except Refused as refused:
        if refused.code is not ErrorCode.PRODUCER_FENCED:
            return refused.code
        knows = call.version >= KNOWS_FENCED_FROM[call.name]
        return refused.code if knows else ErrorCode.INVALID_PRODUCER_EPOCH
    except StorageFailed:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return ErrorCode.NONE


def init_producer_id(call: Call, request: Message) -> Answer:
    """A producer's id, and its epoch."""
    given: list[Identity] = []

    def action() -> None:
        given.append(
            call.node.transactions.init_producer(
                request.transactional_id,
                request.transaction_timeout_ms,
                Identity(request.producer_id, request.producer_epoch),
                call.now_ms,
            )
        )

    code = _code_of(call, action)
    if code is not ErrorCode.NONE:
        return call.answer(error_code=code, producer_id=-1, producer_epoch=-1)
    return call.answer(producer_id=given[0].producer_id, producer_epoch=given[0].epoch)


def add_partitions_to_txn(call: Call, request: Message) -> Answer:
    """Let partitions be written in a transaction: all of those named, or none."""
    topics = [(topic.name, topic.partitions) for topic in request.v3_and_below_topics]
    wanted = [(name, index) for name, indexes in topics for index in indexes]
    known = {key: call.node.topics.has(*key) for key in wanted}
    who = Identity(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch)
    if all(known.values()):
        code = _code_of(
            call,
            lambda: call.node.transactions.add_partitions(
                request.v3_and_below_transactional_id, who, wanted, call.now_ms
            ),
        )
        codes = dict.fromkeys(wanted, code)
    else:
        missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        # Kafka's OPERATION_NOT_ATTEMPTED: nothing is wrong with these, but they were not added.
        codes = {
            key: ErrorCode.OPERATION_NOT_ATTEMPTED if there else missing
            for key, there in known.items()
        }
    topic_part = call.response.AddPartitionsToTxnTopicResult
    part = topic_part.AddPartitionsToTxnPartitionResult
    return call.answer(
        results_by_topic_v3_and_below=[
            topic_part(
                name=name,
                results_by_partition=[
                    part(partition_index=index, partition_error_code=codes[name, index])
                    for index in indexes
                ],
            )
            for name, indexes in topics
        ]
    )


def add_offsets_to_txn(call: Call, request: Message) -> Answer:
    """Let a group's offsets be committed in a transaction."""
    who = Identity(request.producer_id, request.producer_epoch)
    code = _code_of(
        call,
        lambda: call.node.transactions.add_offsets(
            request.transactional_id, who, request.group_id, call.now_ms
        ),
    )
    return call.answer(error_code=code)


def txn_offset_commit(call: Call, request: Message) -> Answer:
    """Commit a group's offsets together with a transaction."""
    who = Identity(request.producer_id, request.producer_epoch)
    offsets, codes = readable_offsets(call, request)

    def action() -> None:
        if request.member_id or request.generation_id >= 0:
            speaker = Speaker(request.member_id, request.group_instance_id, request.generation_id)
            call.node.groups.check_commit(request.group_id, speaker, call.ticks_ms)
        call.node.transactions.commit_offsets(
            request.transactional_id, who, request.group_id, offsets
        )

    code = _code_of(call, action)
    if code is not ErrorCode.NONE:
        codes = dict.fromkeys(codes, code)
    return committed_answer(call, request, codes)


def end_txn(call: Call, request: Message) -> Answer:
    """Commit or abort. With `fsync=always` the decision is on the disk before it is carried out."""
    who = Identity(request.producer_id, request.producer_epoch)
    transactions = call.node.transactions
    ending: list[Transaction] = []

    def prepare() -> None:
        found = transactions.prepare_end(
            request.transactional_id, who, call.now_ms, commit=request.committed
        )
        ending.extend([found] if found is not None else [])

    code = _code_of(call, prepare)
    if code is not ErrorCode.NONE or not ending:
        return call.answer(error_code=code)
    if call.node.config.fsync is Fsync.ALWAYS:
        return _finish_when_durable(call, ending[0])
    return call.answer(error_code=_code_of(call, lambda: transactions.finish(ending[0])))


async def _finish_when_durable(call: Call, ending: Transaction) -> Message:
    try:
        await call.node.syncing.durable()
    except StorageFailed:
        return call.answer(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    code = _code_of(call, lambda: call.node.transactions.finish(ending))
    return call.answer(error_code=code)
