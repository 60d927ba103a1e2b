"""Taking part in groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.coordination.groups import Speaker
from stepwell.streams.broker.coordination.members import JoinAnswer, JoinRequest, SyncAnswer
from stepwell.streams.broker.errors import Refused, StorageFailed
from stepwell.streams.broker.messages import Message

T = TypeVar("T")

NEEDS_KNOWN_ID_FROM = 4
NULL_PROTOCOL_FROM = 7
SKIPS_ASSIGNMENT_FROM = 9
SEVERAL_LEAVE_FROM = 3
TELLS_PROTOCOL_FROM = 5


def join_group(call: Call, request: Message) -> Answer:
    """Take part; the answer comes when everyone has."""
    waiting: asyncio.Future[JoinAnswer] = asyncio.get_running_loop().create_future()
    try:
        call.node.groups.join(
            request.group_id, _join_request(call, request), _once(waiting), call.ticks_ms
        )
    except Refused as refused:
        return _joined(call, JoinAnswer(refused.code, request.member_id))
    except StorageFailed:
        code = ErrorCode.COORDINATOR_NOT_AVAILABLE
        return _joined(call, JoinAnswer(code, request.member_id))
    if waiting.done():
        return _joined(call, waiting.result())
    return _join_later(call, waiting)


def _join_request(call: Call, request: Message) -> JoinRequest:
    rebalance_timeout_ms = request.rebalance_timeout_ms
    if rebalance_timeout_ms < 0:
        rebalance_timeout_ms = request.session_timeout_ms
    return JoinRequest(
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        client_id=call.client_id,
        client_host=call.client_host,
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=rebalance_timeout_ms,
        protocol_type=request.protocol_type,
        protocols=tuple((found.name, bytes(found.metadata)) for found in request.protocols),
        needs_known_id=call.version >= NEEDS_KNOWN_ID_FROM,
        can_skip_assignment=call.version >= SKIPS_ASSIGNMENT_FROM,
    )


async def _join_later(call: Call, waiting: "asyncio.Future[JoinAnswer]") -> Message:
    return _joined(call, await waiting)


def _joined(call: Call, answer: JoinAnswer) -> Message:
    part = call.response.JoinGroupResponseMember
    protocol = answer.protocol
    if protocol is None and call.version < NULL_PROTOCOL_FROM:
        protocol = ""
    return call.answer(
        error_code=answer.error,
        generation_id=answer.generation,
        protocol_type=answer.protocol_type,
        protocol_name=protocol,
        leader=answer.leader,
        skip_assignment=answer.skip_assignment,
        member_id=answer.member_id,
        members=[
            part(member_id=member_id, group_instance_id=instance_id, metadata=metadata)
            for member_id, instance_id, metadata in answer.members
        ],
    )


def sync_group(call: Call, request: Message) -> Answer:
    """Give the assignment, or get one's own when the leader has given it."""
    waiting: asyncio.Future[SyncAnswer] = asyncio.get_running_loop().create_future()
    speaker = Speaker(request.member_id, request.group_instance_id, request.generation_id)
    assignments = {given.member_id: bytes(given.assignment) for given in request.assignments}
    groups = call.node.groups
    try:
        groups.sync(request.group_id, speaker, assignments, _once(waiting), call.ticks_ms)
    except Refused as refused:
        return _synced(call, SyncAnswer(refused.code))
    if waiting.done():
        return _synced(call, waiting.result())
    return _sync_later(call, waiting)


async def _sync_later(call: Call, waiting: "asyncio.Future[SyncAnswer]") -> Message:
    return _synced(call, await waiting)


def _synced(call: Call, answer: SyncAnswer) -> Message:
    return call.answer(
        error_code=answer.error,
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol,
        assignment=answer.assignment,
    )


def heartbeat(call: Call, request: Message) -> Answer:
    """A member lives."""
    speaker = Speaker(request.member_id, request.group_instance_id, request.generation_id)
    try:
        call.node.groups.heartbeat(request.group_id, speaker, call.ticks_ms)
    except Refused as refused:
        return call.answer(error_code=refused.code)
    return call.answer()


def leave_group(call: Call, request: Message) -> Answer:
    """Members leave: one, or several from version 3 on."""
    if call.version < SEVERAL_LEAVE_FROM:
        return call.answer(error_code=_leave(call, request.group_id, request.member_id, None))
    part = call.response.MemberResponse
    return call.answer(
        members=[
            part(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                error_code=_leave(
                    call, request.group_id, member.member_id, member.group_instance_id
                ),
            )
            for member in request.members
        ]
    )


def _leave(call: Call, group_id: str, member_id: str, instance_id: str | None) -> ErrorCode:
    try:
        call.node.groups.leave(group_id, member_id, instance_id, call.ticks_ms)
    except Refused as refused:
        return refused.code
    return ErrorCode.NONE


def _once(waiting: "asyncio.Future[T]") -> Callable[[T], None]:
    def answer(result: T) -> None:
        if not waiting.done():  # the client may have gone
            waiting.set_result(result)

    return answer
