"""The broker as an object: locks its folder, serves its port, looks after its logs."""

import asyncio
import ipaddress
import time
import uuid
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import structlog

from stepwell.streams.broker.config import BrokerConfig, Fsync
from stepwell.streams.broker.errors import CannotListen, NotLoopback
from stepwell.streams.broker.node import Environment, Node
from stepwell.streams.broker.server import Connection
from stepwell.streams.broker.storage.files import locked
from stepwell.streams.broker.upkeep import Upkeep

PORT_FILE = "port"
NS_PER_MS = 1_000_000

log = structlog.get_logger(__name__)


def system() -> Environment:
    """The world as it is."""
    return Environment(
        now_ms=lambda: time.time_ns() // NS_PER_MS,
        ticks_ms=lambda: time.monotonic_ns() // NS_PER_MS,
        new_id=uuid.uuid4,
    )


class EmbeddedBroker:
    """A broker within this process: `async with EmbeddedBroker(config) as broker`.

    Entering raises `DataFolderInUse`, `DataFolderDamaged`, `NotLoopback` or `CannotListen`.
    Leaving stops it in order: everything is synced, and the next start reads no logs.
    """

    def __init__(self, config: BrokerConfig, environment: Environment | None = None) -> None:
        self._config = config
        self._environment = environment or system()
        self._stack = AsyncExitStack()
        self._port = 0
        self._jobs: set[asyncio.Task[None]] = set()

    async def wait(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, or raise what ended the work in the background before that."""
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({stopping, *self._jobs}, return_when=FIRST_COMPLETED)
        finally:
            stopping.cancel()
        for job in done & self._jobs:
            job.result()

    @property
    def address(self) -> str:
        """Host and port, as clients take them."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"{host}:{self._port}"

    async def __aenter__(self) -> Self:
        _check_loopback(self._config.host)
        async with AsyncExitStack() as stack:
            stack.enter_context(locked(self._config.data_dir))
            node = Node(self._config, self._environment)
            stack.callback(node.close)
            stack.push_async_callback(_finish_tasks, node)
            if self._config.fsync is Fsync.ALWAYS:
                await node.syncing.once()
            self._jobs = await stack.enter_async_context(_background(node))
            await self._listen(node, stack)
            self._stack = stack.pop_all()
        log.info("broker ready", address=self.address, data_dir=str(self._config.data_dir))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
        log.info("broker stopped", address=self.address)

    async def _listen(self, node: Node, stack: AsyncExitStack) -> None:
        connections: set[Connection] = set()
        loop = asyncio.get_running_loop()
        host, port = self._config.host, self._config.port
        try:
            server = await loop.create_server(lambda: Connection(node, connections), host, port)
        except OSError as error:
            raise CannotListen(f"{host}:{port}: {error.strerror}") from error
        self._port = node.port = server.sockets[0].getsockname()[1]
        port_file = self._config.data_dir / PORT_FILE
        try:
            port_file.write_text(f"{self._port}\n")
        except OSError as error:  # on a full disk, readable is better than not at all
            log.warning("no port file", file=str(port_file), detail=error.strerror)

        def stop() -> None:
            port_file.unlink(missing_ok=True)
            server.close()
            for connection in tuple(connections):
                connection.close()

        stack.callback(stop)


def _check_loopback(host: str) -> None:
    try:
        safe = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        safe = False
    if not safe:
        raise NotLoopback(
            f"{host}: the broker asks nobody who they are, so it listens on loopback only; "
            "use Apache Kafka for more than one machine"
        )


@asynccontextmanager
async def _background(node: Node) -> AsyncIterator[set["asyncio.Task[None]"]]:
    """Sync and look after everything until the end; a failure is said at once."""
    jobs = {
        asyncio.create_task(node.syncing.run(node.config.fsync_interval_ms)),
        asyncio.create_task(Upkeep(node).run()),
    }
    for job in jobs:
        job.add_done_callback(_say_failure)
    try:
        yield jobs
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


def _say_failure(job: "asyncio.Task[None]") -> None:
    if not job.cancelled() and (error := job.exception()) is not None:
        log.error("background work of the broker ended", exc_info=error)


async def _finish_tasks(node: Node) -> None:
    await asyncio.gather(*node.tasks, return_exceptions=True)
