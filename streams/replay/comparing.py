"""Verifies many instances, and counts what is found."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.engine.check import Recording
from stepwell.streams.engine.errors import EngineError
from stepwell.streams.engine.limits import DELAY_BUDGET_MS
from stepwell.streams.engine.workflow import Workflow
from stepwell.streams.replay.findings import Finding, Verdict
from stepwell.streams.replay.verifying import Rules, Verification
from stepwell.streams.runtime.attempts import Attempts
from stepwell.streams.runtime.clock import Clock

THREADS_MAX = 16
WORKFLOW = "(workflow)"
"""Stands for the code as a whole, among the names of steps."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Computes recorded instances again on present code."""

    create: Callable[[str], Workflow | None]
    """Gives a workflow by its name."""
    rules: Rules
    attempts: Attempts

    async def verify(self, recording: Recording) -> list[Finding]:
        """What was found in one instance."""
        key = recording.key
        workflow = self.create(key.workflow)
        problem = f"there is no workflow {key.workflow}"
        if workflow is not None:
            try:
                return await Verification(workflow, recording, self.attempts, self.rules).run()
            except EngineError as error:
                problem = str(error)
        return [Finding(key.workflow, key.instance, WORKFLOW, 1, Verdict.MISSING, found=problem)]

    async def verify_all(
        self,
        recordings: Sequence[Recording],
        *,
        at_once: int,
        turn: Callable[[], Awaitable[None]],
    ) -> AsyncIterator[tuple[InstanceKey, list[Finding]]]:
        """What was found in each, as they end; waits for its `turn` before each."""
        found: asyncio.Queue[tuple[InstanceKey, list[Finding]]] = asyncio.Queue()
        places = asyncio.Semaphore(max(1, at_once))

        async def one(recording: Recording) -> None:
            async with places:
                await turn()
                found.put_nowait((recording.key, await self.verify(recording)))

        async with asyncio.TaskGroup() as tasks:
            for recording in recordings:
                tasks.create_task(one(recording))
            for _ in recordings:
                yield await found.get()


class Tally:
    """Findings of many instances: how many of each, and those that are not the same."""

    def __init__(self) -> None:
        self.differences: list[Finding] = []
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """By `workflow: step`, how many are same, changed, added, missing, skipped."""
        return {name: dict(counts) for name, counts in self._counts.items()}

    def take(self, findings: Iterable[Finding]) -> None:
        """Those of one instance."""
        for finding in findings:
            self._counts[f"{finding.workflow}: {finding.step}"][finding.verdict] += 1
            if finding.differs:
                self.differences.append(finding)


def either(one: Sequence[Finding], other: Sequence[Finding]) -> list[Finding]:
    """The findings of an instance that was verified twice: same if it was the same once."""
    again = {(it.step, it.occurrence) for it in other if it.verdict is Verdict.SAME}
    return [
        replace(it, verdict=Verdict.SAME, recorded="", found="")
        if it.is_changed and (it.step, it.occurrence) in again
        else it
        for it in one
    ]


@contextmanager
def open_attempts(clock: Clock) -> Iterator[Attempts]:
    """Carries out bodies as a worker does, in threads of its own where they are plain functions."""
    with (
        ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="stepwell-verify") as threads,
        ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="stepwell-delay") as delays,
    ):
        yield Attempts(clock, Random(0), threads, delays, DELAY_BUDGET_MS)  # noqa: S311
