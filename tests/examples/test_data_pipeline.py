"""A file on its way into a table."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from stepwell.streams.bindings.errors import ServiceUnavailable
from stepwell.streams.bindings.http import Page
from stepwell.streams.bindings.sources import LocalSource
from stepwell.streams.examples.data_pipeline import (
    Batch,
    Bindings,
    DataPipeline,
    Export,
    Order,
    Report,
    transform,
)
from stepwell.streams.examples.offline import ORDERS, for_data_pipeline
from stepwell.streams.testing import WorkflowTest

EXPORT = Export("https://example.com/orders.csv")
REJECTED = ("line 4: no customer", "line 5: amount 'twelve' is no number")


@pytest.fixture
def world() -> Bindings:
    return for_data_pipeline()


@dataclass
class Flaky:
    """Fails so many times before it answers."""

    failures: int

    async def fetch(self, url: str) -> Page:
        if self.failures:
            self.failures -= 1
            raise ServiceUnavailable("example.com", "503 busy")
        return Page(url, "text/csv", ORDERS.encode())


async def test_good_rows_are_loaded_and_bad_ones_named(world: Bindings):
    async with WorkflowTest(DataPipeline, env=world) as test:
        handle = await test.start(DataPipeline, EXPORT)
        assert await handle.result() == Report(2, REJECTED)
    rows = await world.database.query("SELECT id, amount_cents FROM orders ORDER BY id")
    assert rows == [{"id": "1001", "amount_cents": 1999}, {"id": "1002", "amount_cents": 500}]


async def test_a_second_run_loads_nothing_twice(world: Bindings):
    for _ in range(2):
        async with WorkflowTest(DataPipeline, env=world) as test:
            handle = await test.start(DataPipeline, EXPORT)
            await handle.result()
    (count,) = await world.database.query("SELECT count(*) AS rows FROM orders")
    assert count == {"rows": 2}


async def test_a_server_that_is_busy_for_a_while_is_waited_for(world: Bindings):
    async with WorkflowTest(DataPipeline, env=replace(world, source=Flaky(3))) as test:
        handle = await test.start(DataPipeline, EXPORT)
        began = test.now
        await handle.result()
        assert test.now - began == timedelta(seconds=30 + 60 + 120)
        (extract, *_) = handle.steps
        assert (extract.name, extract.attempts) == ("extract", 4)


async def test_a_file_that_is_not_there_is_not_looked_for_again(world: Bindings):
    async with WorkflowTest(DataPipeline, env=replace(world, source=LocalSource({}))) as test:
        handle = await test.start(DataPipeline, EXPORT)
        await handle.wait_for_status("errored")
        assert handle.error.name == "RefusedByService"
        assert len(handle.steps) == 1


def test_rows_are_transformed_one_by_one():
    rows = "id,customer,amount\n1, ada ,0.29\n2,grace\n,alan,3\n4,edsger,NaN\n"
    assert transform(rows) == Batch(
        orders=(Order("1", "ada", 29),),
        rejected=(
            "line 3: no amount",
            "line 4: no id",
            "line 5: amount 'NaN' is no number",
        ),
    )


def test_a_file_without_rows_is_an_empty_batch():
    assert transform("") == Batch((), ())
