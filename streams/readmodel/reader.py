"""`ModelReader`: the answers of a read model that follows the journal, for many who ask."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from stepwell.schemas.journal import InstanceKey
from stepwell.streams.engine.check import Recording
from stepwell.streams.errors import BrokerUnavailable
from stepwell.streams.gateway.judging import Ruling
from stepwell.streams.lists import (
    InstanceFilters,
    InstancePage,
    News,
    Pulse,
    WorkflowStatistics,
    WorkflowView,
)
from stepwell.streams.readmodel.follower import Follower
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.views import InstanceDetails

START_TIMEOUT_MS = 10_000
T = TypeVar("T")


class ModelReader:
    """Obeys `gateway.reader.Reader`.

    Until the journal has been read once, nothing is answered: it would be wrong. Later, while Kafka
    is away, the answers are those of the last moment that is known.
    """

    def __init__(self, follower: Follower, *, start_timeout_ms: int = START_TIMEOUT_MS) -> None:
        self._follower = follower
        self._start_timeout_ms = start_timeout_ms

    async def page(
        self, filters: InstanceFilters, *, limit: int, cursor: str | None
    ) -> InstancePage:
        """Instances, newest first; raises `InvalidRequest` for a cursor that is none."""
        place = self._follower.changes.place  # before the rows: what is told twice does no harm
        found = await self._ask(lambda model: model.page(filters, limit=limit, cursor=cursor))
        return replace(found, place=place)

    async def workflows(self) -> list[WorkflowView]:
        """The workflows that have instances."""
        return await self._ask(lambda model: model.workflows())

    async def details(self, workflow: str | None, instance_id: str) -> InstanceDetails | None:
        """One instance with its steps; the id `latest` is the newest."""
        return await self._ask(lambda model: next(model.details(workflow, instance_id), None))

    async def about(
        self, subjects: Iterable[str], workflows: Iterable[str]
    ) -> dict[str, InstanceKey]:
        """The newest instance of these workflows that completed, by what it was about."""
        return await self._ask(lambda model: model.about(subjects, workflows))

    async def recording(self, workflow: str, instance_id: str) -> Recording | None:
        """The records of its present run; the id `latest` is the newest instance."""
        return await self._ask(
            lambda model: next(map(model.recording, model.find(workflow, instance_id)), None)
        )

    async def commands(self, prefix: str) -> list[Ruling]:
        """What became of the commands whose ids begin so."""
        return await self._ask(lambda model: model.commands(prefix))

    async def pulse(self) -> Pulse:
        """All instances by status, and when something happened last."""
        return await self._ask(lambda model: model.pulse())

    async def step_statistics(self, workflow: str) -> WorkflowStatistics:
        """How a workflow goes, by its newest instances; without counts there are none of it."""
        return await self._ask(lambda model: model.step_statistics(workflow))

    async def news(self, place: str | None) -> AsyncGenerator[News]:
        """For ever what happens after a place, or from now on."""
        await self._started()
        async for news in self._follower.changes.since(place):
            yield news

    async def _ask(self, question: Callable[[ReadModel], T]) -> T:
        await self._started()
        return await self._follower.ask(question)

    async def _started(self) -> None:
        try:
            async with asyncio.timeout(self._start_timeout_ms / 1000):
                await self._follower.current.wait()
        except TimeoutError:
            raise BrokerUnavailable(
                f"the journal was not read within {self._start_timeout_ms} ms of this request"
            ) from None
