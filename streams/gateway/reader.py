"""The port through which the API reads; the read model is behind it."""

from collections.abc import AsyncGenerator
from typing import Protocol

from stepwell.streams.engine.check import Recording
from stepwell.streams.gateway.judging import Ruling
from stepwell.streams.lists import InstanceFilters, InstancePage, News, WorkflowView
from stepwell.streams.views import InstanceDetails


class Reader(Protocol):
    """What is known of instances; may raise `BrokerUnavailable` and `ReadModelUnavailable`."""

    async def page(
        self, filters: InstanceFilters, *, limit: int, cursor: str | None
    ) -> InstancePage:
        """Instances, newest first; raises `InvalidRequest` for a cursor that is none."""
        ...

    async def workflows(self) -> list[WorkflowView]:
        """The workflows that have instances."""
        ...

    async def details(self, workflow: str | None, instance_id: str) -> InstanceDetails | None:
        """One instance with its steps; the id `latest` is the newest."""
        ...

    async def recording(self, workflow: str, instance_id: str) -> Recording | None:
        """The records of its present run; the id `latest` is the newest instance."""
        ...

    async def commands(self, prefix: str) -> list[Ruling]:
        """What became of the commands whose ids begin so."""
        ...

    def news(self, place: str | None) -> AsyncGenerator[News]:
        """For ever what happens after a place, or from now on."""
        ...
