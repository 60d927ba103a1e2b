"""What an operator tells instances, on a real log and through the functions behind the commands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stepwell.schemas import codec
from stepwell.schemas.cloudevents import EventRecord
from stepwell.schemas.commands import PauseRequested, TerminateRequested
from stepwell.schemas.errors import JournalCorrupt
from stepwell.schemas.journal import InstanceCompleted, JournalRecord, StepSucceeded
from stepwell.streams import Workflow, Workflows
from stepwell.streams.broker import BrokerConfig, EmbeddedBroker
from stepwell.streams.errors import InstanceExists, InstanceNotFound, InvalidRequest
from stepwell.streams.gateway.control import NewInstance
from stepwell.streams.kafka.publisher import EventPublisher
from stepwell.streams.operator.control import (
    check_histories,
    create_instance,
    export_instances,
    open_control,
    tell_instance,
    wait_for_instance,
)
from stepwell.streams.operator.queries import describe_instance, ensure_topics, list_instances
from stepwell.streams.settings import Settings
from stepwell.streams.settings_load import load_settings
from stepwell.streams.wiring import topics_of

MIB = 1024 * 1024


class Order(Workflow, name="order"):
    async def run(self, event, step):
        return await step.do("pay", lambda: pytest.fail("a check runs no step"))


class Renamed(Workflow, name="order"):
    async def run(self, event, step):
        return await step.do("charge", lambda: None)


@asynccontextmanager
async def workflows(settings: Settings) -> AsyncIterator[Workflows]:
    yield Workflows([(Order, None)])


def settings_for(
    bootstrap: str, carried: str = "workflows", folder: Path = Path("nowhere")
) -> Settings:
    flags = {
        "kafka.bootstrap": bootstrap,
        "worker.workflows": f"{__name__}:{carried}",
        "readmodel.dir": str(folder),
    }
    return load_settings(flags=flags, environ={}, config=None, directory=Path("nowhere"))


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[Settings]:
    async with EmbeddedBroker(BrokerConfig(tmp_path)) as broker:
        settings = settings_for(broker.address, folder=tmp_path / "readmodel")
        await ensure_topics(settings)
        yield settings


async def work(settings: Settings, key: str, *records: JournalRecord) -> None:
    """Append what a worker would."""
    publisher = EventPublisher(settings.kafka.bootstrap, topics_of(settings.kafka).journal)
    for record in records:
        await publisher.append(EventRecord(key.encode(), codec.encode(record), []))
    await publisher.stop()


async def test_what_is_created_and_told_is_what_readers_see(settings):
    receipt = await create_instance(settings, "order", {"n": 1}, instance_id="one", lane="bulk")
    with pytest.raises(InstanceExists):
        await create_instance(settings, "order", None, instance_id="one", lane="live")
    paused = await tell_instance(settings, None, "latest", PauseRequested(0, "lunch"))
    assert (paused.instance_id, paused.status) == ("one", "waitingForPause")
    ended = await tell_instance(settings, "order", "one", TerminateRequested(0))
    assert (ended.partition, ended.status) == (receipt.partition, "terminated")
    (summary,) = await list_instances(settings)
    assert summary.status == "terminated"
    details = await describe_instance(settings, "order", "one")
    assert details is not None
    assert (details.params, details.lane, details.run) == ({"n": 1}, "bulk", receipt.offset)


async def test_parameters_of_a_mebibyte_fit_through_the_log(settings):
    await create_instance(settings, "order", "x" * (MIB - 2), instance_id="big", lane="live")
    details = await describe_instance(settings, "order", "big")
    assert details is not None
    assert len(details.params) == MIB - 2


async def test_an_id_that_says_too_little_or_nothing(settings):
    for workflow in ("order", "audit"):
        await create_instance(settings, workflow, None, instance_id="one", lane="live")
    with pytest.raises(
        InvalidRequest, match="several workflows have an instance one: say which of "
    ):
        await tell_instance(settings, None, "one", PauseRequested(0))
    with pytest.raises(InstanceNotFound):
        await tell_instance(settings, None, "two", PauseRequested(0))
    with pytest.raises(InstanceNotFound, match="of workflow other"):
        await tell_instance(settings, "other", "latest", PauseRequested(0))


async def test_the_end_of_an_instance_can_be_waited_for(settings):
    receipt = await create_instance(settings, "order", None, instance_id="one", lane="live")
    waiting = asyncio.create_task(wait_for_instance(settings, receipt))
    await work(settings, "order/one", InstanceCompleted(receipt.offset, 0, 5_000, None))
    found = await waiting
    assert found is not None
    assert found.status == "complete"


async def test_exported_histories_are_checked_against_the_code(settings):
    for instance in ("done", "open", "secret"):
        receipt = await create_instance(settings, "order", None, instance_id=instance, lane="live")
        run, secret = receipt.offset, instance == "secret"
        paid = StepSucceeded(run, "pay", 1, 1, 0, 1, 2, 7, call=1, sensitive=secret)
        await work(settings, f"order/{instance}", paid)
        if instance == "done":
            await work(settings, "order/done", InstanceCompleted(run, 0, 5_000, 7))
    exported = await export_instances(
        settings, ["done"], workflow=None, all_running=True, with_sensitive=False
    )
    assert (len(exported.lines), exported.left_out) == (2, ("order/secret",))
    everything = await export_instances(
        settings, [], workflow="order", all_running=True, with_sensitive=True
    )
    assert (len(everything.lines), everything.left_out) == (2, ())

    checked = await check_histories(settings, [*exported.lines, b"\n"])
    assert [(each.instance, each.ok) for each in checked] == [
        ("order/done", True),
        ("order/open", True),
    ]
    renamed = settings_for(settings.kafka.bootstrap, "Renamed")
    found = await check_histories(renamed, exported.lines)
    assert {(each.ok, each.expected, each.found) for each in found} == {
        (False, "step 'charge-1'", "step 'pay-1'")
    }


async def test_a_history_that_cannot_be_read_is_named_by_its_line():
    settings = settings_for("localhost:1", "Order")
    with pytest.raises(JournalCorrupt, match="line 2"):
        await check_histories(settings, [b"\n", b"junk\n"])


async def test_commands_of_one_batch_are_judged_in_every_partition(settings):
    async with open_control(settings) as control:
        new = [NewInstance(n, f"o-{n}") for n in range(20)]
        receipts = await control.create_batch("order", new)
        assert len({receipt.partition for receipt in receipts}) > 1
        told = await control.delete_batch("order", [receipt.instance_id for receipt in receipts])
        assert all(each.accepted for each in told)
        again = await control.delete_batch("order", ["o-1"])
        assert again[0].code == "instance.not_found"
    assert await list_instances(settings) == []
