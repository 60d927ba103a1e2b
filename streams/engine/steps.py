"""`Step` as workflow code gets it: checks what is asked for and hands it to the execution."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, Never, TypeVar

from stepwell.schemas.commands import StepKind
from stepwell.schemas.events import Json
from stepwell.schemas.parts import Schedule
from stepwell.streams.engine.calls import BodyCall, ChildCall, SleepCall, WaitCall
from stepwell.streams.engine.compensation import Compensation, RollbackContext
from stepwell.streams.engine.durations import Duration, to_ms
from stepwell.streams.engine.errors import ContinueAsNew, InvalidDefinition
from stepwell.streams.engine.names import (
    check_event_type,
    check_instance_id,
    check_step_name,
    check_workflow_name,
)
from stepwell.streams.engine.racing import RaceResult, all_of, first_of
from stepwell.streams.engine.retry import Retries, step_options
from stepwell.streams.engine.typed import output_decoder
from stepwell.streams.engine.workflow import CronSchedule, ReceivedEvent, Step, Workflow

if TYPE_CHECKING:
    from stepwell.streams.engine.execution import Execution

T = TypeVar("T")

_NAMESPACE = uuid.UUID("3c8dd0a1-6a3e-5f0e-8a53-2f5a0b1f1f6d")


class Steps(Step):
    """The steps of one run."""

    def __init__(self, execution: "Execution") -> None:
        self._execution = execution

    async def do(  # noqa: PLR0913 - the options of a step
        self,
        name: str,
        function: Callable[..., Any],
        *args: Any,
        retries: Retries | None = None,
        timeout: Duration | None = None,
        rollback: Callable[[RollbackContext], Any] | None = None,
        rollback_retries: Retries | None = None,
        rollback_timeout: Duration | None = None,
        sensitive: bool = False,
    ) -> Any:
        """`Step.do`."""
        options = step_options(retries, timeout, sensitive=sensitive)
        execution = self._execution
        key, index = execution.occurrence(StepKind.DO, name)
        future = execution.loop.create_future()
        call = BodyCall(
            key=key, index=index, future=future, function=function, args=args, options=options
        )
        if rollback is not None:
            own = step_options(rollback_retries, rollback_timeout)
            execution.on_rollback(Compensation(call, rollback, own))
        elif rollback_retries is not None or rollback_timeout is not None:
            raise InvalidDefinition(f"step {name!r} has rollback options but no rollback handler")
        return await execution.wait(call)

    async def map(  # noqa: PLR0913 - the options of a step
        self,
        name: str,
        function: Callable[..., Any],
        items: Iterable[Any],
        *,
        concurrency: int = 100,
        retries: Retries | None = None,
        timeout: Duration | None = None,
    ) -> list[Any]:
        """`Step.map`."""
        if concurrency < 1:
            raise InvalidDefinition(f"concurrency {concurrency!r} is not at least 1")
        places = asyncio.Semaphore(concurrency)

        async def one(item: Any) -> Any:
            async with places:
                return await self.do(name, function, item, retries=retries, timeout=timeout)

        return await all_of([one(item) for item in items])

    async def race(self, *contestants: Awaitable[T]) -> RaceResult[T]:
        """`Step.race`."""
        return await first_of(contestants)

    async def sleep(self, name: str, duration: Duration) -> None:
        """`Step.sleep`."""
        await self._sleep(name, to_ms(duration), None)

    async def sleep_until(self, name: str, when: datetime) -> None:
        """`Step.sleep_until`."""
        if when.tzinfo is None:
            raise InvalidDefinition(f"{when!r} has no time zone: give it one, as datetime.UTC")
        await self._sleep(name, 0, _ms(when))

    async def wait_for_event(
        self,
        name: str,
        *,
        type: str,  # noqa: A002 - reads best at the call site
        timeout: Duration = "24 hours",
        match: Mapping[str, Json] | None = None,
    ) -> ReceivedEvent:
        """`Step.wait_for_event`."""
        check_event_type(type)
        timeout_ms = to_ms(timeout)
        execution = self._execution
        key, index = execution.occurrence(StepKind.WAIT, name)
        call = WaitCall(
            key=key,
            index=index,
            future=execution.loop.create_future(),
            event_type=type,
            match=dict(match or {}),
            timeout_ms=timeout_ms,
        )
        received: ReceivedEvent = await execution.wait(call)
        return received

    async def child(  # noqa: PLR0913 - the options of a step
        self,
        name: str,
        workflow: type[Workflow] | str,
        params: Any = None,
        *,
        instance_id: str | None = None,
        detach: bool = False,
        schedule: CronSchedule | None = None,
    ) -> Any:
        """`Step.child`."""
        execution, run = self._execution, self._execution.run
        key, index = execution.occurrence(StepKind.CHILD, name)
        seed = f"{run.key}\n{run.number}\n{name}\n{key.occurrence}"
        name_of = check_workflow_name(workflow) if isinstance(workflow, str) else workflow.name
        call = ChildCall(
            key=key,
            index=index,
            future=execution.loop.create_future(),
            workflow=name_of,
            instance=check_instance_id(instance_id or str(uuid.uuid5(_NAMESPACE, seed))),
            params=params,
            awaited=not detach,
            decode=output_decoder(None if isinstance(workflow, str) else workflow.run),
            schedule=Schedule(schedule.cron, _ms(schedule.scheduled_time)) if schedule else None,
        )
        return await execution.wait(call)

    def continue_as_new(self, params: Any = None) -> Never:
        """`Step.continue_as_new`."""
        raise ContinueAsNew(params)

    def patched(self, name: str) -> bool:
        """`Step.patched`."""
        return self._execution.patched(check_step_name(name))

    def now(self) -> datetime:
        """`Step.now`."""
        return datetime.fromtimestamp(self._execution.now_ms / 1000, tz=UTC)

    def random(self) -> Random:
        """`Step.random`."""
        return self._random

    def uuid(self) -> uuid.UUID:
        """`Step.uuid`."""
        return uuid.UUID(int=self._random.getrandbits(128), version=4)

    @cached_property
    def _random(self) -> Random:
        run = self._execution.run
        return Random(f"{run.key}/{run.number}")  # noqa: S311 - must repeat, not be secret

    async def _sleep(self, name: str, duration_ms: int, until_ms: int | None) -> None:
        execution = self._execution
        key, index = execution.occurrence(StepKind.SLEEP, name)
        future = execution.loop.create_future()
        await execution.wait(
            SleepCall(
                key=key, index=index, future=future, duration_ms=duration_ms, until_ms=until_ms
            )
        )


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
