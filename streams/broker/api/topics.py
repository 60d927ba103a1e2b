"""Topics: CreateTopics, DeleteTopics, CreatePartitions."""

import asyncio
import shutil
from pathlib import Path

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.messages import Message
from stepwell.streams.broker.node import NODE_ID, Node
from stepwell.streams.broker.topic_configs import (
    DEFINITIONS,
    check_configs,
    default_of,
)

DEFAULT = -1
FROM_TOPIC, FROM_DEFAULT = 1, 5


def create_topics(call: Call, request: Message) -> Answer:
    """Create each topic that can be created."""
    names = [wanted.name for wanted in request.topics]
    return call.answer(
        topics=[
            _create(call, wanted, twice=names.count(wanted.name) > 1, only=request.validate_only)
            for wanted in request.topics
        ]
    )


def _create(call: Call, wanted: Message, *, twice: bool, only: bool) -> Message:
    part = call.response.CreatableTopicResult
    topics = call.node.topics
    try:
        partitions = _partitions(call.node, wanted, twice=twice)
        topics.check_new(wanted.name, partitions)
        configs = check_configs({found.name: found.value for found in wanted.configs})
        if not only:
            topics.create(wanted.name, partitions, configs)
    except Refused as refused:
        return part(name=wanted.name, error_code=refused.code, error_message=refused.detail)
    except StorageFailed as failed:
        code = ErrorCode.KAFKA_STORAGE_ERROR
        return part(name=wanted.name, error_code=code, error_message=str(failed))
    rows = [
        part.CreatableTopicConfigs(
            name=name,
            value=configs.get(name) or default_of(name, call.node.config),
            config_source=FROM_TOPIC if name in configs else FROM_DEFAULT,
        )
        for name in DEFINITIONS
    ]
    return part(
        name=wanted.name,
        error_message=None,
        num_partitions=partitions,
        replication_factor=1,
        configs=rows,
    )


def _partitions(node: Node, wanted: Message, *, twice: bool) -> int:
    """How many partitions are meant; raises `Refused` for what one node cannot do."""
    if twice:
        raise Refused(ErrorCode.INVALID_REQUEST, "the request names the topic twice")
    if wanted.assignments:
        if wanted.num_partitions != DEFAULT or wanted.replication_factor != DEFAULT:
            detail = "either an assignment of replicas, or numbers"
            raise Refused(ErrorCode.INVALID_REQUEST, detail)
        _check_assignments([row.broker_ids for row in wanted.assignments])
        indexes = sorted(row.partition_index for row in wanted.assignments)
        if indexes != list(range(len(indexes))):
            detail = "partitions are numbered from 0 without a gap"
            raise Refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, detail)
        return len(indexes)
    if wanted.replication_factor not in {DEFAULT, 1}:
        detail = f"a replication factor of {wanted.replication_factor} on a single node"
        raise Refused(ErrorCode.INVALID_REPLICATION_FACTOR, detail)
    count: int = wanted.num_partitions
    return node.config.partitions_default if count == DEFAULT else count


def _check_assignments(assignments: list[list[int]]) -> None:
    if any(list(replicas) != [NODE_ID] for replicas in assignments):
        detail = f"the only node is {NODE_ID}"
        raise Refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, detail)


def delete_topics(call: Call, request: Message) -> Answer:
    """Delete topics with their records and the offsets committed for them."""
    part = call.response.DeletableTopicResult
    results = []
    for name in request.topic_names:
        code, detail = ErrorCode.NONE, None
        try:
            folder = call.node.topics.delete(name)
            call.node.groups.forget_topic(name)
            _remove_later(call.node, folder)
        except Refused as refused:
            code, detail = refused.code, refused.detail
        except StorageFailed as failed:
            code, detail = ErrorCode.KAFKA_STORAGE_ERROR, str(failed)
        results.append(part(name=name, error_code=code, error_message=detail))
    return call.answer(responses=results)


def _remove_later(node: Node, folder: Path) -> None:
    """In a thread: unlinking large files takes its time. A start removes what is left."""

    async def remove() -> None:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    task = asyncio.create_task(remove())
    node.tasks.add(task)
    task.add_done_callback(node.tasks.discard)


def create_partitions(call: Call, request: Message) -> Answer:
    """Give topics more partitions."""
    part = call.response.CreatePartitionsTopicResult
    results = []
    for wanted in request.topics:
        code, detail = ErrorCode.NONE, None
        try:
            topic = call.node.topics.get(wanted.name)
            if wanted.assignments is not None:
                _check_assignments([row.broker_ids for row in wanted.assignments])
            call.node.topics.add_partitions(topic, wanted.count, only_check=request.validate_only)
        except Refused as refused:
            code, detail = refused.code, refused.detail
        except StorageFailed as failed:
            code, detail = ErrorCode.KAFKA_STORAGE_ERROR, str(failed)
        results.append(part(name=wanted.name, error_code=code, error_message=detail))
    return call.answer(results=results)
