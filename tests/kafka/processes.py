"""Worker processes, and the truth about what they wrote."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kafka.broker import Broker
from tests.kafka.counting_worker import parse_row
from tests.kafka.flavours import Setup

WORKER = Path(__file__).parent / "counting_worker.py"
GRACE_S = 10.0
READY_S = 20.0


@dataclass
class WorkerProcess:
    """One running `counting_worker.py`."""

    process: asyncio.subprocess.Process

    async def ready(self) -> None:
        """Wait until it has recovered its tables for the first time."""
        assert self.process.stdout is not None
        assert await asyncio.wait_for(self.process.stdout.readline(), READY_S) == b"ready\n"

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), GRACE_S)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def worker(
    setup: Setup, store: str = "memory", *, name: str = "a", pause_ms: int = 0
) -> AsyncIterator[WorkerProcess]:
    """A worker process; killed at the end if it still runs."""
    folder = setup.folder / name
    arguments = [setup.bootstrap, setup.app_id, setup.source, setup.changelog]
    arguments += [str(setup.partitions), store, str(folder), str(pause_ms)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield WorkerProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def counted(setup: Setup, broker: Broker) -> Counter[bytes]:
    """The counts as the changelog has them."""
    rows = {r.key: r.value for r in await broker.records(setup.changelog, setup.partitions)}
    return Counter({key: parse_row(value)[0] for key, value in rows.items()})


async def commits_ahead_of_rows(setup: Setup, broker: Broker) -> dict[int, tuple[int, int]]:
    """Per partition where it is so: the committed offset, and the one up to which rows reach."""
    committed = await broker.committed(setup.app_id, setup.source)
    reach = dict.fromkeys(committed, 0)
    for record in await broker.records(setup.changelog, setup.partitions):
        if record.partition in reach:
            offset = parse_row(record.value)[1]
            reach[record.partition] = max(reach[record.partition], offset + 1)
    return {p: (offset, reach[p]) for p, offset in committed.items() if offset > reach[p]}
