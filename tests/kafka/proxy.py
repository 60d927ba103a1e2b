"""A TCP proxy before a Kafka broker that can delay or withhold the answers to chosen requests.

It reads frames only as far as needed to know which answer belongs to which kind of request, and
writes its own port into the answers that tell clients where the broker is.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

HOST = "127.0.0.1"


class Api(IntEnum):
    """Kinds of requests, by their number in Kafka's protocol."""

    PRODUCE = 0
    FETCH = 1
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    HEARTBEAT = 12


class Proxy:
    """Answers of one broker, delayed by `delays_s`, or kept back while their kind is `held`."""

    def __init__(self, bootstrap: str) -> None:
        self._port = int(bootstrap.rpartition(":")[2])
        self._released = asyncio.Condition()
        self._held: set[Api] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.delays_s: dict[Api, float] = {}
        self.port = 0

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def hold(self, *apis: Api) -> None:
        """Keep the answers to these requests back from now on."""
        self._held.update(apis)

    async def release(self, *apis: Api) -> None:
        """Let the answers to these requests through again, or all answers."""
        async with self._released:
            self._held -= set(apis) or set(Api)
            self._released.notify_all()

    def sever(self) -> None:
        """Cut all connections. New ones are accepted."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(HOST, self._port)
        self._writers |= {writer, upstream_writer}
        asked: deque[int] = deque()
        for pump in (
            self._requests(reader, upstream_writer, asked),
            self._answers(upstream_reader, writer, asked),
        ):
            task = asyncio.ensure_future(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: deque[int]
    ) -> None:
        async for frame in _frames(reader):
            asked.append(struct.unpack_from(">h", frame)[0])
            _write(writer, frame)
        writer.close()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: deque[int]
    ) -> None:
        async for frame in _frames(reader):
            api = asked.popleft()
            if delay_s := self.delays_s.get(api):
                await asyncio.sleep(delay_s)
            await self._pass(api)
            _write(writer, self._readdressed(frame) if api in READDRESSED else frame)
        writer.close()

    async def _pass(self, api: int) -> None:
        async with self._released:
            await self._released.wait_for(lambda: api not in self._held)

    def _readdressed(self, frame: bytes) -> bytes:
        return frame.replace(_address(self._port), _address(self.port))

    def close(self) -> None:
        self.sever()
        for task in self._tasks:
            task.cancel()


READDRESSED = {Api.METADATA, Api.FIND_COORDINATOR}


@asynccontextmanager
async def proxied(bootstrap: str) -> AsyncIterator[Proxy]:
    """A proxy before the broker at this address."""
    proxy = Proxy(bootstrap)
    server = await asyncio.start_server(proxy.serve, HOST, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()


def _address(port: int) -> bytes:
    return HOST.encode() + struct.pack(">i", port)


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    if not writer.is_closing():
        writer.write(struct.pack(">i", len(frame)) + frame)


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    try:
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            yield await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return
