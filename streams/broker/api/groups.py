"""Groups and their offsets: OffsetCommit, OffsetFetch, DescribeGroups, ListGroups, DeleteGroups."""

from collections.abc import Iterable

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.coordination.groups import (
    METADATA_MAX,
    Committed,
    Partition,
    Speaker,
)
from stepwell.streams.broker.coordination.members import State
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.messages import Message

SEVERAL_GROUPS_FROM = 8
NOTHING = Committed(-1, -1, "")


def offset_commit(call: Call, request: Message) -> Answer:
    """Keep where a group stands."""
    speaker = Speaker(
        request.member_id, request.group_instance_id, request.generation_id_or_member_epoch
    )
    groups = call.node.groups
    offsets, codes = readable_offsets(call, request)
    try:
        groups.check_commit(request.group_id, speaker, call.ticks_ms)
        if offsets:
            groups.commit(request.group_id, offsets)
    except Refused as refused:
        codes = dict.fromkeys(codes, refused.code)
    except StorageFailed:
        codes = dict.fromkeys(codes, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return committed_answer(call, request, codes)


def readable_offsets(
    call: Call, request: Message
) -> tuple[dict[Partition, Committed], dict[Partition, ErrorCode]]:
    """The offsets of a request that can be kept, and what is said to each."""
    offsets: dict[Partition, Committed] = {}
    codes: dict[Partition, ErrorCode] = {}
    for topic in request.topics:
        for part in topic.partitions:
            key = (topic.name, part.partition_index)
            metadata = part.committed_metadata or ""
            if not call.node.topics.has(*key):
                codes[key] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            elif len(metadata) > METADATA_MAX:
                codes[key] = ErrorCode.OFFSET_METADATA_TOO_LARGE
            else:
                codes[key] = ErrorCode.NONE
                epoch = part.committed_leader_epoch
                offsets[key] = Committed(part.committed_offset, epoch, metadata)
    return offsets, codes


def committed_answer(call: Call, request: Message, codes: dict[Partition, ErrorCode]) -> Message:
    """What is said to each partition of OffsetCommit, or TxnOffsetCommit."""
    topic_part = getattr(call.response, f"{call.name}ResponseTopic")
    part = getattr(topic_part, f"{call.name}ResponsePartition")
    return call.answer(
        topics=[
            topic_part(
                name=topic.name,
                partitions=[
                    part(
                        partition_index=found.partition_index,
                        error_code=codes[topic.name, found.partition_index],
                    )
                    for found in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def offset_fetch(call: Call, request: Message) -> Answer:
    """Where groups stand: for some partitions, or for all they committed."""
    response = call.response
    if call.version < SEVERAL_GROUPS_FROM:
        topic_part = response.OffsetFetchResponseTopic
        part = topic_part.OffsetFetchResponsePartition
        return call.answer(topics=_topics(call, request, request, topic_part, part))
    group_part = response.OffsetFetchResponseGroup
    topic_part = group_part.OffsetFetchResponseTopics
    part = topic_part.OffsetFetchResponsePartitions
    return call.answer(
        groups=[
            group_part(
                group_id=group.group_id,
                topics=_topics(call, request, group, topic_part, part),
            )
            for group in request.groups
        ]
    )


def _topics(
    call: Call, request: Message, group: Message, topic_part: Message, part: Message
) -> list[Message]:
    offsets = call.node.groups.offsets(group.group_id)
    if group.topics is None:
        wanted: Iterable[tuple[str, list[int]]] = _by_topic(offsets)
    else:
        wanted = [(topic.name, topic.partition_indexes) for topic in group.topics]

    def one(key: Partition) -> Message:
        if request.require_stable and call.node.transactions.is_unstable(group.group_id, key):
            found, code = NOTHING, ErrorCode.UNSTABLE_OFFSET_COMMIT
        else:
            found, code = offsets.get(key, NOTHING), ErrorCode.NONE
        return part(
            partition_index=key[1],
            committed_offset=found.offset,
            committed_leader_epoch=found.leader_epoch,
            metadata=found.metadata,
            error_code=code,
        )

    return [
        topic_part(name=name, partitions=[one((name, index)) for index in indexes])
        for name, indexes in wanted
    ]


def _by_topic(partitions: Iterable[Partition]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for name, index in sorted(partitions):
        found.setdefault(name, []).append(index)
    return list(found.items())


def describe_groups(call: Call, request: Message) -> Answer:
    """The state and the members of groups; one that is not there is dead."""
    return call.answer(groups=[_described(call, group_id) for group_id in request.groups])


def _described(call: Call, group_id: str) -> Message:
    part = call.response.DescribedGroup
    group = call.node.groups.find(group_id)
    if group is None:
        return part(group_id=group_id, group_state=State.DEAD, members=[])
    stable = group.state is State.STABLE
    members = [
        part.DescribedGroupMember(
            member_id=member.member_id,
            group_instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            member_metadata=member.metadata(group.protocol) if stable else b"",
            member_assignment=member.assignment if stable else b"",
        )
        for member in group.members.values()
    ]
    return part(
        group_id=group_id,
        group_state=group.state,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol or "") if stable else "",
        members=members,
    )


def list_groups(call: Call, request: Message) -> Answer:
    """All groups, or those in some states."""
    part = call.response.ListedGroup
    states = {state.lower() for state in request.states_filter or ()}
    return call.answer(
        groups=[
            part(
                group_id=group.group_id,
                protocol_type=group.protocol_type or "",
                group_state=group.state,
            )
            for group in call.node.groups
            if not states or group.state.lower() in states
        ]
    )


def delete_groups(call: Call, request: Message) -> Answer:
    """Forget groups without members."""
    part = call.response.DeletableGroupResult
    results = []
    for group_id in request.groups_names:
        code = ErrorCode.NONE
        try:
            call.node.groups.delete(group_id)
        except Refused as refused:
            code = refused.code
        except StorageFailed:
            code = ErrorCode.COORDINATOR_NOT_AVAILABLE
        results.append(part(group_id=group_id, error_code=code))
    return call.answer(results=results)
