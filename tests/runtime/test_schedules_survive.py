"""A schedule on the real owner: whenever its worker dies, each time starts one instance."""

from datetime import UTC, datetime
from typing import Any

import pytest

from stepwell.schemas import codec
from stepwell.schemas.journal import InstanceCompleted
from stepwell.streams import Step, Workflow, WorkflowEvent, Workflows
from stepwell.streams.engine.triggers import on_cron
from stepwell.streams.testing.world import World

BEGIN = datetime(2026, 5, 1, 12, tzinfo=UTC)
END = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY_MS = 24 * 60 * 60 * 1000


class Report(Workflow, name="report"):
    triggers = (on_cron("0 7 * * *"),)

    async def run(self, event: WorkflowEvent[Any], step: Step) -> str:
        assert event.schedule is not None
        return f"{event.schedule.scheduled_time:%m-%d %H:%M}"


def ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


async def outputs(dies_at: int | None = None) -> tuple[list[str], int]:
    """What was started and completed when the worker dies at its n-th write; how many it made."""
    world = World(Workflows([(Report, None)]), ms(BEGIN), in_memory_max=10)
    for key, value in world.workflows.schedules(ms(BEGIN)):
        world.journal.put(key, value)
    world.dies_at = dies_at
    await world.drive(lambda: False, until_ms=ms(END))
    await world.worker.stop()
    assert world.ran_again == []
    records = {key: codec.decode(value) for key, value in world.journal.records}  # the last of each
    ended = [record for record in records.values() if isinstance(record, InstanceCompleted)]
    return [record.output for record in ended], world.writes


@pytest.mark.slow
async def test_each_time_starts_one_instance_wherever_the_worker_dies() -> None:
    expected, writes = await outputs()
    assert expected == ["05-02 07:00", "05-03 07:00", "05-04 07:00"]
    for number in range(1, writes + 1):
        assert (await outputs(dies_at=number))[0] == expected, f"died at write {number}"
