"""Connections: requests in, answers out in the order of the requests."""

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import partial

import structlog

from stepwell.streams.broker.api.call import Answer, Call
from stepwell.streams.broker.api.table import APIS
from stepwell.streams.broker.codes import ErrorCode
from stepwell.streams.broker.config import Fsync
from stepwell.streams.broker.errors import StorageFailed
from stepwell.streams.broker.messages import Message, message_class
from stepwell.streams.broker.node import Node
from stepwell.streams.broker.wire import (
    API_VERSIONS,
    LENGTH,
    Frame,
    Malformed,
    encode_answer,
    read_frame,
)

PIPELINE_MAX = 64
"""Requests of one connection that may wait for their answers before no more are read."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Slot:
    """The place of an answer in the order of a connection."""

    content: bytes | None = None
    """What is sent; nothing for a request that wants no answer. None until it is known."""


class Connection(asyncio.Protocol):
    """One client. A request begins when it arrives, its answer waits for those before it."""

    def __init__(self, node: Node, connections: "set[Connection]") -> None:
        self._node = node
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._host = ""
        self._received = bytearray()
        self._slots: deque[_Slot] = deque()
        self._tasks: set[asyncio.Task[Message]] = set()
        self._client_reads = True

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._host = f"/{transport.get_extra_info('peername')[0]}"
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The client has gone: what it waits for is not worth waiting for."""
        self._transport = None
        self._connections.discard(self)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        """Some bytes of some requests."""
        self._received += data
        self._serve_received()

    def pause_writing(self) -> None:
        """The client does not read its answers: no more requests for now."""
        self._client_reads = False
        self._pace()

    def resume_writing(self) -> None:
        """It does again."""
        self._client_reads = True
        self._serve_received()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    # -- requests

    def _serve_received(self) -> None:
        try:
            while self._may_serve and (data := self._next_frame()) is not None:
                self._serve(read_frame(data))
        except Malformed as error:
            log.warning("connection closed: no request of Kafka's", detail=str(error))
            self.close()
        self._pace()

    @property
    def _may_serve(self) -> bool:
        busy = len(self._slots) >= PIPELINE_MAX or not self._client_reads
        return self._transport is not None and not busy

    def _pace(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._may_serve:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _next_frame(self) -> bytes | None:
        if len(self._received) < LENGTH.size:
            return None
        (size,) = LENGTH.unpack_from(self._received)
        if not 0 < size <= self._node.config.request_bytes_max:
            raise Malformed(f"a request of {size} bytes")
        end = LENGTH.size + size
        if len(self._received) < end:
            return None
        frame = bytes(memoryview(self._received)[LENGTH.size : end])
        del self._received[:end]
        return frame

    def _serve(self, frame: Frame) -> None:
        header = frame.header
        api = APIS.get(header.api_key)
        if api is None or not api.first <= header.version <= api.last:
            self._refuse_version(frame)
            return
        call = Call(
            node=self._node,
            name=api.name,
            version=header.version,
            client_id=header.client_id,
            client_host=self._host,
            now_ms=self._node.now_ms(),
            ticks_ms=self._node.ticks_ms(),
        )
        answer = api.handler(call, frame.body(api.name))
        if api.writes and self._node.config.fsync is Fsync.ALWAYS:
            answer = _durable(self._node, answer)
        self._answer(frame, answer)

    def _refuse_version(self, frame: Frame) -> None:
        """As Kafka does: a client that asks for versions is told, any other should have asked."""
        if frame.header.api_key != API_VERSIONS:
            raise Malformed(f"API {frame.header.api_key} version {frame.header.version}")
        response = message_class("ApiVersionsResponse")
        known = response.ApiVersion(api_key=API_VERSIONS, min_version=0, max_version=3)
        code = ErrorCode.UNSUPPORTED_VERSION
        self._answer(frame, response(version=0, error_code=code, api_keys=[known]))

    # -- answers

    def _answer(self, frame: Frame, answer: Answer) -> None:
        slot = _Slot()
        self._slots.append(slot)
        if asyncio.iscoroutine(answer):
            task = asyncio.create_task(answer)
            self._tasks.add(task)
            task.add_done_callback(partial(self._answered_later, frame, slot))
        else:
            self._fill(frame, slot, answer)

    def _answered_later(self, frame: Frame, slot: _Slot, task: "asyncio.Task[Message]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            trace = None if isinstance(error, StorageFailed) else error
            detail = str(error)
            log.error("no answer", api=frame.header.api_key, detail=detail, exc_info=trace)
            self.close()
            return
        self._fill(frame, slot, task.result())
        if self._received:
            self._serve_received()
        else:
            self._pace()

    def _fill(self, frame: Frame, slot: _Slot, answer: Message) -> None:
        slot.content = b"" if answer is None else encode_answer(frame.header, answer)
        while self._slots and self._slots[0].content is not None:
            content = self._slots.popleft().content
            if content and self._transport is not None:
                self._transport.write(content)


async def _durable(node: Node, answer: Answer) -> Message:
    """The answer, once what it promises is on the disk; no answer at all if it cannot be."""
    if asyncio.iscoroutine(answer):
        answer = await answer
    await node.syncing.durable()
    return answer
