"""Keeps processes running: starts them in order, restarts what dies, stops them in reverse."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stepwell.streams.errors import StepwellError

READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
RESTART_FIRST_S = 0.5
RESTART_MOST_S = 10.0
LOG_TAIL_LINES = 20


class PartFailed(StepwellError):
    """A part did not become ready; the message ends with the tail of its log."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process: how it is started, how to see that it is ready, where it can be reached."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    ready: Callable[[], Awaitable[bool]]
    address: str


@dataclass(slots=True)
class _Running:
    part: Part
    process: asyncio.subprocess.Process
    watching: "asyncio.Task[None] | None" = field(default=None)


class Supervisor:
    """Runs parts until told to stop. `say` is told one line per change of a part."""

    def __init__(self, logs: Path, say: Callable[[Part, str], None]) -> None:
        self._logs = logs
        self._say = say
        self._running: list[_Running] = []
        self._stopping = False

    async def start(self, part: Part) -> None:
        """Start a part and wait until it is ready; raises `PartFailed`."""
        running = _Running(part, await self._spawn(part))
        self._running.append(running)
        await self._until_ready(running)
        self._say(part, "ready")
        running.watching = asyncio.create_task(self._keep(running))

    async def stop(self) -> None:
        """Stop every part, the last started first; what does not end in time is killed."""
        self._stopping = True
        for running in reversed(self._running):
            if running.watching is not None:
                running.watching.cancel()
            await self._end(running)
            self._say(running.part, "stopped")

    async def _spawn(self, part: Part) -> asyncio.subprocess.Process:
        self._logs.mkdir(parents=True, exist_ok=True)
        with self._log(part).open("ab") as log:
            # A session of its own: Ctrl-C is for the supervisor, which stops the parts in order.
            return await asyncio.create_subprocess_exec(
                *part.command,
                env={**os.environ, **part.environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _until_ready(self, running: _Running) -> None:
        part = running.part
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not await part.ready():
                    if running.process.returncode is not None:
                        break
                    await asyncio.sleep(POLL_S)
                else:
                    return
        except TimeoutError:
            pass
        status = running.process.returncode
        ended = "is not ready in time" if status is None else f"ended with {status}"
        raise PartFailed(f"{part.name} {ended}; {self._log(part)} ends with:\n{self._tail(part)}")

    async def _keep(self, running: _Running) -> None:
        """Restart the part whenever it ends, sooner at first, later if it keeps ending."""
        wait_s = RESTART_FIRST_S
        while True:
            status = await running.process.wait()
            self._say(running.part, f"ended with {status}, restarts in {wait_s:g} s")
            await asyncio.sleep(wait_s)
            running.process = await self._spawn(running.part)
            try:
                await self._until_ready(running)
            except PartFailed as error:
                self._say(running.part, str(error))
                await self._end(running)
                wait_s = min(2 * wait_s, RESTART_MOST_S)
            else:
                self._say(running.part, "ready again")
                wait_s = RESTART_FIRST_S

    async def _end(self, running: _Running) -> None:
        process = running.process
        if process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _log(self, part: Part) -> Path:
        return self._logs / f"{part.name}.log"

    def _tail(self, part: Part) -> str:
        lines = self._log(part).read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])
