"""What an operator looks at: pages of instances, workflows, and both again when they change."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from stepwell.streams.gateway.requests import check_workflow
from stepwell.streams.lists import InstanceFilters, InstancePage, WorkflowStatistics, WorkflowView
from stepwell.streams.operator.reading import follow_journal, open_read_model, the_one
from stepwell.streams.readmodel.model import ReadModel
from stepwell.streams.settings import Settings
from stepwell.streams.views import InstanceDetails

INTERVAL_MS = 200
"""Whoever watches is told of changes no more often: a screen is not read faster."""
ENDED = frozenset({"complete", "errored", "terminated"})
T = TypeVar("T")


async def page_instances(
    settings: Settings,
    filters: InstanceFilters,
    *,
    limit: int,
    cursor: str | None = None,
    oldest_first: bool = False,
) -> InstancePage:
    """The instances that are asked for, newest first, a page at a time."""
    async with open_read_model(settings) as model:
        return model.page(filters, limit=limit, cursor=cursor, oldest_first=oldest_first)


async def list_workflows(settings: Settings) -> list[WorkflowView]:
    """The workflows that have instances, and how many are in which status."""
    async with open_read_model(settings) as model:
        return model.workflows()


async def describe_workflow(settings: Settings, name: str) -> WorkflowStatistics | None:
    """A workflow, and how its steps fared of late; None: it has no instances."""
    check_workflow(name)
    async with open_read_model(settings) as model:
        found = model.step_statistics(name)
    return found if found.counts else None


async def watch_instances(
    settings: Settings, filters: InstanceFilters, *, limit: int, oldest_first: bool = False
) -> AsyncGenerator[InstancePage]:
    """The first page now, and for ever again when anything has happened."""

    def asked(model: ReadModel) -> InstancePage:
        return model.page(filters, limit=limit, oldest_first=oldest_first)

    async for page in _watched(settings, asked):
        yield page


async def watch_instance(
    settings: Settings, workflow: str | None, instance_id: str
) -> AsyncGenerator[InstanceDetails]:
    """An instance now, and again when anything has happened, until it has ended or is deleted.

    The id `latest` means the one that is the newest now.
    """
    async with open_read_model(settings) as model:
        key = the_one(model, workflow, instance_id)

    def asked(model: ReadModel) -> InstanceDetails | None:
        return next(model.details(key.workflow, key.instance), None)

    async for found in _watched(settings, asked):
        if found is None:
            return
        yield found
        if found.summary.status in ENDED:
            return


async def _watched(settings: Settings, asked: Callable[[ReadModel], T]) -> AsyncGenerator[T]:
    async with open_read_model(settings) as model:  # fails at once where a follower would wait
        yield asked(model)
    async with follow_journal(settings) as follower:
        await follower.current.wait()
        while True:
            more = follower.more()
            yield await follower.ask(asked)
            await more.wait()
            await asyncio.sleep(INTERVAL_MS / 1000)
