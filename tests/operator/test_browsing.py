"""What the command line looks at, on a broker: pages, changes, and what is asked of many."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from stepwell.schemas.commands import PauseRequested, TerminateRequested
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.errors import BrokerUnavailable, BulkChanged, InstanceNotFound, InvalidRequest
from stepwell.streams.gateway.bulk import BulkAction, BulkRequest
from stepwell.streams.lists import InstanceFilters, WorkflowView
from stepwell.streams.operator.browsing import (
    describe_workflow,
    list_workflows,
    page_instances,
    watch_instance,
    watch_instances,
)
from stepwell.streams.operator.bulk import execute_bulk, plan_bulk
from stepwell.streams.operator.control import create_instance, tell_instance
from stepwell.streams.operator.queries import describe_instance, ensure_topics
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings

pytestmark = pytest.mark.slow

EVERYTHING = InstanceFilters()


def settings_of(bootstrap: str, folder: Path) -> Settings:
    flags = {"kafka.bootstrap": bootstrap, "kafka.partitions": "2", "readmodel.dir": str(folder)}
    return load_settings(flags=flags, environ={}, config=None, directory=folder)


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[Settings]:
    async with EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker:
        settings = settings_of(broker.address, tmp_path / "readmodel")
        await ensure_topics(settings)
        yield settings


async def create(settings: Settings, *ids: str, workflow: str = "order") -> None:
    for instance_id in ids:
        await create_instance(settings, workflow, None, instance_id=instance_id, lane="live")


async def test_pages_and_the_oldest_first(settings):
    await create(settings, "a", "b", "c")
    first = await page_instances(settings, EVERYTHING, limit=2)
    assert [it.instance_id for it in first.instances] == ["c", "b"]
    rest = await page_instances(settings, EVERYTHING, limit=2, cursor=first.cursor)
    assert ([it.instance_id for it in rest.instances], rest.cursor) == (["a"], None)
    oldest = await page_instances(settings, EVERYTHING, limit=2, oldest_first=True)
    assert [it.instance_id for it in oldest.instances] == ["a", "b"]


async def test_workflows(settings):
    await create(settings, "a", "b")
    assert await list_workflows(settings) == [WorkflowView("order", {"running": 2})]
    found = await describe_workflow(settings, "order")
    assert (found.total, found.steps) == (2, ())
    assert await describe_workflow(settings, "nobody") is None
    with pytest.raises(InvalidRequest):
        await describe_workflow(settings, "no name")


async def test_who_watches_a_list_is_told_of_what_is_new(settings):
    await create(settings, "a")
    async with aclosing(watch_instances(settings, EVERYTHING, limit=10)) as pages:
        assert len((await anext(pages)).instances) == 1
        assert len((await anext(pages)).instances) == 1
        await create(settings, "b")
        async for page in pages:
            if len(page.instances) == 2:
                break


async def test_who_watches_an_instance_is_told_until_it_has_ended(settings):
    await create(settings, "a")
    seen = []
    async for found in watch_instance(settings, None, "latest"):
        seen.append(found.summary.status)
        if len(seen) == 2:  # it follows the journal now
            await create(settings, "later")
            await tell_instance(settings, None, "a", TerminateRequested(0))
    assert (seen[0], seen[-1]) == ("running", "terminated")


async def test_watching_nobody_and_no_broker_fails_at_once(settings, tmp_path):
    with pytest.raises(InstanceNotFound):
        await anext(watch_instance(settings, None, "nobody"))
    away = settings_of("127.0.0.1:1", tmp_path)
    with pytest.raises(BrokerUnavailable):
        await anext(watch_instances(away, EVERYTHING, limit=1))


async def test_watching_a_deployment_without_topics_begins_with_nothing(tmp_path):
    async with EmbeddedBroker(BrokerConfig(tmp_path / "broker")) as broker:
        settings = settings_of(broker.address, tmp_path / "readmodel")
        async with aclosing(watch_instances(settings, EVERYTHING, limit=1)) as pages:
            assert (await anext(pages)).instances == ()


async def test_an_id_of_several_workflows_is_asked_back(settings):
    await create(settings, "a")
    await create(settings, "a", workflow="audit")
    with pytest.raises(InvalidRequest, match="audit, order"):
        await describe_instance(settings, None, "a")
    assert (await describe_instance(settings, "audit", "a")).summary.workflow == "audit"


async def test_many_are_looked_at_then_told_and_nobody_twice(settings):
    await create(settings, "a", "b", "c")
    await tell_instance(settings, "order", "c", PauseRequested(0))
    request = BulkRequest(BulkAction.TERMINATE, InstanceFilters(id_prefix=""), "cleaning")
    plan = await plan_bulk(settings, request)
    assert (plan.matched, plan.applicable, len(plan.sample)) == (3, 3, 3)
    with pytest.raises(BulkChanged):
        await execute_bulk(settings, request, bulk_id="b-0", expected=2, report=lambda _: None)
    told = []
    result = await execute_bulk(
        settings, request, bulk_id="b-1", expected=3, report=lambda it: told.append(it.told)
    )
    assert (result.done, told[-1]) == (3, 3)
    again = await execute_bulk(settings, request, bulk_id="b-1", expected=3, report=lambda _: None)
    assert (again.done, again.already_done) == (0, 3)
    assert await list_workflows(settings) == [WorkflowView("order", {"terminated": 3})]
